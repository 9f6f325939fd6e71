import type { Clock } from '../core/clock.ts'
import { LineLimit } from './line-limit.ts'
import type { Logger } from './logger.ts'

/** For each kind of line, whatever a server puts into it: a group of 100 shards may change hands without a gap in the log. */
const LINES_PER_KIND = { intervalMs: 60_000, lines: 100 }
/** For each key of lines that repeat one another. */
const REPEATED = { intervalMs: 30_000, lines: 1 }

type Level = 'info' | 'warn' | 'error'

/** The log, with a limit for each kind of line: servers decide how often most of them are written. */
export class LimitedLog {
  readonly #log: Logger
  readonly #kinds: LineLimit
  readonly #repeated: LineLimit

  constructor(log: Logger, clock: Clock) {
    this.#log = log
    this.#kinds = new LineLimit(clock, LINES_PER_KIND)
    this.#repeated = new LineLimit(clock, REPEATED)
  }

  /** `kind` is ours: no server has a part in it. */
  line(level: Level, kind: string, fields: Record<string, unknown>, message: string): void {
    const admitted = this.#kinds.admit(`${level}: ${kind}`)
    if (admitted !== undefined) this.#log[level]({ ...fields, ...suppression(admitted) }, message)
  }

  /** The same, at most once in the interval of `limit` for each key. */
  repeated(
    key: string,
    line: { level: Level; kind: string; fields: Record<string, unknown>; message: string },
    limit = this.#repeated,
  ): void {
    const admitted = limit.admit(key)
    if (admitted === undefined) return
    this.line(line.level, line.kind, { ...line.fields, ...suppression(admitted) }, line.message)
  }

  /** Lines of kinds that were left out and of which no more has come. */
  tellSuppressed(): void {
    for (const [kind, suppressed] of this.#kinds.over()) {
      const level = kind.startsWith('info') ? 'info' : 'warn'
      this.#log[level]({ kind, suppressed }, `${suppressed} more lines of one kind were left out (${kind})`)
    }
  }
}

function suppression({ suppressed }: { suppressed: number }): { suppressed?: number } {
  return suppressed > 0 ? { suppressed } : {}
}
