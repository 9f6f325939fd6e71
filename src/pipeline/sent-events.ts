import type { Batch } from '../core/batch.ts'
import type { BatchMemory } from './batch-memory.ts'
import type { Program } from './program.ts'

/**
 * Events that are on their way although their pull was given back before it was encoded to its end. They are counted for each
 * output, from the cursor at which the next pull begins: only an output keeps the order of its events, and the next pull may
 * bring fewer log groups. The same program must encode it.
 */
export class SentEvents {
  readonly program: Program
  #counts = new Map<string, number>()

  constructor(program: Program) {
    this.program = program
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0
  }

  add(batch: Batch): void {
    const output = outputOf(batch)
    this.#counts.set(output, (this.#counts.get(output) ?? 0) + batch.count)
  }

  /** The batches of a walk that begins at that cursor, without these events. */
  *leftOut(nextBatch: () => Batch | undefined, memory: BatchMemory): Generator<Batch, void> {
    const counts = new Map(this.#counts)
    for (let batch = nextBatch(); batch !== undefined; batch = nextBatch()) {
      const output = outputOf(batch)
      const sent = counts.get(output) ?? 0
      const here = Math.min(sent, batch.count)
      if (sent > here) counts.set(output, sent - here)
      else counts.delete(output)
      const rest = here === 0 ? batch : here === batch.count ? undefined : withoutFirst(batch, here, memory)
      if (here > 0) memory.recycle(batch)
      if (rest !== undefined) yield rest
    }
    this.#counts = counts
  }
}

function outputOf({ sink, index, refused }: Batch): string {
  return JSON.stringify([sink, index, refused])
}

function withoutFirst(batch: Batch, events: number, memory: BatchMemory): Batch {
  const { bytes, ends, count: _, via, ...about } = batch
  const from = ends[events - 1] as number
  return memory.batchOf(
    { ...about, ...(via === undefined ? {} : { via: via.slice(events) }) },
    bytes.subarray(from),
    ends.slice(events).map((end) => end - from),
  )
}
