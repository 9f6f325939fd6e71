import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Batch } from '../../../src/core/batch.ts'
import { routeOf } from '../../../src/core/batch.ts'
import { BatchMemory } from '../../../src/pipeline/batch-memory.ts'
import type { Engine } from '../../../src/pipeline/engine.ts'
import type { Program, ProgramRoute } from '../../../src/pipeline/program.ts'
import { ReferenceEngine } from '../../../src/pipeline/reference/engine.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import { WasmEngine } from '../../../src/pipeline/wasm/engine.ts'
import { Kernel } from '../../../src/pipeline/wasm/kernel.ts'
import { bodies } from './bodies.ts'
import { expressionOf } from './condition-logs.ts'
import { position } from './encode-all.ts'

const fields = ['a', 'b', '10', 'key', 'eventName', '__topic__', '__source__', '__tag__:a', '__tag__:eventName']
const texts = ['""', '"a"', '"aa"', '"\\""', 'audit', 'audi', '10.0.0.1', '"é"', '"😀"', '"\\n"']
const field = fc.constantFrom(...fields)
const text = fc.constantFrom(...texts)
const comparison = fc.oneof(
  field.map((name) => `${nameOf(name)} exists`),
  fc
    .tuple(field, fc.constantFrom('=', '!=', 'contains', 'startswith', 'endswith'), text)
    .map(([name, operator, value]) => `${nameOf(name)} ${operator} ${value}`),
  fc
    .tuple(field, fc.array(text, { maxLength: 3 }))
    .map(([name, values]) => `${nameOf(name)} in (${values.join(', ')})`),
)
const conditions = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    comparison,
    fc.tuple(tie('any'), fc.constantFrom('and', 'or'), tie('any')).map(([a, word, b]) => `(${a}) ${word} (${b})`),
    tie('any').map((one) => `not (${one})`),
  ),
})).any

function nameOf(field: string): string {
  return `["${field}"]`
}

const copies = fc.array(
  fc
    .tuple(fc.constantFrom('one', 'two'), fc.constantFrom(undefined, 'i', 'j'), fc.constantFrom(undefined, 'a "host"'))
    .map(([sink, index, host]) => ({
      destination: { sink, maxBatchBytes: 900 },
      layout: { source: 's', sourcetype: 't', ...(index && { index }), ...(host && { host }) },
    })),
  { minLength: 1, maxLength: 2 },
)
const routes: fc.Arbitrary<readonly ProgramRoute[]> = fc.array(
  fc
    .tuple(fc.option(conditions), fc.constantFrom(undefined, undefined, 'x', 'y'), fc.boolean(), copies)
    .map(([when, drop, goesOn, some]) => ({
      name: '',
      ...(when !== null && { when: { text: when, expression: expressionOf(when) } }),
      ...(drop && { drop }),
      continue: goesOn && !drop,
      shape: [],
      copies: drop ? [] : some,
    })),
  { minLength: 1, maxLength: 4 },
)
const programs = fc.tuple(routes, fc.constantFrom<string[]>([], ['audit*'])).map(([some, topics]): Program => {
  const named = some.map((route, number) => ({ ...route, name: `route ${number}` }))
  const last: ProgramRoute = { name: 'unmatched', drop: 'unmatched', continue: false, shape: [], copies: [] }
  return {
    topics: new TopicSelection(topics),
    idScope: 'audit',
    reservedKeys: 'override',
    shape: [],
    routes: [...named, last],
  }
})

test('both engines send the same events by the same routes to the same sinks and indexes', { timeout: 60_000 }, () => {
  const memory = new BatchMemory()
  const kernel = Kernel.open({ maxBatchBytes: 1_000_000, memory }, 16 << 20) as Kernel
  const fast = new WasmEngine(kernel)
  const reference = new ReferenceEngine(memory)
  let sent = 0
  const property = fc.property(bodies, programs, fc.boolean(), (body, program, isHashed) => {
    expect(typeof kernel.translated(program)).toBe('object')
    const at = isHashed ? { ...position, firstGroup: undefined } : position
    const place = kernel.slots.take(body.length) as number
    const placed = kernel.bytes.subarray(place, place + body.length)
    placed.set(body)
    try {
      const expected = outcomeOf(reference, body, program, at)
      expect(outcomeOf(fast, placed, program, at)).toEqual(expected)
      sent += expected.streams.size
    } finally {
      kernel.slots.give(place)
    }
  })
  fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: 4000 })
  expect(sent).toBeGreaterThan(20)
})

/** What a walk counts, and all events for each sink and index in their order, each with its route. */
function outcomeOf(engine: Engine, body: Buffer, program: Program, at: typeof position | { firstGroup: undefined }) {
  const walk = engine.open(body, at as typeof position, program)
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
  }
  return { streams, counts: { ...walk.counts } }
}

function eventsOf({ bytes, ends }: Batch): string[] {
  return [...ends].map((end, index) => bytes.toString('latin1', ends[index - 1] ?? 0, end))
}
