import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { DEFAULT_SINK } from '../../../src/config/names.ts'
import type { Clock } from '../../../src/core/clock.ts'
import type { FaultKind } from '../../../src/core/errors.ts'
import { Fault } from '../../../src/core/errors.ts'
import { Health } from '../../../src/observability/health.ts'
import { openLogger } from '../../../src/observability/logger.ts'
import { createMetrics } from '../../../src/observability/metrics.ts'
import { Pauses } from '../../../src/observability/pauses.ts'
import type { About, ListedShard } from '../../../src/observability/status.ts'
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

/** The telemetry of the bridge, with its log in a file and a manual clock. */
export async function observed(level = 'info', about: Partial<About> = {}) {
  const path = join(temporaryDirectory(), 'out')
  const clock = new HandClock()
  const metrics = createMetrics({ version: '1.2.3', sinks: [DEFAULT_SINK] })
  const pauses = new Pauses(clock)
  const health = new Health({ clock, groupTimeoutMs: 60_000, pauses })
  const group = { shards: [] as ListedShard[], asked: 0, problem: undefined as unknown, answered: Promise.resolve() }
  const status = new Status({
    clock,
    health,
    pauses,
    logstore: LOGSTORE,
    about: { version: '1.2.3', consumer: 'replica-1', group: 'g', project: 'p', logstore: 'l', ...about },
    askGroup: async () => {
      group.asked++
      await group.answered
      if (group.problem !== undefined) throw group.problem
      return group.shards
    },
  })
  const { log } = await openLogger({ level, consumer: 'replica-1', fd: openSync(path, 'w') })
  const telemetry = new BridgeTelemetry({ log, metrics, health, status, pauses, clock })
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
