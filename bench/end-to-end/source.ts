/**
 * SLS with a backlog, as a process of its own: `node source.ts KIND SHARDS MEGABYTES`. The emulator with signatures, leases
 * and checkpoints; in its shards the same few hundred log groups come again and again, LZ4 compressed once.
 * Prints the environment to use, then an empty line.
 */
import { compressSync } from 'lz4-napi'
import { storedBlock } from '../../src/emulator/sls-put-logs.ts'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import { startSlsEmulator } from '../../src/emulator/sls-server.ts'
import { logGroups } from '../corpus.ts'

const GROUPS = 256

const [kind, shards, megabytes] = process.argv.slice(2)
const emulator = await startSlsEmulator({ project: 'bench', logstore: 'audit', shards: Number(shards) })
const stored = logGroups(kind as SampleKind, GROUPS).map(({ raw, logs }) => {
  // What lz4-napi puts before the block is its size.
  const block = Buffer.from(compressSync(raw).subarray(4))
  return { ...storedBlock(raw, block), logs, receivedAt: Date.now() }
})
const logstore = emulator.store.logstore('bench', 'audit')
let bytes = 0
for (let group = 0; bytes < Number(megabytes) * 1e6; group++) {
  const next = stored[Math.floor(group / Number(shards)) % GROUPS] as (typeof stored)[number]
  logstore.append(next)
  bytes += next.rawSize
}
console.log(`SLS_ENDPOINT=${emulator.url}
SLS_AK_ID=${emulator.accessKeyId}
SLS_AK_KEY=${emulator.accessKeySecret}
SLS_PROJECT=bench
SLS_LOGSTORE=audit
RAW_BYTES=${bytes}
`)
