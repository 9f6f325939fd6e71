import { describe, expect, test } from 'vitest'
import type { Batch } from '../../../src/core/batch.ts'
import { bytesOf } from '../../../src/core/batch.ts'
import { countsOf } from '../../support/event-oracle.ts'
import { encodeAll, encoderWith, envelopes, idOf, position, referenceEncoder } from './encode-all.ts'
import type { Field } from './wire.ts'
import { content, group, list, log, source, tag, time, timeNs, topic } from './wire.ts'

const logOf = (size: number, ...more: Field[]): Field => log(time(1790000000), content('k', 'v'.repeat(size)), ...more)
const manyLogs = (count: number, size: number): Buffer =>
  list(group(...Array.from({ length: count }, () => logOf(size)), topic('t')))

describe('batches', () => {
  test('say where they came from and where each event ends', () => {
    const { batches } = encodeAll(encoderWith(), list(group(logOf(3), logOf(5))))
    const [batch] = batches
    expect(batch?.origin).toEqual({ source: 'default', project: 'p', logstore: 'audit', shard: 3, cursor: 'MTIz' })
    expect(batch?.count).toBe(2)
    expect(batch?.ends).toHaveLength(2)
    expect(batch?.ends.at(-1)).toBe(batch?.bytes.length)
    const second = batch === undefined ? '' : bytesOf(batch, { from: 1, to: 2 }).toString()
    expect(JSON.parse(second).event.k).toBe('vvvvv')
    expect(second.endsWith('}\n')).toBe(true)
  })

  test('hold as many events as fit to the byte, and not one more', () => {
    const event = encodeAll(encoderWith(), manyLogs(1, 10)).text.length
    const sizes = (maxBatchBytes: number) =>
      encodeAll(encoderWith({ maxBatchBytes }), manyLogs(9, 10)).batches.map((batch) => batch.count)
    expect(sizes(4 * event)).toEqual([4, 4, 1])
    expect(sizes(4 * event - 1)).toEqual([3, 3, 3])
    expect(sizes(event)).toEqual(Array(9).fill(1))
    expect(sizes(event - 1)).toEqual(Array(9).fill(1))
  })

  test('leave an event over the limit alone, whatever its size', () => {
    const sizes = [10, 3_000, 10, 10, 200_000, 2_000_000, 10]
    const body = list(group(...sizes.map((size) => logOf(size))))
    const { batches, text } = encodeAll(encoderWith({ maxBatchBytes: 1_000 }), body)
    expect(batches.map((batch) => batch.count)).toEqual([1, 1, 2, 1, 1, 1])
    expect(envelopes(text).map((envelope) => envelope.event['k']?.length)).toEqual(sizes)
  })

  test('carry values of a megabyte that grow sixfold', () => {
    const values = ['\u0001'.repeat(1_000_000), 'x', '\u0002'.repeat(2_000_000)]
    const body = list(group(...values.map((value) => log(content('k', value)))))
    const { batches, text } = encodeAll(encoderWith(), body)
    expect(batches.map((batch) => Math.round(batch.bytes.length / 1e6))).toEqual([6, 0, 12])
    expect(envelopes(text).map((envelope) => envelope.event['k'])).toEqual(values)
  })

  test('repeat a large group head in every event', () => {
    const body = list(group(logOf(1), logOf(2), source('s'.repeat(100_000)), tag('t', '"'.repeat(50_000))))
    const { batches, text } = encodeAll(encoderWith({ maxBatchBytes: 250_000 }), body)
    expect(batches.map((batch) => batch.count)).toEqual([1, 1])
    expect(envelopes(text)[1]).toMatchObject({ host: 's'.repeat(100_000), event: { '__tag__:t': '"'.repeat(50_000) } })
  })

  test('are the same bytes in a row, whatever their limit', () => {
    const body = list(
      group(...Array.from({ length: 300 }, (_, index) => logOf(index * 7, timeNs(index))), topic('t')),
      group(logOf(100_000), log(content('a', '1'), content('a', '2')), log(content('a', '\u00ff'))),
    )
    const whole = encodeAll(encoderWith({ maxBatchBytes: 50_000_000 }), body)
    expect(whole.batches).toHaveLength(1)
    for (const maxBatchBytes of [1, 500, 4_096, 65_536, 65_537, 1_000_000]) {
      const { text, batches } = encodeAll(encoderWith({ maxBatchBytes }), body)
      expect(text).toBe(whole.text)
      expect(batches.every((batch) => batch.count === 1 || batch.bytes.length <= maxBatchBytes)).toBe(true)
    }
  })

  test('keep no more memory than a third beyond their bytes', () => {
    const body = list(group(...Array.from({ length: 5000 }, () => logOf(500)), logOf(900_000), logOf(3)))
    const { batches } = encodeAll(encoderWith(), body)
    expect(batches.length).toBeGreaterThan(3)
    for (const { bytes } of batches) expect(bytes.buffer.byteLength).toBeLessThanOrEqual(bytes.length * 1.34)
  })

  test('are not overwritten by later batches', () => {
    const encoder = encoderWith({ maxBatchBytes: 100_000 })
    const { batches } = encodeAll(encoder, manyLogs(900, 100))
    const copies = batches.map((batch) => Buffer.from(batch.bytes))
    encodeAll(encoder, manyLogs(900, 99))
    expect(batches.map((batch) => batch.bytes.equals(copies[batches.indexOf(batch)] as Buffer))).not.toContain(false)
  })

  test('do not exist for an empty body, groups without logs or an unwanted pull', () => {
    for (const body of [Buffer.alloc(0), list(group(), group(topic('t')))]) {
      expect(encodeAll(encoderWith(), body).batches).toEqual([])
    }
  })

  test('do not leave a body that is malformed only at its end', () => {
    const body = list(group(logOf(10), logOf(10), logOf(10)), Buffer.of(0x0a, 0x05))
    const generator = encoderWith({ maxBatchBytes: 1 }).encode(body, position)
    expect(() => generator.next()).toThrow(expect.objectContaining({ code: 'corrupt_log_group' }))
    const one = referenceEncoder({ maxBatchBytes: 1 })
    expect(() => one.encode(body, position), 'before one is asked for').toThrow(
      expect.objectContaining({ code: 'corrupt_log_group' }),
    )
  })
})

describe('pulls encoded at the same time', () => {
  test("do not get in each other's way", () => {
    const encoder = encoderWith({ maxBatchBytes: 2_000 })
    const pulls = [1, 2, 3, 4].map((shard) => ({
      at: { ...position, shard },
      body: list(
        ...Array.from({ length: 5 }, (_, index) =>
          group(
            ...Array.from({ length: 40 }, (_, row) =>
              log(time(row), content(`k${row % shard}`, `${shard}`), content('é', 'é'), content(`k${row % 7}`, 'x')),
            ),
            topic(`t${shard}-${index}`),
            tag('shard', `${shard}`),
          ),
        ),
      ),
    }))
    const alone = pulls.map(({ body, at }) => encodeAll(encoderWith({ maxBatchBytes: 2_000 }), body, at).text)
    const together = pulls.map(() => '')
    let running = pulls.map(({ body, at }, index) => ({ index, batches: encoder.encode(body, at) }))
    while (running.length > 0) {
      running = running.filter(({ index, batches }) => {
        const step = batches.next()
        if (!step.done) together[index] += step.value.bytes.toString()
        return !step.done
      })
    }
    expect(together).toEqual(alone)
  })

  test('survive another pull with thousands of keys', { timeout: 60_000 }, () => {
    const encoder = encoderWith({ maxBatchBytes: 1 })
    const same = list(group(...Array.from({ length: 4 }, () => log(content('first', '1'), content('second', '2')))))
    const flood = list(group(...Array.from({ length: 9_000 }, (_, index) => log(content(`key ${index}`, 'x')))))
    const slow = encoder.encode(same, position)
    const steps: Array<IteratorResult<Batch, unknown>> = [slow.next()]
    encodeAll(encoder, flood)
    for (let step = slow.next(); !step.done; step = slow.next()) steps.push(step)
    const events = steps.map(({ value }) => envelopes((value as Batch).bytes.toString())[0]?.event)
    expect(events).toEqual(Array(4).fill({ __topic__: '', __source__: '', first: '1', second: '2' }))
  })

  test('survive a pull that is abandoned half way', () => {
    const encoder = encoderWith({ maxBatchBytes: 2_000 })
    const given = encoder.encode(manyLogs(100, 50), position)
    given.next()
    given.return(countsOf(0, 0))
    const fresh = encodeAll(encoderWith({ maxBatchBytes: 2_000 }), manyLogs(50, 20)).text
    expect(encodeAll(encoder, manyLogs(50, 20)).text).toBe(fresh)
  })
})

describe('event ids', () => {
  const body = list(group(logOf(1), logOf(2)), group(topic('empty')), group(logOf(3), logOf(4)))
  const idsOf = (text: string): string[] => envelopes(text).map(idOf)

  test('are the cursor of the log group and the index in it, also behind groups without logs', () => {
    expect(idsOf(encodeAll(encoderWith(), body, { ...position, firstGroup: 9n }).text)).toEqual([
      'audit:3:9:0',
      'audit:3:9:1',
      'audit:3:11:0',
      'audit:3:11:1',
    ])
  })

  test('count past 2^63 and below 0 without losing a digit', () => {
    const firstOf = (firstGroup: bigint) => idsOf(encodeAll(encoderWith(), body, { ...position, firstGroup }).text)
    expect(firstOf(9223372036854775807n)[2]).toBe('audit:3:9223372036854775809:0')
    expect(firstOf(-1n)[2]).toBe('audit:3:1:0')
  })

  test('do not depend on batching, topics or on where the pull began', () => {
    const ids = idsOf(encodeAll(encoderWith(), body, { ...position, firstGroup: 9n }).text)
    expect(idsOf(encodeAll(encoderWith({ maxBatchBytes: 1 }), body, { ...position, firstGroup: 9n }).text)).toEqual(ids)
    const rest = list(group(logOf(3), logOf(4)))
    expect(idsOf(encodeAll(encoderWith(), rest, { ...position, firstGroup: 11n }).text)).toEqual(ids.slice(2))
  })

  test('number the logs of a large group to the end', () => {
    const ids = idsOf(encodeAll(encoderWith(), manyLogs(1_234, 1), { ...position, firstGroup: 1n }).text)
    expect(ids.at(-1)).toBe('audit:3:1:1233')
  })
})

describe('event ids without cursors', () => {
  const opaque = { ...position, firstGroup: undefined }
  const idsOf = (...logs: Field[]): string[] =>
    envelopes(encodeAll(encoderWith(), list(group(...logs)), opaque).text).map(idOf)
  const base = [topic('t'), source('s'), tag('a', 'b')]
  const original = log(time(7), timeNs(8), content('k', 'v'), content('l', 'w'))
  const [id] = idsOf(original, ...base)

  test('are a hash of the contents, however the log was grouped, batched or written', () => {
    expect(id).toMatch(/^audit:3:h:[0-9a-f]{32}$/)
    const shuffled = log(content('k', 'v'), timeNs(8), content('l', 'w'), time(7))
    expect(idsOf(log(time(1)), shuffled, ...base)[1]).toBe(id)
    const small = encodeAll(encoderWith({ maxBatchBytes: 1 }), list(group(), group(log(), original, ...base)), opaque)
    expect(envelopes(small.text).map(idOf)[1]).toBe(id)
  })

  test('stay the same from release to release', () => {
    const odd = log(time(1790000000), content('k', '1'), content('k', ''), content('', Buffer.of(0xff)))
    expect(idsOf(original, odd, ...base)).toEqual([
      'audit:3:h:aaf998601e07187e35b36506e8e8e98d',
      'audit:3:h:1ae48a1756f0236faf083f16a92133af',
    ])
  })

  test('are the same whichever engine writes the log, in any batch', () => {
    const odd = log(time(7), content('a', '1'), content('a', '2'))
    const huge = log(time(7), content('k', Buffer.alloc(3 << 20, 'v')))
    const body = list(
      group(original, odd, original, huge, odd, original, ...base),
      group(odd),
      group(original, topic('u')),
    )
    const whole = idsOf(original, odd, huge, ...base)
    for (const maxBatchBytes of [1, 500, 1_000_000]) {
      const ids = envelopes(encodeAll(encoderWith({ maxBatchBytes }), body, opaque).text).map(idOf)
      expect(ids.slice(0, 6)).toEqual([0, 1, 0, 2, 1, 0].map((index) => whole[index]))
      expect(new Set(ids).size).toBe(5)
    }
  })

  test('are shared by identical logs only', () => {
    expect(new Set(idsOf(original, original, ...base)).size).toBe(1)
    const others: Field[][] = [
      [log(time(8), timeNs(8), content('k', 'v'), content('l', 'w')), ...base],
      [log(time(7), timeNs(9), content('k', 'v'), content('l', 'w')), ...base],
      [log(time(7), timeNs(8), content('k', 'vl'), content('', 'w')), ...base],
      [log(time(7), timeNs(8), content('kv', ''), content('l', 'w')), ...base],
      [log(time(7), timeNs(8), content('l', 'w'), content('k', 'v')), ...base],
      [log(time(7), timeNs(8), content('a', 'b'), content('k', 'v'), content('l', 'w')), topic('t'), source('s')],
      [original, topic('ts'), source(''), tag('a', 'b')],
      [original, topic('t'), source('s'), tag('a', 'b'), tag('a', 'b')],
      [log(time(7), timeNs(8), content('k', 'v'), content('l', 'w'), content('', '')), ...base],
    ]
    const ids = others.map((fields) => idsOf(...fields)[0])
    expect(new Set([id, ...ids]).size).toBe(others.length + 1)
  })

  test('differ between shards, and tell apart bytes that read the same', () => {
    const elsewhere = encodeAll(encoderWith(), list(group(original, ...base)), { ...opaque, shard: 4 })
    expect(idOf(envelopes(elsewhere.text)[0]).split(':')[3]).not.toBe(id?.split(':')[3])
    const [one, other] = idsOf(log(content('k', Buffer.of(0xff))), log(content('k', Buffer.of(0xfe))))
    expect(one).not.toBe(other)
  })
})
