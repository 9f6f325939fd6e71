import type { SlsApi } from '../../src/sls/errors.ts'
import type { EventReport } from './events.ts'
import type { IdleMemory } from './memory.ts'
import type { ScenarioReport } from './scenario.ts'

const DAY_SECONDS = 86_400

export function loadTable(reports: readonly ScenarioReport[]): string {
  const head = ['shards', 'replicas', 'all', 'busiest second', 'PullLogs', 'commits', 'heartbeats', 'ListShards']
  return table(
    [...head, 'GetCheckPoint', 'JSON KB/s', 'at once, one replica'],
    reports.map((report) => [
      ...sizesOf(report),
      per(report, 'all'),
      number(loadOf(report, 'all')?.peak ?? 0),
      ...['PullLogs', 'ConsumerGroupUpdateCheckPoint', 'ConsumerGroupHeartBeat', 'ListShards', 'GetCheckPoint'].map(
        (api) => per(report, api as SlsApi),
      ),
      number((loadOf(report, 'all')?.bytes ?? 0) / 1000),
      number(report.steadyConnections),
    ]),
  )
}

export function balanceTable(reports: readonly ScenarioReport[]): string {
  return byEvent(reports, ({ secondsToBalance }) =>
    secondsToBalance === undefined ? 'never' : String(Math.round(secondsToBalance)),
  )
}

export function movesTable(reports: readonly ScenarioReport[]): string {
  return byEvent(reports, ({ moves, leastMoves }) => `${number(moves)} / ${number(leastMoves)}`)
}

export function gapTable(reports: readonly ScenarioReport[]): string {
  return byEvent(reports, ({ longestGapSeconds, duplicates }) =>
    [Math.round(longestGapSeconds), ...(duplicates > 0 ? [`(${number(duplicates)} twice)`] : [])].join(' '),
  )
}

export function heartbeatTable(reports: readonly ScenarioReport[]): string {
  const names = reports[0]?.events.map(({ name }) => name) ?? []
  return table(
    ['heartbeat', 'heartbeats/s', ...names],
    reports.map((report) => [
      `${report.options.heartbeatSeconds} s`,
      per(report, 'ConsumerGroupHeartBeat'),
      ...report.events.map(({ secondsToBalance, longestGapSeconds }) =>
        [secondsToBalance ?? Number.NaN, longestGapSeconds].map(Math.round).join(' / '),
      ),
    ]),
  )
}

export function idleTable(reports: readonly ScenarioReport[]): string {
  const head = [
    'fetch interval',
    'pulls a shard and day',
    'lag look-ups a shard and day',
    'everything, a shard and day',
  ]
  return table(
    head,
    reports.map((report) => {
      const daily = (...apis: Array<SlsApi | 'all'>): string => {
        const mean = apis.reduce((sum, api) => sum + (loadOf(report, api)?.mean ?? 0), 0)
        return number((mean * DAY_SECONDS) / report.options.shards)
      }
      const { fetchSeconds } = report.options
      return [`${fetchSeconds} s`, daily('PullLogs'), daily('GetCursor', 'GetCursorTime'), daily('all')]
    }),
  )
}

export function memoryTable(reports: readonly IdleMemory[]): string {
  return table(
    ['idle shards of one replica', 'heap a shard', 'processor for 1,000 shards'],
    reports.map(({ shards, heapBytesPerShard, cpuPercentPerThousand }) => [
      ...[number(shards), `${(heapBytesPerShard / 1000).toFixed(1)} KB`, `${cpuPercentPerThousand} %`],
    ]),
  )
}

/** One row a fleet, one column an event. A dash: not simulated. */
function byEvent(reports: readonly ScenarioReport[], show: (event: EventReport) => string): string {
  const names = reports[0]?.events.map(({ name }) => name) ?? []
  return table(
    ['shards', 'replicas', ...names],
    reports.map((report) => [
      ...sizesOf(report),
      ...names.map((name) => {
        const event = report.events.find((other) => other.name === name)
        return event ? show(event) : '–'
      }),
    ]),
  )
}

function sizesOf({ options }: ScenarioReport): string[] {
  return [number(options.shards), number(options.replicas)]
}

function loadOf({ steady }: ScenarioReport, wanted: SlsApi | 'all') {
  return steady.find(({ api }) => api === wanted)
}

function per(report: ScenarioReport, api: SlsApi | 'all'): string {
  return number(loadOf(report, api)?.mean ?? 0)
}

function number(value: number): string {
  if (Number.isInteger(value) || value >= 10) return Math.round(value).toLocaleString('en')
  return value.toPrecision(2)
}

function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
