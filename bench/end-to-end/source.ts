/**
 * SLS with a backlog, in its own process (fork it): the emulator with its signatures, leases and checkpoints. Its shards repeat
 * the same few hundred log groups, each compressed once.
 */
import { readFileSync } from 'node:fs'
import { compressSync } from 'lz4-napi'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import { storedBlock } from '../../src/emulator/sls/lz4-join.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { logGroups } from '../corpus.ts'

export interface SourceOptions {
  kind: SampleKind
  shards: number
  megabytes: number
  /** PEM files. */
  tls?: { cert: string; key: string }
}

/** Sent when it is ready. */
export interface SourceReady {
  env: Record<string, string>
  rawBytes: number
  logs: number
}

/** Sent from time to time. */
export interface SourceState {
  /** Log groups that no checkpoint has passed yet. */
  behind: number
}

const DIFFERENT_GROUPS = 256
const EVERY_MS = 100

const { kind, shards, megabytes, tls } = JSON.parse(process.argv[2] ?? '{}') as SourceOptions
const emulator = await startSlsEmulator({
  projects: { bench: { audit: { shards } } },
  ...(tls && { tls: { cert: readFileSync(tls.cert), key: readFileSync(tls.key) } }),
})
const stored = logGroups(kind, DIFFERENT_GROUPS).map(({ raw, logs }) => {
  // lz4-napi puts the size before the block.
  const block = Buffer.from(compressSync(raw).subarray(4))
  return { ...storedBlock(raw, block), logs, receivedAt: Date.now() }
})
const logstore = emulator.logstore()
let [rawBytes, logs, groups] = [0, 0, 0]
while (rawBytes < megabytes * 1e6) {
  const next = stored[Math.floor(groups / shards) % DIFFERENT_GROUPS] as (typeof stored)[number]
  logstore.append(next)
  rawBytes += next.rawSize
  logs += next.logs
  groups += 1
}
const env = {
  // Certificates are for names. Node does not accept a host that ends in a number as a name.
  SLS_ENDPOINT: tls ? `https://localhost:${emulator.port}` : emulator.url,
  SLS_AK_ID: emulator.accessKeyId,
  SLS_AK_KEY: emulator.accessKeySecret,
  SLS_PROJECT: 'bench',
  SLS_LOGSTORE: 'audit',
}
process.send?.({ env, rawBytes, logs } satisfies SourceReady)
setInterval(() => {
  const shards = emulator.state().logstores[0]?.consumerGroups[0]?.shards ?? []
  const behind = shards.length === 0 ? groups : shards.reduce((sum, shard) => sum + (shard.behind ?? groups), 0)
  process.send?.({ behind } satisfies SourceState)
}, EVERY_MS)
process.on('disconnect', () => process.exit())
process.on('error', () => process.exit())
