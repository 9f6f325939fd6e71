import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { BridgeProcess, LogLine } from '../support/bridge-process.ts'
import type { ScenarioOptions } from '../support/scenario.ts'
import { Scenario } from '../support/scenario.ts'
import { hecApi, slsApi } from './apis.ts'
import type { Behaviour, FrontRequest, Rule } from './front.ts'
import { HostileFront } from './front.ts'

export interface Row {
  name: string
  /** Calls that meet it: names of `apiOf`, or a test of the request. */
  of?: readonly string[] | ((request: FrontRequest) => boolean)
  behave: Behaviour
  beforeBody?: boolean
  /** How often it is met before the server turns sane again. */
  times?: number
  /** The log line about it. Nothing where the bridge can't notice a fault. */
  says?: RegExp
  env?: Record<string, string>
  sls?: ScenarioOptions['sls']
  hec?: ScenarioOptions['hec']
  /** Turns TLS on at the front, and off while the rule is set. */
  tls?: { key: string; cert: string }
  /** Events refused for good. */
  deadLettered?: number
  /** Further conditions while the server is hostile, and at the end. */
  while?: (trial: Trial) => Promise<void>
  after?: (trial: Trial) => Promise<void>
}

export interface Trial {
  readonly scenario: Scenario
  readonly front: HostileFront
  readonly replica: BridgeProcess
}

const RESIDENT_LIMIT_MB = 300
const LONGEST_LINE = 4_000
const LONGEST_METRICS = 64 * 1024
/** Part of every secret a row makes up. */
export const MUST_NOT_SHOW = 'must-not-show'
const LOGS = 400
const PATIENCE_MS = 30_000

/**
 * The properties that hold whatever a server does: the process lives, its memory stays in its bounds, heartbeats and other
 * shards go on, one line of the log says what is wrong, no secret shows, and once the server is sane again everything is
 * delivered, with no checkpoint ever ahead of it.
 */
export async function survives(side: 'sls' | 'hec', row: Row): Promise<void> {
  const scenario = await Scenario.start({ sls: { shards: 2, ...row.sls }, ...(row.hec && { hec: row.hec }) })
  const behind = side === 'sls' ? scenario.sls.url : scenario.hec.url
  const front = await HostileFront.start({
    to: behind,
    apiOf: side === 'sls' ? slsApi : hecApi,
    ...(row.tls && { tls: row.tls }),
  })
  await scenario.write(LOGS / 20)
  front.hostile(ruleOf(row))
  const replica = scenario.replica({
    [side === 'sls' ? 'SLS_ENDPOINT' : 'SPLUNK_HEC_URL']: front.url,
    SPLUNK_HEC_TIMEOUT_SECONDS: '2',
    ...row.env,
  })
  const trial = { scenario, front, replica }
  await inTime('it meets the rule', front.met(row.times ?? 3), trial)
  if (row.says) {
    const told = await inTime(`it says ${row.says}`, replica.line(row.says), trial)
    expect(['warn', 'error']).toContain(told.level)
  }
  if (side === 'hec') await othersGoOn(trial)
  await row.while?.(trial)
  const shown = [await replica.metrics(), (await replica.ready()).text]
  expect(shown[0]?.length, 'the metrics are of bounded size').toBeLessThan(LONGEST_METRICS)

  front.sane()
  await scenario.write(2)
  await scenario.caughtUp(60_000).catch((error) => {
    throw new Error(`${error.message}\n${replica.transcript()}`)
  })
  await row.after?.(trial)
  const resident = peakResidentMb(replica)
  expect(await replica.kill('SIGTERM'), replica.transcript()).toEqual({ code: 0, signal: null })
  console.log(`${row.name}: ${resident} MB`)
  expect(resident, 'resident memory').toBeLessThan(RESIDENT_LIMIT_MB)
  const { missing, deadLettered } = scenario.tally()
  expect(missing).toEqual([])
  expect(deadLettered).toBe(row.deadLettered ?? 0)
  expect(scenario.commitsAhead()).toEqual([])
  expect(replica.stderr).toBe('')
  for (const line of replica.lines) expectClean(line)
  const printed = [...shown, replica.transcript()].join('\n')
  for (const secret of [scenario.sls.accessKeySecret, scenario.hec.token, MUST_NOT_SHOW]) {
    expect(printed.includes(secret), 'a secret shows').toBe(false)
  }
}

async function inTime<T>(what: string, promise: Promise<T>, { replica }: Trial): Promise<T> {
  const given = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: given.signal }).then(() => {
    throw new Error(`not within ${PATIENCE_MS} ms: ${what}\n${replica.transcript()}`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    given.abort()
  }
}

function ruleOf({ of = [], behave, beforeBody = false }: Row): Rule {
  const meets = typeof of === 'function' ? of : ({ api }: FrontRequest) => of.includes(api)
  return { of: meets, behave, beforeBody }
}

/** A SIEM that misbehaves is no reason to lose the shards. */
async function othersGoOn({ scenario, replica }: Trial): Promise<void> {
  const beats = (): number =>
    scenario.sls
      .requests()
      .filter(({ api }) => api === 'ConsumerGroupHeartBeat')
      .reduce((sum, { count }) => sum + count, 0)
  const before = beats()
  await scenario.eventually(() => beats() > before + 1)
  expect(replica.lines.filter(({ msg }) => msg.startsWith('lost shard'))).toEqual([])
}

function expectClean(line: LogLine): void {
  const text = JSON.stringify(line)
  expect(line.level, `no line but JSON: ${text.slice(0, 200)}`).not.toBe('raw')
  expect(text.length, `a line of bounded length: ${text.slice(0, 200)}`).toBeLessThan(LONGEST_LINE)
  expect(line.msg, 'a message on one line').not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u)
}

function peakResidentMb({ child }: BridgeProcess): number {
  const kb = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kb) / 1024)
}
