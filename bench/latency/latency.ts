/** Time from an accepted PutLogs to HEC's answer at a low rate, and the number of pulls, by SLS_FETCH_INTERVAL_SECONDS. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Secret } from '../../src/core/secret.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { seededRandom } from '../../src/emulator/sample-logs.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import { MAIN } from '../end-to-end/contender.ts'
import { ended } from '../end-to-end/measure.ts'
import type { Report } from '../report.ts'

const INTERVALS_SECONDS = [0.1, 0.25, 0.5, 1, 2, 5]
const SHARDS = 4
const LOGS = 150
/** Time between two logs, so that each is delivered alone. */
const GAP_MS = 150
const DAY_MS = 86_400_000

export async function* latency(): AsyncGenerator<Report> {
  const rows: string[][] = []
  for (const seconds of INTERVALS_SECONDS) {
    const { delaysMs, pullsPerShardAndDay } = await measured(seconds)
    const at = (part: number): string => `${Math.round(delaysMs[Math.floor(part * (delaysMs.length - 1))] as number)}`
    rows.push([`${seconds}`, at(0.5), at(0.99), pullsPerShardAndDay.toFixed(0)])
    process.stderr.write(`  every ${rows.at(-1)?.join(', ')}\n`)
  }
  yield {
    id: 'latency',
    title: 'Latency at a low rate',
    columns: ['SLS_FETCH_INTERVAL_SECONDS', 'p50, ms', 'p99, ms', 'pulls per shard and day'],
    rows,
  }
}

async function measured(seconds: number): Promise<{ delaysMs: number[]; pullsPerShardAndDay: number }> {
  const sls = await startSlsEmulator({ projects: { bench: { audit: {} } }, shards: SHARDS })
  const writtenAt = new Map<string, number>()
  const delaysMs: number[] = []
  const hec = await startHecReceiver({
    onIndexed: (events) => {
      const now = performance.now()
      for (const { envelope } of events) {
        const { serial } = envelope.event as { serial: string }
        // A log may arrive before its writer learns that it was accepted.
        delaysMs.push(Math.max(0, now - (writtenAt.get(serial) ?? now)))
      }
    },
  })
  const writer = new OfficialClient({
    ...{ endpoint: sls.url, project: 'bench', logstore: 'audit', userAgent: 'bench' },
    ...{ accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) },
  })
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const bridge = spawn(process.execPath, [MAIN, 'run'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...{ PATH: process.env['PATH'], ...sls.environment(), ...hec.environment() },
      ...{ SLS_CG: 'bench', SLS_CONSUMER: 'bench' },
      ...{ SLS_FETCH_INTERVAL_SECONDS: String(seconds), SLS_HEARTBEAT_SECONDS: '5', LOG_LEVEL: 'warn' },
      ...{ DEAD_LETTER_DIR: folder, ADMIN_PORT: '19484' },
    },
  })
  const write = async (serial: string): Promise<void> => {
    await writer.write({
      ...{ topic: 'audit_log', source: 'bench' },
      logs: [{ timestamp: Math.floor(Date.now() / 1000), content: { serial } }],
    })
    writtenAt.set(serial, performance.now())
  }
  try {
    // Every shard has an owner and was read to its end once.
    while (pulls(sls.requests()) < 3 * SHARDS) await sleep(50)
    const [before, begun] = [pulls(sls.requests()), performance.now()]
    const random = seededRandom(1)
    for (let serial = 0; serial < LOGS; serial++) {
      await write(String(serial))
      await sleep(GAP_MS * (0.5 + random()))
    }
    const share = (performance.now() - begun) / DAY_MS
    const pullsPerShardAndDay = (pulls(sls.requests()) - before) / SHARDS / share
    while (delaysMs.length < LOGS) await sleep(50)
    return { delaysMs: delaysMs.toSorted((one, other) => one - other), pullsPerShardAndDay }
  } finally {
    await ended(bridge)
    writer.close()
    await Promise.all([sls.close(), hec.close()])
    rmSync(folder, { recursive: true, force: true })
  }
}

function pulls(requests: ReadonlyArray<{ api: string; count: number }>): number {
  return requests.reduce((sum, { api, count }) => sum + (api === 'PullLogs' ? count : 0), 0)
}
