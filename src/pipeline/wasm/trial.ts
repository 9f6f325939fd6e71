import type { PullPosition } from '../../core/batch.ts'
import { BatchMemory } from '../batch-memory.ts'
import type { Program } from '../program.ts'
import { programAt } from '../reference/logstore-program.ts'
import { WasmEngine } from './engine.ts'
import { Kernel } from './kernel.ts'

/** An event that the fast engine wrote. */
export interface FastEvent {
  readonly sink: string
  /** Ends in `\n`. */
  readonly event: string
}

/** One log of a body may be this large. */
const BODY_BYTES = 4 << 20
const BATCH_BYTES = 1_000_000

/** Opens the fast engine, for small bodies. Its answer has no order between sinks and indexes. `undefined` without WebAssembly. */
export function openFastTrial(): ((program: Program, at: PullPosition, body: Buffer) => FastEvent[]) | undefined {
  const kernel = Kernel.open({ maxBatchBytes: BATCH_BYTES, memory: new BatchMemory(0) }, BODY_BYTES)
  if (kernel === undefined) return undefined
  const engine = new WasmEngine(kernel)
  return (program, at, body) => {
    const place = kernel.slots.take(body.length)
    const placed = place === undefined ? body : kernel.bytes.subarray(place, place + body.length)
    if (place !== undefined) placed.set(body)
    try {
      const walk = engine.open(placed, at, programAt(program, at))
      const events: FastEvent[] = []
      for (let batch = walk.nextBatch(); batch !== undefined; batch = walk.nextBatch()) {
        const { sink, bytes, ends } = batch
        events.push(...[...ends].map((end, i) => ({ sink, event: bytes.toString('utf8', ends[i - 1] ?? 0, end) })))
      }
      return events
    } finally {
      if (place !== undefined) kernel.slots.give(place)
    }
  }
}
