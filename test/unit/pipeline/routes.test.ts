import { describe, expect, test } from 'vitest'
import type { Batch } from '../../../src/core/batch.ts'
import { routeOf } from '../../../src/core/batch.ts'
import { BatchMemory } from '../../../src/pipeline/batch-memory.ts'
import { Encoder } from '../../../src/pipeline/encoder.ts'
import type { Program, ProgramRoute } from '../../../src/pipeline/program.ts'
import { ReferenceEngine } from '../../../src/pipeline/reference/engine.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import type { Condition } from '../../../src/routing/condition.ts'
import { parseCondition } from '../../../src/routing/condition.ts'
import type { Template } from '../../../src/routing/template.ts'
import { parseTemplate } from '../../../src/routing/template.ts'
import { encodeAll, position } from './encode-all.ts'
import type { Field } from './wire.ts'
import { bytesField, content, group, list, log, source, tag, time, topic } from './wire.ts'

const when = (text: string): Condition => {
  const condition = parseCondition(text, { macros: new Map(), lists: new Map() })
  if ('problem' in condition) throw new Error(condition.problem)
  return condition
}
const template = (text: string): Template => parseTemplate(text) as Template

const copy = (sink: string, layout: object = {}) => ({
  destination: { sink, maxBatchBytes: 1_000_000 },
  layout: { source: 's', sourcetype: 'st', ...layout },
})
const route = (name: string, more: Partial<ProgramRoute>): ProgramRoute => ({
  ...{ name, continue: false, shape: [], copies: [] },
  ...more,
})
const REST = route('rest', { copies: [copy('main')] })
const UNMATCHED = route('unmatched', { drop: 'unmatched' })

function encoded(routes: ProgramRoute[], body: Buffer, more: Partial<Program> = {}, memory = new BatchMemory()) {
  const topics = new TopicSelection([])
  const program: Program = { topics, idScope: 'p/audit', reservedKeys: 'override', shape: [], routes, ...more }
  return encodeAll(new Encoder({ engine: new ReferenceEngine(memory), memory, program: () => program }), body)
}

interface Seen {
  sink: string
  route: string
  index?: string
  k: string
  id: string
}

/** Every event: where it goes, by which route, its index, and the value of its content `k`. */
function seen(batches: readonly Batch[]): Seen[] {
  return batches.flatMap((batch) =>
    batch.bytes
      .toString()
      .trimEnd()
      .split('\n')
      .map((line, i) => {
        const { index, event, fields } = JSON.parse(line)
        const found = { sink: batch.sink, route: routeOf(batch, i), k: event.k, id: fields.sls_event_id }
        return { ...found, ...(index === undefined ? {} : { index }) }
      }),
  )
}

const logOf = (k: string, ...more: Field[]): Field => log(time(1), content('k', k), ...more)
const THREE = list(group(logOf('a'), logOf('b'), logOf('c'), topic('t'), source('h'), tag('env', 'prod')))

describe('a log', () => {
  test('goes to the sinks of the first route whose condition holds', () => {
    const { batches, counts } = encoded(
      [
        route('one', { when: when('k = b'), copies: [copy('other')] }),
        route('two', { when: when('k in (b, c)'), copies: [copy('other', { index: 'i' })] }),
        REST,
      ],
      THREE,
    )
    expect(seen(batches)).toHaveLength(3)
    expect(seen(batches)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ sink: 'other', route: 'one', k: 'b' }),
        expect.objectContaining({ sink: 'other', route: 'two', k: 'c', index: 'i' }),
        expect.objectContaining({ sink: 'main', route: 'rest', k: 'a' }),
      ]),
    )
    expect(counts.routed).toEqual(
      new Map([
        ['rest', 1],
        ['one', 1],
        ['two', 1],
      ]),
    )
    expect(counts.filtered.size).toBe(0)
  })

  test('leaves a copy on a route that continues; all copies carry one id', () => {
    const { batches, counts } = encoded(
      [route('copy', { when: when('k = b'), continue: true, copies: [copy('one'), copy('two')] }), REST],
      THREE,
    )
    const ofB = seen(batches).filter(({ k }) => k === 'b')
    expect(ofB.map(({ sink }) => sink).sort()).toEqual(['main', 'one', 'two'])
    expect(new Set(ofB.map(({ id }) => id))).toEqual(new Set(['p/audit:3:1447299606896632356:1']))
    expect(counts.routed).toEqual(
      new Map([
        ['rest', 3],
        ['copy', 2],
      ]),
    )
  })

  test('that is dropped counts for the reason, unless something of it has left', () => {
    const { batches, counts } = encoded(
      [
        route('copy', { when: when('k = a'), continue: true, copies: [copy('main')] }),
        route('noise', { when: when('k in (a, b)'), drop: 'noise' }),
        UNMATCHED,
      ],
      THREE,
    )
    expect(seen(batches).map(({ k }) => k)).toEqual(['a'])
    expect(counts.filtered).toEqual(
      new Map([
        ['noise', 1],
        ['unmatched', 1],
      ]),
    )
    expect(counts.routed).toEqual(new Map([['copy', 1]]))
  })

  test('is shaped by each route for itself, and set sees it before that', () => {
    const shape = [{ name: 'remove' as const, fields: new Set(['k']) }]
    const host = { template: template('{k}.example'), otherwise: 'h' }
    const { text } = encoded(
      [route('bare', { continue: true, shape, copies: [copy('one', { host })] }), REST],
      list(group(logOf('a'))),
    )
    const [bare, rest] = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(bare).toMatchObject({ host: 'a.example', event: { __topic__: '' } })
    expect(bare.event).not.toHaveProperty('k')
    expect(rest.event.k).toBe('a')
  })

  test('has the sink’s own value where a value that is set comes out empty', () => {
    const index = { template: template('{nope}'), otherwise: 'own' }
    const sourcetype = { template: template('{nope}{k}'), otherwise: 'own' }
    const { text } = encoded([route('r', { copies: [copy('one', { index, sourcetype })] })], list(group(logOf('a'))))
    expect(JSON.parse(text)).toMatchObject({ index: 'own', sourcetype: 'a' })
  })

  test.each(['Bad Index!', '-a', 'ä', 'a'.repeat(256), 'a\nb', '../a'])(
    'does not choose an index that cannot exist: %j',
    (name) => {
      const index = { template: template('{k}'), otherwise: 'own' }
      const { text } = encoded(
        [route('r', { copies: [copy('one', { index })] })],
        list(group(logOf(name), logOf('fine'))),
      )
      const [bad, good] = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect([bad.index, good.index]).toEqual(['own', 'fine'])
    },
  )
})

describe('a log group', () => {
  const malformed = list(group(bytesField(1, Buffer.from('ffffffff', 'hex')), topic('noise'), tag('env', 'test')))

  test.each([
    '__topic__ = noise',
    '__tag__:env = test',
    '__topic__ = noise and __source__ = "" or k = x and __topic__ != noise',
  ])('that %s alone drops is not read', (condition) => {
    const { batches, counts } = encoded([route('n', { when: when(condition), drop: 'noise' }), REST], malformed)
    expect(batches).toEqual([])
    expect(counts).toMatchObject({ logs: 1, filtered: new Map([['noise', 1]]) })
  })

  test('that a content decides about is read', () => {
    const routes = [route('n', { when: when('__topic__ = noise and k = x'), drop: 'noise' }), REST]
    expect(() => encoded(routes, malformed)).toThrow('log group')
  })

  test('keeps its topic against a content of that name, as the conditions see it', () => {
    const forged = list(group(log(time(1), content('__topic__', 'noise'), content('k', 'a')), topic('t')))
    const { batches } = encoded([route('n', { when: when('__topic__ = noise'), drop: 'noise' }), REST], forged)
    expect(seen(batches)).toHaveLength(1)
  })
})

describe('batches', () => {
  test('are for one sink and one index each', () => {
    const index = { template: template('{k}') }
    const { batches } = encoded([route('r', { copies: [copy('one', { index }), copy('two')] })], THREE)
    expect(batches.map(({ sink, count }) => [sink, count])).toEqual([
      ['one', 1],
      ['two', 3],
      ['one', 1],
      ['one', 1],
    ])
  })

  test('hold events of several routes, and know which', () => {
    const { batches } = encoded([route('one', { when: when('k = b'), copies: [copy('main')] }), REST], THREE)
    expect(batches).toHaveLength(1)
    expect(seen(batches).map(({ route: name, k }) => [name, k])).toEqual([
      ['rest', 'a'],
      ['one', 'b'],
      ['rest', 'c'],
    ])
  })

  test('are no larger than their sink takes, each for itself', () => {
    const small = { destination: { sink: 'small', maxBatchBytes: 300 }, layout: { source: 's', sourcetype: 'st' } }
    const logs = Array.from({ length: 20 }, (_, i) => logOf(`value ${i}`))
    const { batches } = encoded([route('r', { copies: [small, copy('large')] })], list(group(...logs)))
    const of = (sink: string) => batches.filter((batch) => batch.sink === sink)
    expect(of('small').every(({ bytes }) => bytes.length <= 300)).toBe(true)
    expect(of('small').length).toBeGreaterThan(9)
    expect(of('large')).toHaveLength(1)
    for (const sink of ['small', 'large'])
      expect(seen(of(sink)).map(({ k }) => k)).toEqual(logs.map((_, i) => `value ${i}`))
  })

  test('with very many indexes are made before they take much memory', () => {
    const index = { template: template('{k}') }
    const destination = { sink: 'one', maxBatchBytes: 2_000 }
    const copies = [{ destination, layout: { source: 's', sourcetype: 'st', index } }]
    const logs = Array.from({ length: 1_000 }, (_, i) => logOf(`i${i % 5 === 0 ? 'often' : i % 300}`))
    const memory = new MeasuredMemory()
    const { batches } = encoded([route('r', { copies })], list(group(...logs)), {}, memory)
    expect(seen(batches)).toHaveLength(1_000)
    expect(new Set(batches.map((batch) => new Set(seen([batch]).map((each) => each.index)).size))).toEqual(new Set([1]))
    expect(Math.max(...batches.map(({ count }) => count))).toBeGreaterThan(1)
    // Two of the largest batch, and a buffer that grows into a larger one.
    expect(memory.mostTaken).toBeLessThanOrEqual(3 * destination.maxBatchBytes)
    expect(memory.taken).toBe(0)
  })
})

/** Counts the bytes of the buffers in which events wait for a batch. */
class MeasuredMemory extends BatchMemory {
  taken = 0
  mostTaken = 0

  override take(size: number): Buffer {
    this.taken += size
    this.mostTaken = Math.max(this.mostTaken, this.taken)
    return super.take(size)
  }

  override give(buffer: Buffer): void {
    this.taken -= buffer.length
    super.give(buffer)
  }
}

describe('a step that fails', () => {
  const required = (onFailure: 'keep' | 'drop' | 'dead_letter') => [
    { name: 'json' as const, fields: ['k'], into: 'value' as const, required: true, onFailure },
  ]

  test('is counted under its route or source, and the log goes on', () => {
    const { text, counts } = encoded([route('r', { shape: required('keep'), copies: [copy('one')] })], THREE)
    expect(counts.failures).toEqual(new Map([['r/json', 3]]))
    expect(text).toContain('"sls_parse_error":"r/json"')
    const ofSource = encoded([REST], THREE, { shape: required('keep') })
    expect(ofSource.counts.failures).toEqual(new Map([[`${position.source}/json`, 3]]))
  })

  test('may drop the log, or send every copy to the dead letter', () => {
    const dropped = encoded([route('r', { shape: required('drop'), copies: [copy('one')] })], THREE)
    expect(dropped.batches).toEqual([])
    expect(dropped.counts.filtered).toEqual(new Map([['parse_failure', 3]]))
    const { batches } = encoded(
      [route('r', { shape: required('dead_letter'), copies: [copy('one'), copy('two')] })],
      THREE,
    )
    expect(batches.map(({ sink, refused, count }) => [sink, refused, count])).toEqual([
      ['one', 'parse_failure', 3],
      ['two', 'parse_failure', 3],
    ])
  })
})
