import { describe, expect, test } from 'vitest'
import { batchOf, lettersIn, names, sinkTo } from './delivery-double.ts'
import type { HecDouble, Reaction } from './hec-double.ts'
import { answer, html, json, refuse, startHec } from './hec-double.ts'

/** splunkd's way with bad events: index up to the first one, name it, forget the rest. */
function refusing(bad: ReadonlySet<string>, code = 6, number: (at: number) => unknown = (at) => at): Reaction {
  return (post, response, hec) => {
    const at = post.ids.findIndex((id) => bad.has(id))
    if (at < 0) return undefined
    hec.index(post.ids.slice(0, at))
    return json(response, 400, { text: `bad ${code}`, code, 'invalid-event-number': number(at) })
  }
}

function eachOnce(hec: HecDouble, ids: readonly string[]): void {
  expect(hec.indexed.toSorted()).toEqual([...ids].toSorted())
}

describe('an event HEC refuses', () => {
  test.each([6, 12, 13, 15])(
    'code %i: only that one is dead-lettered, its neighbours are delivered once',
    async (code) => {
      const hec = await startHec()
      hec.rule = refusing(new Set(['e3']), code)
      const { deliver, recorder, deadLetterDir } = await sinkTo([hec.url])
      const before = names(8, 'before')
      await deliver(batchOf(before))
      await deliver(batchOf(names(8)))
      expect(hec.indexed).toEqual([...before, 'e0', 'e1', 'e2', 'e4', 'e5', 'e6', 'e7'])
      expect(hec.posts.map(({ ids }) => ids.length)).toEqual([8, 8, 4])
      expect(await lettersIn(deadLetterDir)).toMatchObject([
        {
          reason: { code: String(code), text: `bad ${code}`, status: 400 },
          origin: { project: 'prod', logstore: 'audit', shard: 3, event_id: 'audit:3:170:3' },
          event: { event: { id: 'e3' } },
        },
      ])
      expect(recorder.sum('delivered')).toBe(15)
      expect(recorder.sum('deadLettered', String(code))).toBe(1)
      expect(recorder.of('paused')).toEqual([])
    },
  )

  test('first, last and only event', async () => {
    const hec = await startHec()
    hec.rule = refusing(new Set(['first', 'last', 'only']), 12)
    const { deliver, buried } = await sinkTo([hec.url])
    await deliver(batchOf(['first', 'a', 'b']))
    await deliver(batchOf(['c', 'd', 'last']))
    await deliver(batchOf(['only']))
    eachOnce(hec, ['a', 'b', 'c', 'd'])
    expect(await buried()).toEqual(['first', 'last', 'only'])
  })

  test('a bad first event with code 6 is tried alone three times, and uncompressed, then the rest goes out whole', async () => {
    const hec = await startHec()
    hec.rule = refusing(new Set(['e0']), 6)
    const { deliver, buried, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(6)))
    expect(hec.posts.map(({ ids }) => ids)).toEqual([names(6), ['e0'], ['e0'], ['e0'], ['e0'], names(6).slice(1)])
    expect(await buried()).toEqual(['e0'])
    eachOnce(hec, names(6).slice(1))
    expect(recorder.of('notice')).toEqual([])
  })

  test.each([
    ['missing', () => undefined],
    ['text', (at: number) => String(at)],
    ['a fraction', (at: number) => at + 0.5],
    ['negative', () => -1],
    ['past the end', () => 1_000],
  ])('a number that is %s is not trusted: the batch is halved until the bad one is alone', async (_, number) => {
    const hec = await startHec()
    hec.rule = (post, response) => {
      const at = post.ids.indexOf('e5')
      if (at < 0) return undefined
      return json(response, 400, { text: 'Event field is required', code: 12, 'invalid-event-number': number(at) })
    }
    const { deliver, buried, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(16)))
    expect(await buried()).toEqual(['e5'])
    eachOnce(
      hec,
      names(16).filter((id) => id !== 'e5'),
    )
    expect(recorder.sum('resent', 'bisect')).toBeGreaterThan(0)
  })

  test('"no data" for a body that has some is not an event fault: the sink pauses, and delivers later', async () => {
    const hec = await startHec()
    hec.script.push(refuse(400, 5, 0, undefined), refuse(400, 5, 0, undefined))
    const { deliver, buried, recorder } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(5)))
    expect(await buried()).toEqual([])
    expect(recorder.of('paused')).toHaveLength(1)
    eachOnce(hec, names(5))
  })

  test.each([
    [404, 5],
    [500, 13],
    [503, 6],
    [409, 6],
    [501, 12],
  ])("a gateway's HTTP %i with a code %i of its own buries nothing", async (status, code) => {
    const hec = await startHec()
    hec.script.push((_, response) => json(response, status, { code, message: 'somebody else' }))
    const { deliver, buried } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(3)))
    expect(await buried()).toEqual([])
    expect(new Set(hec.indexed)).toEqual(new Set(names(3)))
  })

  test('a batch of mostly bad events does not resend its bytes n times over', async () => {
    const hec = await startHec()
    const all = names(100)
    const bad = all.filter((_, i) => i % 10 !== 9)
    hec.rule = refusing(new Set(bad), 12)
    const { deliver, buried, recorder } = await sinkTo([hec.url])
    const batch = batchOf(all)
    await deliver(batch)
    expect((await buried()).toSorted()).toEqual([...bad].toSorted())
    expect(hec.indexed).toHaveLength(10)
    expect(recorder.of('paused')).toEqual([])
    const sent = hec.posts.reduce((sum, { bytes }) => sum + bytes, 0)
    // Resending the rest each time costs n/2 = 50 times the batch.
    expect(sent / batch.bytes.length).toBeLessThan(30)
  })

  test('many bad ones among good ones, over 16 of them', async () => {
    const hec = await startHec()
    const all = names(120)
    const bad = new Set(all.filter((_, i) => i % 3 === 1))
    hec.rule = refusing(bad, 15)
    const { deliver, buried } = await sinkTo([hec.url])
    await deliver(batchOf(all))
    expect((await buried()).toSorted()).toEqual([...bad].toSorted())
    eachOnce(
      hec,
      all.filter((id) => !bad.has(id)),
    )
  })
})

describe('503 that took a part', () => {
  test('goes on where the queue was full', async () => {
    const hec = await startHec()
    hec.script.push(refuse(503, 9, 3, 3), refuse(503, 9, 0, 0), refuse(503, 9, 2, 2))
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(8)))
    expect(hec.indexed).toEqual(names(8))
    expect(hec.posts.map(({ ids }) => ids.length)).toEqual([8, 5, 5, 3])
    expect(recorder.sum('delivered')).toBe(8)
  })

  test.each([[8], [-1], ['3'], [2.5]])('number %j is not trusted: all of it again', async (number) => {
    const hec = await startHec()
    hec.script.push(refuse(503, 9, 0, number))
    const { deliver } = await sinkTo([hec.url])
    await deliver(batchOf(names(8)))
    expect(hec.posts.map(({ ids }) => ids.length)).toEqual([8, 8])
    eachOnce(hec, names(8))
  })
})

describe('size', () => {
  test('413 halves, and remembers to send less', async () => {
    const hec = await startHec()
    hec.rule = (post, response) => (post.bytes > 3_000 ? html(response, 413) : undefined)
    const { deliver, recorder, buried } = await sinkTo([hec.url])
    await deliver(batchOf(names(10), 900))
    const refused = hec.posts.filter(({ bytes }) => bytes > 3_000).length
    await deliver(batchOf(names(10, 'f'), 900))
    expect(hec.posts.filter(({ bytes }) => bytes > 3_000)).toHaveLength(refused)
    expect(hec.indexed).toEqual([...names(10), ...names(10, 'f')])
    expect(await buried()).toEqual([])
    expect(recorder.of('notice').length).toBeGreaterThan(0)
  })

  test('413 for a single event dead-letters it', async () => {
    const hec = await startHec()
    hec.rule = (post, response) => (post.bytes > 3_000 ? html(response, 413) : undefined)
    const { deliver, deadLetterDir } = await sinkTo([hec.url])
    await deliver(batchOf(names(4), (i) => (i === 2 ? 5_000 : 0)))
    eachOnce(hec, ['e0', 'e1', 'e3'])
    expect(await lettersIn(deadLetterDir)).toMatchObject([
      { reason: { code: 'http_413', status: 413 }, event: { event: { id: 'e2' } } },
    ])
  })

  test('a body cap disguised as a bad first event dead-letters nothing, and is remembered', async () => {
    const hec = await startHec()
    hec.rule = (post, response) =>
      post.bytes > 4_000
        ? json(response, 400, { text: 'Invalid data format', code: 6, 'invalid-event-number': 0 })
        : undefined
    const { deliver, buried } = await sinkTo([hec.url])
    await deliver(batchOf(names(12), 900))
    eachOnce(hec, names(12))
    const refused = hec.posts.filter(({ bytes }) => bytes > 4_000).length
    await deliver(batchOf(names(12, 'f'), 900))
    expect(hec.posts.filter(({ bytes }) => bytes > 4_000)).toHaveLength(refused)
    eachOnce(hec, [...names(12), ...names(12, 'f')])
    expect(await buried()).toEqual([])
  })

  test('a proxy that cuts bodies: the event at the cut is delivered, and smaller bodies are sent', async () => {
    const hec = await startHec()
    hec.rule = (post, response) => {
      const whole = Math.floor(4_000 / (post.bytes / post.ids.length))
      if (whole >= post.ids.length) return undefined
      hec.index(post.ids.slice(0, whole))
      return json(response, 400, { text: 'Invalid data format', code: 6, 'invalid-event-number': whole })
    }
    const { deliver, buried, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(40), 900))
    await deliver(batchOf(names(40, 'f'), 900))
    expect(await buried()).toEqual([])
    eachOnce(hec, [...names(40), ...names(40, 'f')])
    expect(hec.posts.filter(({ bytes }) => bytes > 4_000)).toHaveLength(1)
    expect(recorder.of('notice')).toHaveLength(1)
  })

  test('the last event of a body, refused by code 6 where no body as large was taken, is tried alone', async () => {
    const hec = await startHec()
    hec.rule = refusing(new Set(['e7']))
    const { deliver, buried, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(8)))
    expect(hec.posts.map(({ ids }) => ids)).toEqual([names(8), ['e7'], ['e7'], ['e7'], ['e7']])
    expect(await buried()).toEqual(['e7'])
    eachOnce(hec, names(7))
    expect(recorder.of('notice')).toEqual([])
  })

  test('an event over 5 MiB is dead-lettered without being sent, one of exactly 5 MiB is sent', async () => {
    const hec = await startHec()
    const { deliver, deadLetterDir, recorder } = await sinkTo([hec.url], { maxBytes: 6_000_000 })
    const overhead = batchOf(['e1']).bytes.length - 1
    const largest = 5_242_880 - overhead
    await deliver(batchOf(names(5), (i) => [0, largest, largest + 1, 0, largest + 9][i] as number))
    eachOnce(hec, ['e0', 'e1', 'e3'])
    const letters = await lettersIn(deadLetterDir)
    expect(letters.map(({ reason, event }) => [reason.code, reason.status, event.event.id])).toEqual([
      ['event_too_large', null, 'e2'],
      ['event_too_large', null, 'e4'],
    ])
    expect(recorder.sum('deadLettered', 'event_too_large')).toBe(2)
  })

  test('a batch of one oversized event is settled, and started, without any request', async () => {
    const hec = await startHec()
    const { deliver, buried } = await sinkTo([hec.url])
    let started = 0
    await deliver(batchOf(['huge'], 5_300_000), undefined, () => started++)
    expect(started).toBe(1)
    expect(hec.posts).toEqual([])
    expect(await buried()).toEqual(['huge'])
  })
})

describe('mixed', () => {
  test('a transient answer between refusals changes nothing', async () => {
    const hec = await startHec()
    hec.script.push(
      answer(503, { text: 'busy', code: 9 }),
      refuse(400, 13, 2, 2),
      answer(429, { text: 'full', code: 26 }),
      refuse(400, 15, 1, 1),
    )
    const { deliver, buried } = await sinkTo([hec.url])
    await deliver(batchOf(names(7)))
    expect(hec.script).toEqual([])
    expect(await buried()).toEqual(['e2', 'e4'])
    expect(hec.indexed).toEqual(['e0', 'e1', 'e3', 'e5', 'e6'])
  })
})
