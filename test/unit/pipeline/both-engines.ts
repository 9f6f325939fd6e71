import fc from 'fast-check'
import { expect } from 'vitest'
import type { Batch, PullPosition } from '../../../src/core/batch.ts'
import { routeOf } from '../../../src/core/batch.ts'
import { BatchMemory } from '../../../src/pipeline/batch-memory.ts'
import type { Engine } from '../../../src/pipeline/engine.ts'
import type { Program } from '../../../src/pipeline/program.ts'
import { ReferenceEngine } from '../../../src/pipeline/reference/engine.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import { WasmEngine } from '../../../src/pipeline/wasm/engine.ts'
import { Kernel } from '../../../src/pipeline/wasm/kernel.ts'
import { DONE } from '../../../src/pipeline/wasm/memory-layout.ts'
import { position } from './encode-all.ts'
import { content, group, list, log } from './wire.ts'

const memory = new BatchMemory()
export const kernel = Kernel.open({ maxBatchBytes: 1_000_000, memory }, 16 << 20) as Kernel
const fast = new WasmEngine(kernel)
const reference = new ReferenceEngine(memory)

/** Expects the same of both engines, and returns how many streams of events leave. */
export function compare(body: Buffer, program: Program, at: PullPosition): number {
  const place = kernel.slots.take(body.length) as number
  const placed = kernel.bytes.subarray(place, place + body.length)
  placed.set(body)
  try {
    const expected = outcomeOf(reference, body, program, at)
    compared++
    expect(outcomeOf(fast, placed, program, at, compared % 2 === 0 ? anotherPull : undefined)).toEqual(expected)
    return expected.streams.size
  } finally {
    kernel.slots.give(place)
  }
}

/** Expects that the kernel writes the events of the body itself. */
export function expectNoHandOver(body: Buffer, program: Program): void {
  const place = kernel.slots.take(body.length) as number
  const placed = kernel.bytes.subarray(place, place + body.length)
  placed.set(body)
  const walk = kernel.begin(placed, position, program)
  if (walk === undefined) throw new Error('the kernel does not know the program')
  kernel.enter(walk)
  expect(kernel.encode()).toBe(DONE)
  // Otherwise its counts would be those of the next pull.
  kernel.leave(walk)
  for (const output of walk.program.outputs.keys()) kernel.take(output)
  kernel.slots.give(place)
}

let compared = 0
const other = list(group(log(content('k', 'v'))))
const otherAt = kernel.slots.take(other.length) as number
kernel.bytes.set(other, otherAt)
const toTwoSinks: Program = {
  ...{ topics: new TopicSelection([]), idScope: 'other', reservedKeys: 'override', shape: [] },
  routes: [
    {
      ...{ name: 'all', continue: false, shape: [] },
      copies: ['one', 'two'].map((sink) => ({
        destination: { sink, maxBatchBytes: 900 },
        layout: { source: 's', sourcetype: 't' },
      })),
    },
  ],
}

/** Takes the kernel for another pull, as other shards do between two batches of a pull. */
function anotherPull(): void {
  const walk = fast.open(kernel.bytes.subarray(otherAt, otherAt + other.length), position, toTwoSinks)
  let events = 0
  for (let batch = walk.nextBatch(); batch !== undefined; batch = walk.nextBatch()) events += batch.count
  expect(events).toBe(2)
}

/** What a walk counts, and all events for each sink and index in their order, each with its route. */
function outcomeOf(engine: Engine, body: Buffer, program: Program, at: PullPosition, between = (): void => {}) {
  const walk = engine.open(body, at, program)
  const streams = new Map<string, string[]>()
  for (let batch = walk.nextBatch(); batch !== undefined; batch = walk.nextBatch()) {
    expect(batch.count === 1 || batch.bytes.length <= 900).toBe(true)
    for (const [index, event] of eventsOf(batch).entries()) {
      const named = /"index":"(.)"/.exec(event.slice(0, event.indexOf(',"event":')))?.[1]
      const key = `${batch.sink} ${named} ${batch.refused}`
      const stream = streams.get(key) ?? []
      streams.set(key, stream)
      stream.push(`${routeOf(batch, index)} ${event}`)
    }
    between()
  }
  return { streams, counts: { ...walk.counts } }
}

function eventsOf({ bytes, ends }: Batch): string[] {
  return [...ends].map((end, index) => bytes.toString('latin1', ends[index - 1] ?? 0, end))
}

/** Runs a property for 1.5 s, and up to four times as long where the machine is too busy for enough runs. */
export function assertFor<T>(property: fc.IProperty<T>, isEnough: () => boolean = () => true): void {
  for (let box = 0; box < 4 && (box === 0 || !isEnough()); box++) {
    fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: 1500 })
  }
}
