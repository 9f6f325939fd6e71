import type { Broken } from '../support/sink-down.ts'
import type { Infection } from './mutants.ts'

/** A deliberate bug that shows when one of two sinks is down, and what it must be caught by. */
export interface SinkMutant extends Infection {
  readonly caughtBy: Broken
}

export const SINK_MUTANTS: readonly SinkMutant[] = [
  {
    bug: 'a ticket settles with its first copy',
    edits: [['pull.owed--', 'pull.owed = 0']],
    caughtBy: 'lost',
  },
  {
    bug: 'every sink gets the copies of the others, too',
    edits: [
      [
        '? sinkOf(sinks, batch.sink).deliver(batch, lease, started)',
        '? Promise.all([...sinks.values()].map((sink) => sink.deliver(batch, lease, started))).then(() => {})',
      ],
    ],
    caughtBy: 'repeated',
  },
  {
    bug: 'one sink takes the whole budget',
    edits: [['sinks: config.sinks.map(({ name }) => name),', '']],
    caughtBy: 'held up',
  },
  {
    bug: 'a copy that waits is forgotten when the shard moves',
    edits: [
      [
        'return this.#progress.until(() => this.settled, this.#options.lease.signal)',
        'return Promise.resolve(this.#tracker.forget())',
      ],
      [
        '#advance(): void {\n    let head',
        'forget(): void {\n    this.#mark = this.#pulls.at(-1)?.nextCursor ?? this.#mark\n    this.#pulls.splice(0)\n  }\n\n' +
          '  #advance(): void {\n    let head',
      ],
    ],
    caughtBy: 'lost',
  },
]
