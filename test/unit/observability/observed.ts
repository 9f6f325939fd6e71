import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { DEFAULT_SINK } from '../../../src/config/names.ts'
import type { Clock } from '../../../src/core/clock.ts'
import type { FaultKind } from '../../../src/core/errors.ts'
import { Fault } from '../../../src/core/errors.ts'
import type { LogstoreRef } from '../../../src/core/shard.ts'
import { Health } from '../../../src/observability/health.ts'
import { openLogger } from '../../../src/observability/logger.ts'
import type { KnownNames } from '../../../src/observability/metrics.ts'
import { createMetrics } from '../../../src/observability/metrics.ts'
import type { Ends } from '../../../src/observability/names.ts'
import { Names } from '../../../src/observability/names.ts'
import { Pauses } from '../../../src/observability/pauses.ts'
import type { ListedShard } from '../../../src/observability/status.ts'
import { Status } from '../../../src/observability/status.ts'
import { BridgeTelemetry } from '../../../src/observability/telemetry.ts'
import { LOGSTORE } from '../../support/shard-ref.ts'

export class HandClock implements Clock {
  #now = 1_000_000
  monotonic = () => this.#now
  wall = () => this.#now
  sleep = () => Promise.reject(new Error('nothing here sleeps'))

  pass(seconds: number): void {
    this.#now += seconds * 1000
  }
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'bridge-observability-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

export type Line = Record<string, unknown> & { level: string; msg: string }

/** The lines of a JSON log. */
export function linesOf(path: string): Line[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

export function fault(kind: FaultKind, code: string, message = 'it said no', advice?: string): Fault {
  return new Fault(kind, message, { code, status: 400, ...(advice !== undefined && { advice }) })
}

/** One logstore and one sink, as the environment makes them. */
export const ONE: Ends = {
  logstores: [{ ref: LOGSTORE, group: 'g', groupTimeoutMs: 60_000 }],
  sinks: [{ name: DEFAULT_SINK, type: 'splunk_hec' }],
}

/** Three logstores of two groups, two of them one logstore; and two sinks. */
export const MANY: Ends = {
  logstores: [
    { ref: { source: 'trail', project: 'audit', logstore: 'actiontrail' }, group: 'siem', groupTimeoutMs: 60_000 },
    { ref: { source: 'web', project: 'web', logstore: 'access' }, group: 'siem', groupTimeoutMs: 15_000 },
    { ref: { source: 'web-archive', project: 'web', logstore: 'access' }, group: 'archive', groupTimeoutMs: 60_000 },
  ],
  sinks: [
    { name: 'splunk', type: 'splunk_hec' },
    { name: 'archive', type: 'file' },
    { name: 'qradar', type: 'syslog', confirmedBy: 'none: UDP' },
  ],
}

/** The names that a replica with these ends knows from the start. */
export function knownNames({ sinks, logstores }: Ends): KnownNames {
  return {
    sinks,
    logstores: logstores.map((read) => ({
      ...read,
      routes: ['default'],
      filterReasons: ['topic'],
      steps: [{ route: 'default', step: 'json' }],
    })),
  }
}

interface Options {
  readonly consumer?: string
  readonly ends?: Ends
}

/** The telemetry of the bridge, with its log in a file and a manual clock. */
export async function observed(level = 'info', { consumer = 'replica-1', ends = ONE }: Options = {}) {
  const path = join(temporaryDirectory(), 'out')
  const clock = new HandClock()
  const metrics = createMetrics({ version: '1.2.3', known: knownNames(ends) })
  const names = new Names(ends)
  const pauses = new Pauses({ clock, names })
  const health = new Health({ clock, names, pauses, logstores: ends.logstores })
  const group = {
    shards: [] as ListedShard[],
    asked: 0,
    of: [] as LogstoreRef[],
    problem: undefined as unknown,
    answered: Promise.resolve(),
  }
  const status = new Status({
    clock,
    health,
    pauses,
    about: { version: '1.2.3', consumer },
    ends,
    askGroup: async (logstore) => {
      group.asked++
      group.of.push(logstore)
      await group.answered
      if (group.problem !== undefined) throw group.problem
      return group.shards
    },
  })
  const { log } = await openLogger({ level, consumer: 'replica-1', fd: openSync(path, 'w') })
  const telemetry = new BridgeTelemetry({ log, metrics, health, status, pauses, names, clock })
  return {
    clock,
    metrics,
    health,
    status,
    /** The answer of Log Service about the group, and how often it was asked. */
    group,
    telemetry,
    lines: () => linesOf(path),
    /** Samples of one metric as Prometheus reads them, by `{labels}`. */
    async samples(name: string): Promise<Record<string, number>> {
      const text = await metrics.registry.metrics()
      const found = [...text.matchAll(/^(\w+)(\{.*\})? (\S+)$/gm)].filter(
        ([, metric]) => metric === `sls_bridge_${name}`,
      )
      return Object.fromEntries(found.map(([, , labels, value]) => [labels ?? '', Number(value)]))
    },
  }
}
