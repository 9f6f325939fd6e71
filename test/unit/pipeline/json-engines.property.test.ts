import fc from 'fast-check'
import { expect, test } from 'vitest'
import { routeOf } from '../../../src/core/batch.ts'
import { BatchMemory } from '../../../src/pipeline/batch-memory.ts'
import type { Engine } from '../../../src/pipeline/engine.ts'
import type { Program, ProgramRoute } from '../../../src/pipeline/program.ts'
import { ReferenceEngine } from '../../../src/pipeline/reference/engine.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import { WasmEngine } from '../../../src/pipeline/wasm/engine.ts'
import { Kernel } from '../../../src/pipeline/wasm/kernel.ts'
import { expressionOf } from './condition-logs.ts'
import { position } from './encode-all.ts'
import type { Steps } from './random-json.ts'
import { damaged, key } from './random-json.ts'
import { content, group, list, log } from './wire.ts'

const ends = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('exists', '!= a', 'contains ""') },
  fc.constantFrom(
    ...['= ""', '= a', '= 0', '> 0', '<= 5', 'contains a', 'contains "\\\\"', 'icontains A', 'startswith "\ufffd"'],
    ...['in (a, b, "", 0)', 'intersects (a, true, 1)', 'startswith "{"', 'endswith "]"'],
  ),
)

/** A condition on one of these paths, or on one that is near. */
const condition = fc
  .record({ number: fc.nat(), end: ends, more: fc.option(fc.oneof(key, fc.nat(2)), { freq: 4 }) })
  .map(({ number, end, more }) => (paths: readonly Steps[]): string => {
    const path = [...(paths[number % paths.length] ?? []), ...(more === null && paths.length > 0 ? [] : [more ?? 'a'])]
    return `j${path.map((step) => `[${typeof step === 'number' ? step : quoted(step)}]`).join('')} ${end}`
  })

function quoted(key: string): string {
  const escaped = key.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')
  return `"${escaped}"`
}

function routeFor(text: string, number: number): ProgramRoute {
  const layout = { source: 's', sourcetype: 't' }
  return {
    name: `route ${number}`,
    when: { text, expression: expressionOf(text) },
    continue: true,
    shape: [],
    copies: [{ destination: { sink: 'one', maxBatchBytes: 1_000_000 }, layout }],
  }
}

/** The events that leave, with their routes. */
function eventsOf(engine: Engine, body: Buffer, program: Program): string[] {
  const events: string[] = []
  const walk = engine.open(body, position, program)
  for (let batch = walk.nextBatch(); batch !== undefined; batch = walk.nextBatch()) {
    for (const [index, end] of batch.ends.entries()) {
      events.push(`${routeOf(batch, index)} ${batch.bytes.toString('latin1', batch.ends[index - 1] ?? 0, end)}`)
    }
  }
  return events
}

test('both engines find the same in JSON, whole or damaged, with keys that are there twice and nesting to the limit', () => {
  const memory = new BatchMemory()
  const kernel = Kernel.open({ maxBatchBytes: 1_000_000, memory }, 1 << 20)
  if (kernel === undefined) throw new Error('no kernel')
  const fast = new WasmEngine(kernel)
  const reference = new ReferenceEngine(memory)
  let sent = 0
  const contents = fc.array(damaged, { minLength: 1, maxLength: 20 })
  const property = fc.property(contents, fc.array(condition, { minLength: 4, maxLength: 12 }), (values, some) => {
    const paths = values.flatMap((value) => value.paths)
    const conditions = some.map((textFor) => textFor(paths))
    const program: Program = {
      topics: new TopicSelection([]),
      idScope: 'audit',
      reservedKeys: 'override',
      shape: [],
      routes: [
        ...conditions.map(routeFor),
        { name: 'rest', drop: 'unmatched', continue: false, shape: [], copies: [] },
      ],
    }
    expect(kernel.translated(program), 'the kernel holds it').toBeTypeOf('object')
    const body = list(group(...values.map(({ bytes }) => log(content('j', bytes)))))
    const place = kernel.slots.take(body.length)
    if (place === undefined) throw new Error('no room')
    const placed = kernel.bytes.subarray(place, place + body.length)
    placed.set(body)
    const expected = eventsOf(reference, body, program)
    expect(eventsOf(fast, placed, program)).toEqual(expected)
    kernel.slots.give(place)
    sent += expected.length
  })
  fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: 3000 })
  expect(sent).toBeGreaterThan(20)
})
