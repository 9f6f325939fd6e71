import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Scenario } from '../support/scenario.ts'
import { readDashboard } from './dashboard.ts'
import type { Series } from './prometheus.ts'
import { Prometheus } from './prometheus.ts'

const { panels } = readDashboard()
const METRICS = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')

/** Two replicas that went through a busy and a refusing SIEM, a refused event and a failing Log Service. */
async function eventfulGroup() {
  const scenario = await Scenario.start({
    sls: { shards: 4 },
    hec: { ack: true, refuse: [{ contains: 'poison', code: 6 }] },
    env: { FILTER_TOPICS: 'audit_log', SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '5' },
  })
  const replicas = [scenario.replica(), scenario.replica()]
  const targets = await Promise.all(replicas.map(async (replica) => new URL(await replica.adminUrl()).host))
  const prometheus = await Prometheus.start(targets)
  await scenario.eventually(
    async () => (await prometheus.now('sum(sls_bridge_shard_leased)'))[0]?.values[0]?.[1] === '4',
  )
  return { scenario, prometheus }
}

function numbers(series: readonly Series[]): number[] {
  return series
    .flatMap(({ values }) => values.map(([, value]) => Number(value)))
    .filter((value) => !Number.isNaN(value))
}

/** The expressions that docs/metrics.md recommends. */
function documented(): string[] {
  const expressions = [...METRICS.matchAll(/\| `([^`]*sls_bridge_[^`]*\)[^`]*)` \|$/gm)].map(
    ([, text]) => text as string,
  )
  expect(expressions).toHaveLength(6)
  return expressions
}

/** Grafana's variables, with its values for one hour at this scrape interval. */
function filledIn(expression: string): string {
  return expression.replaceAll(/\$(job|project|logstore)\b/g, '.*').replaceAll('$__rate_interval', '4s')
}

test('after faults, every panel shows data, and every rule and documented expression is valid', async () => {
  const { scenario, prometheus } = await eventfulGroup()
  const state = async (name: string) => (await prometheus.rules()).find((rule) => rule.name === name)?.state

  scenario.hec.faults.add({ match: { endpoint: 'event' }, times: 2, action: { code: 9 } })
  scenario.hec.faults.add({ match: { endpoint: 'event' }, times: 1, after: 3, action: { cut: 'after' } })
  scenario.sls.faults.add({
    match: { api: 'PullLogs' },
    times: 2,
    action: { status: 500, code: 'InternalServerError' },
  })
  scenario.sls.faults.add({
    match: { api: 'ConsumerGroupHeartBeat' },
    times: 2,
    action: { status: 500, code: 'InternalServerError' },
  })
  await scenario.write(40, { kinds: ['audit', 'kubernetes'], perSecond: 20 })
  await scenario.writeLog({ message: 'poison' })
  await scenario.caughtUp()

  scenario.hec.setToken({ disabled: true })
  await scenario.write(4)
  await scenario.eventually(async () => (await state('SlsBridgePaused')) === 'pending')
  scenario.hec.setToken({ disabled: false })
  await scenario.caughtUp()
  await scenario.eventually(async () => (await state('SlsBridgePaused')) === 'inactive', 30_000)
  expect(await state('SlsBridgeDeadLetters')).toBe('firing')

  expect([...scenario.hec.faults.unfired(), ...scenario.sls.faults.unfired()]).toEqual([])

  for (const { title, targets } of panels) {
    for (const { expr, instant } of targets) {
      const expression = filledIn(expr)
      const series = instant ? await prometheus.now(expression) : await prometheus.over(expression)
      expect(numbers(series).length, `${title}: ${expression}`).toBeGreaterThan(0)
    }
  }
  for (const expression of documented()) await prometheus.now(expression)
  const rules = await prometheus.rules()
  expect(rules.filter(({ health }) => health !== 'ok')).toEqual([])
  expect(rules.length).toBeGreaterThan(10)
})

test('the panels show what happened', async () => {
  const { scenario, prometheus } = await eventfulGroup()
  await scenario.write(20)
  await scenario.writeLog({ message: 'poison' })
  await scenario.caughtUp()
  const ask = async (title: string, index = 0): Promise<Series[]> => {
    const expr = panels.find((panel) => panel.title === title)?.targets[index]?.expr ?? ''
    return prometheus.now(filledIn(expr))
  }
  const delivered = async () => numbers(await prometheus.now('sum(sls_bridge_events_delivered_total)'))[0]
  await scenario.eventually(async () => (await delivered()) === scenario.tally().delivered)
  const owners = (await ask('Owners')).map(({ metric }) => Number(metric['shard'])).sort()
  expect(owners).toEqual([0, 1, 2, 3])
  expect(new Set((await ask('Owners')).map(({ metric }) => metric['instance'])).size).toBe(2)
  expect(numbers(await ask('Shards held'))).toEqual([4])
  expect(numbers(await ask('Shards without an owner'))).toEqual([0])
  expect(numbers(await ask('Replicas'))).toEqual([2])
  expect(numbers(await ask('Paused'))).toEqual([0])
  expect(Math.round(numbers(await ask('Dead letters, 24 h'))[0] ?? 0)).toBeGreaterThanOrEqual(1)
  // A rate needs two scrapes that contain the answer.
  await scenario.eventually(async () => {
    await scenario.write(1)
    return (await ask('HEC answers')).some(({ metric }) => metric['status'] === '200' && metric['code'] === '0')
  })
})
