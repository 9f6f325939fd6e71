/** Memory of a replica by shards, budget and activity: the operating system's resident size. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAIN } from '../end-to-end/contender.ts'
import { AS_INSTALLED, ended, helper, residentMb } from '../end-to-end/measure.ts'
import type { SinkOptions, SinkReady, SinkState } from '../end-to-end/sink.ts'
import type { SourceOptions, SourceReady, SourceState } from '../end-to-end/source.ts'
import type { Report } from '../report.ts'

const MB = 1 << 20
const BUDGET_MB = 64
const SHARDS = [1, 16, 64, 256]
const BUDGETS_MB = [16, 256]
const SHARDS_FOR_BUDGETS = 16
const IDLE_MS = 20_000
const STALLED_MS = 10_000
const LONGEST_MS = 300_000
/** Enough to fill every pool. */
const BACKLOG_MB = 3_000
const ADMIN_PORT = 19_474

type State = 'idle' | 'busy' | 'stalled'
const STATES: State[] = ['idle', 'busy', 'stalled']

export async function* memory(): AsyncGenerator<Report> {
  const byShards = await rows(SHARDS.map((shards) => ({ name: `${shards} shards`, shards, budgetMb: BUDGET_MB })))
  yield {
    ...{ id: 'memory-shards', title: `Resident size by shards, MAX_IN_FLIGHT_BYTES ${BUDGET_MB} MiB`, ...byShards },
    ratios: { 'MB idle with 256 shards': byShards.idle.at(-1) as number },
  }
  const budgets = BUDGETS_MB.map((budgetMb) => ({ name: `${budgetMb} MiB`, shards: SHARDS_FOR_BUDGETS, budgetMb }))
  const byBudget = await rows(budgets)
  yield {
    id: 'memory-budget',
    title: `Resident size by MAX_IN_FLIGHT_BYTES, ${SHARDS_FOR_BUDGETS} shards`,
    ...byBudget,
  }
}

async function rows(cases: Array<{ name: string; shards: number; budgetMb: number }>) {
  const table: string[][] = []
  const idle: number[] = []
  for (const { name, shards, budgetMb } of cases) {
    const found: number[] = []
    for (const state of STATES) found.push(await resident(state, shards, budgetMb))
    idle.push(found[0] as number)
    table.push([name, ...found.map((mb) => mb.toFixed(0)), (150 + (2 * budgetMb * MB) / 1e6).toFixed(0)])
    process.stderr.write(`  ${name}: ${found.map((mb) => mb.toFixed(0)).join(', ')} MB\n`)
  }
  return { columns: ['MB', ...STATES, '150 MB + 2 × budget'], rows: table, idle }
}

/** Idle: after some time without logs. Busy: the highest while a backlog drains. Stalled: HEC has stopped answering. */
async function resident(state: State, shards: number, budgetMb: number): Promise<number> {
  const megabytes = state === 'idle' ? 0 : BACKLOG_MB
  const source = helper<SourceOptions, SourceReady, SourceState>('source', { kind: 'audit', shards, megabytes })
  const sink = helper<SinkOptions, SinkReady, SinkState>('sink', { ack: false, stalled: state === 'stalled' })
  const [{ env }, { url }] = await Promise.all([source.ready, sink.ready])
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const bridge = spawn(process.execPath, [MAIN, 'run'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...AS_INSTALLED,
      ...{ PATH: process.env['PATH'], ...env, SLS_CG: 'bench', SLS_CONSUMER: 'bench', SLS_HEARTBEAT_SECONDS: '5' },
      ...{ SPLUNK_HEC_URL: url, SPLUNK_HEC_TOKEN: 'bench', SPLUNK_HEC_GZIP: 'false', DEAD_LETTER_DIR: folder },
      ...{ MAX_IN_FLIGHT_BYTES: String(budgetMb * MB), ADMIN_PORT: String(ADMIN_PORT), LOG_LEVEL: 'warn' },
    },
  })
  try {
    if (state === 'idle') await sleep(IDLE_MS)
    else if (state === 'busy') await until(() => source.state?.behind === 0)
    else {
      await until(async () => (await inFlight()) > 0)
      await sleep(STALLED_MS)
    }
    return residentMb(bridge, state === 'busy' ? 'VmHWM' : 'VmRSS')
  } finally {
    await ended(bridge, 'SIGKILL')
    source.end()
    sink.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + LONGEST_MS; performance.now() < deadline; await sleep(200)) {
    if (await met()) return
  }
  throw new Error(`not within ${LONGEST_MS / 1000} s`)
}

async function inFlight(): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${ADMIN_PORT}/metrics`).catch(() => undefined)
  return Number(/^sls_bridge_in_flight_bytes (\d+)/m.exec((await response?.text()) ?? '')?.[1] ?? 0)
}
