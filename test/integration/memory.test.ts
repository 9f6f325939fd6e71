import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'

/** The acceptance run is 2 GB: MEGABYTES=2000 npx vitest run --project integration test/integration/memory.test.ts */
const MEGABYTES = Number(process.env['MEGABYTES'] ?? 250)
const RESIDENT_LIMIT_MB = 300

describe('memory', () => {
  test(`${MEGABYTES} MB waiting in SLS and a stalled HEC: resident memory stays under ${RESIDENT_LIMIT_MB} MB, then it drains`, {
    timeout: 90_000 + MEGABYTES * 100,
  }, async () => {
    const scenario = await Scenario.start({ sls: { shards: 16 }, hec: { discard: true } })
    const logs = await fill(scenario, MEGABYTES * 1e6)
    scenario.hec.stall()
    const replica = scenario.replica()
    await replica.adminUrl()
    await scenario.eventually(async () => (await inFlightOf(replica)) > 40e6, 30_000)
    // Long enough for a leak to show: a heartbeat is a second, many times what a pull takes.
    await scenario.heartbeats('replica-1', 5)
    const stalled = await inFlightOf(replica)
    expect(stalled).toBeLessThanOrEqual(64 * 1024 * 1024)
    expect(scenario.hec.state().events).toBe(0)
    const peakStalled = peakResidentMb(replica.child.pid)
    scenario.hec.resume()
    await scenario.caughtUp(60_000 + MEGABYTES * 60)
    const peak = peakResidentMb(replica.child.pid)
    console.log(`${MEGABYTES} MB, ${logs} logs: peak ${peakStalled} MB stalled, ${peak} MB after draining`)
    expect(Math.max(peakStalled, peak)).toBeLessThan(RESIDENT_LIMIT_MB)
    expect(await youngGenerationOf(replica)).toBeLessThan(4e6)
    expect(scenario.hec.state().events).toBe(logs)
  })
})

describe('the byte budget', () => {
  test('holds for logs that grow two hundred times when encoded', async () => {
    const limit = 8 * 1024 * 1024
    const scenario = await Scenario.start({
      sls: { shards: 2 },
      hec: { discard: true },
      env: { MAX_IN_FLIGHT_BYTES: String(limit), SPLUNK_HEC_MAX_BYTES: '500000' },
    })
    // 20 bytes of log under 4 KB of tags, which every event repeats: 80 MB of events from 0.5 MB pulled.
    await scenario.writeGroups(20, { tagBytes: 4_000, logs: 1_000 })
    scenario.hec.stall()
    const replica = scenario.replica()
    await scenario.eventually(async () => (await inFlightOf(replica)) > limit / 2, 30_000)
    await scenario.heartbeats('replica-1', 2)
    expect(await inFlightOf(replica)).toBeLessThanOrEqual(limit + 1_000_000)
    scenario.hec.resume()
    await scenario.caughtUp(60_000)
    expect(scenario.hec.state().events).toBe(20_000)
  })
})

async function youngGenerationOf(replica: BridgeProcess): Promise<number> {
  const size = /^nodejs_heap_space_size_total_bytes\{space="new"\} (\d+)/m.exec(await replica.metrics())?.[1]
  return Number(size)
}

async function inFlightOf(replica: BridgeProcess): Promise<number> {
  return Number(/^sls_bridge_in_flight_bytes(?:\{[^}]*\})? (\d+)/m.exec(await replica.metrics())?.[1] ?? 0)
}

/** One real write, then the same stored group over and over. Returns the number of logs. */
async function fill(scenario: Scenario, bytes: number): Promise<number> {
  await scenario.write(1, { logsPerGroup: 100 })
  const { logstore } = scenario
  const shard = logstore.shards().find((candidate) => candidate.end > 0)
  const group = shard?.read(0, { count: 1, maxBytes: 1e9 }).groups[0]
  if (!group) throw new Error('nothing was written')
  const times = Math.ceil(bytes / group.rawSize)
  for (let time = 1; time < times; time++) logstore.append({ ...group, receivedAt: Date.now() })
  return times * group.logs
}

function peakResidentMb(pid: number | undefined): number {
  return Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024)
}
