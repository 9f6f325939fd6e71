import { describe, expect, onTestFinished, test } from 'vitest'
import type { Fault } from '../../../src/core/errors.ts'
import { batchOf, lettersIn, names, sinkTo } from './delivery-double.ts'
import type { HecDouble, Reaction } from './hec-double.ts'
import { cut, html, json, refuse, startHec } from './hec-double.ts'

const code6 = (at?: number): Reaction => {
  return (_, response) => json(response, 400, { text: 'Invalid data format', code: 6, 'invalid-event-number': at })
}

/** Only bodies without the suspicious event pass. */
const exceptFor =
  (culprit: string, reaction: Reaction): Reaction =>
  (post, response, hec) =>
    post.ids.includes(culprit) ? reaction(post, response, hec) : undefined

function unique(hec: HecDouble): string[] {
  return [...new Set(hec.indexed)].toSorted()
}

const FIELDS_REFUSED = { text: 'Error in handling indexed fields', code: 15, 'invalid-event-number': 0 }

describe('everything is refused', () => {
  test('a gateway that drops Content-Encoding: bodies go out uncompressed, and nothing is given up', async () => {
    const hec = await startHec()
    hec.rule = (post, response, it) =>
      post.headers['content-encoding'] === 'gzip' ? code6(0)(post, response, it) : undefined
    const { deliver, recorder, buried } = await sinkTo([hec.url])
    await Promise.all(['a', 'b', 'c', 'd'].map((prefix) => deliver(batchOf(names(9, prefix)))))
    await deliver(batchOf(names(9, 'later')))
    expect(await buried()).toEqual([])
    expect(hec.indexed).toHaveLength(45)
    expect(hec.posts.at(-1)?.ids).toHaveLength(9)
    expect(recorder.of('notice').map(({ args }) => args[1])).toContain(
      'HEC does not take gzip; sending uncompressed there',
    )
    expect(recorder.of('paused')).toEqual([])
  })

  test('the same shortly after an event that was bad in every form: one more event is given up at most', async () => {
    const hec = await startHec()
    hec.rule = exceptFor('bad', code6(0))
    const { deliver, buried } = await sinkTo([hec.url])
    await deliver(batchOf(['bad']))
    hec.rule = (post, response, it) =>
      post.headers['content-encoding'] === 'gzip' ? code6(0)(post, response, it) : undefined
    await deliver(batchOf(['good']))
    await deliver(batchOf(names(20)))
    expect((await buried()).length).toBeLessThanOrEqual(2)
    expect(new Set([...hec.indexed, ...(await buried())]).size).toBe(22)
  })

  test.each([400, 422])('a page with HTTP %i for compressed bodies only: the same', async (status) => {
    const hec = await startHec()
    hec.rule = (post, response) => (post.headers['content-encoding'] === 'gzip' ? html(response, status) : undefined)
    const { deliver, buried } = await sinkTo([hec.url])
    await deliver(batchOf(names(9)))
    expect(await buried()).toEqual([])
    expect(unique(hec)).toEqual(names(9))
  })

  test.each([
    ['that is one past the last event', (count: number) => count],
    ['that is missing', () => undefined],
  ])('a receiver that refuses the last line end, with a number %s: bodies go out without', async (_, number) => {
    const hec = await startHec()
    hec.rule = (post, response, it) =>
      post.endsInLineEnd ? code6(number(post.ids.length))(post, response, it) : undefined
    const { deliver, buried } = await sinkTo([hec.url])
    await deliver(batchOf(names(12)))
    await deliver(batchOf(names(12, 'f')))
    expect(await buried()).toEqual([])
    expect(hec.indexed).toHaveLength(24)
    expect(hec.posts.at(-1)?.ids).toHaveLength(12)
  })

  test.each([
    ['code 6', code6(0)],
    ['code 12', (_: unknown, response: Parameters<Reaction>[1]) => json(response, 400, { text: 'x', code: 12 })],
    ['413', (_: unknown, response: Parameters<Reaction>[1]) => html(response, 413)],
  ] as [string, Reaction][])(
    '%s: ten events at most, also of concurrent batches; then it pauses and resumes',
    async (_, rule) => {
      const hec = await startHec()
      hec.rule = rule
      const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
      const all = ['a', 'b', 'c', 'd', 'e', 'f'].map((prefix) => names(7, prefix))
      const delivered = Promise.all(all.map((ids) => deliver(batchOf(ids))))
      const { args } = await recorder.first('paused')
      expect((args[1] as Fault).code).toBe('everything_refused')
      expect((args[1] as Fault).advice).toBeDefined()
      await hec.posted(hec.posts.length + 6)
      expect(await buried()).toHaveLength(10)
      hec.rule = undefined
      await delivered
      const lost = new Set(await buried())
      expect(lost.size).toBe(10)
      expect(unique(hec)).toEqual(all.flat().filter((id) => !lost.has(id)))
      expect(recorder.of('resumed').length).toBeGreaterThan(0)
      // The limit that the refusals taught is forgotten.
      await deliver(batchOf(names(20, 'g')))
      expect(hec.posts.at(-1)?.ids).toHaveLength(20)
    },
  )

  test('events before the one refused prove nothing where an ack token gives no id for them', async () => {
    const hec = await startHec({ ack: true })
    hec.rule = (post, response, it) => code6(Math.min(1, post.ids.length - 1))(post, response, it)
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
    void deliver(batchOf(names(40))).catch(() => {})
    const { args } = await recorder.first('paused')
    expect((args[1] as Fault).code).toBe('everything_refused')
    expect(await buried()).toHaveLength(10)
  })

  test.each([
    ['413', (_: unknown, response: Parameters<Reaction>[1]) => html(response, 413)],
    ['code 6', code6(0)],
    ['code 15', (_: unknown, response: Parameters<Reaction>[1]) => json(response, 400, FIELDS_REFUSED)],
  ] as [string, Reaction][])(
    'one of two endpoints that refuses everything (%s) pauses alone, after ten events that the other takes',
    async (_, rule) => {
      const [bad, good] = [await startHec(), await startHec()]
      bad.rule = rule
      const { deliver, recorder, buried } = await sinkTo([bad.url, good.url], { speed: 50 })
      for (let i = 0; i < 30; i++) await deliver(batchOf(names(2, `b${i}-`)))
      expect(await buried()).toEqual([])
      expect(unique(good)).toHaveLength(60)
      expect(recorder.of('paused')).toEqual([])
      await recorder.first('endpoint', ({ args }) => (args[2] as Fault | undefined)?.code === 'everything_refused')
    },
  )

  test('both of two endpoints: ten events at most, then the sink pauses and resumes with either', async () => {
    const [one, other] = [await startHec(), await startHec()]
    one.rule = code6(0)
    other.rule = (_, response) => html(response, 413)
    const { deliver, recorder, buried } = await sinkTo([one.url, other.url], { speed: 50 })
    const delivered = Promise.all(['a', 'b', 'c'].map((prefix) => deliver(batchOf(names(9, prefix)))))
    const { args } = await recorder.first('paused')
    expect((args[1] as Fault).code).toBe('everything_refused')
    await Promise.all([one.posted(one.posts.length + 3), other.posted(other.posts.length + 3)])
    expect(await buried()).toHaveLength(10)
    other.rule = undefined
    await delivered
    expect(unique(other)).toHaveLength(17)
    expect(recorder.of('resumed').length).toBeGreaterThan(0)
  })

  test('a sink without that limit, as for events that were refused before, gives up all of them', async () => {
    const hec = await startHec()
    hec.rule = (_, response) => json(response, 400, { text: 'blank', code: 13 })
    const { deliver, buried, recorder } = await sinkTo([hec.url], { refusedBefore: true })
    await deliver(batchOf(names(30)))
    expect(await buried()).toHaveLength(30)
    expect(recorder.of('paused')).toEqual([])
  })

  test('twenty-five bad events in a row are told from that by a different event, and no good one is given up', async () => {
    const hec = await startHec()
    const bad = new Set(names(25))
    hec.rule = (post, response, it) => {
      const at = post.ids.findIndex((id) => bad.has(id))
      if (at < 0) return undefined
      it.index(post.ids.slice(0, at))
      return json(response, 400, { text: 'blank', code: 13, 'invalid-event-number': at })
    }
    const { deliver, buried } = await sinkTo([hec.url], { speed: 200 })
    await deliver(batchOf([...bad, ...names(40, 'good')]))
    expect((await buried()).toSorted()).toEqual([...bad].toSorted())
    expect(unique(hec)).toEqual(names(40, 'good').toSorted())
  })

  test.each([
    ['that are found by halving', undefined, 1],
    ['at the beginning of several batches', 0, 3],
  ])('bad events %s do not keep the good ones behind them', async (_, number, batches) => {
    const hec = await startHec()
    hec.rule = (post, response, it) =>
      post.ids.some((id) => id.startsWith('bad')) ? code6(number)(post, response, it) : undefined
    const { deliver, buried } = await sinkTo([hec.url], { speed: 200 })
    const all = Array.from({ length: batches }, (__, i) => [...names(24, `bad${i}-`), ...names(8, `good${i}-`)])
    await Promise.all(all.map((ids) => deliver(batchOf(ids))))
    expect(unique(hec)).toEqual(
      all
        .flat()
        .filter((id) => id.startsWith('good'))
        .toSorted(),
    )
    expect((await buried()).toSorted()).toEqual(
      all
        .flat()
        .filter((id) => id.startsWith('bad'))
        .toSorted(),
    )
  })
})

describe('one event is refused by something that answers anything', () => {
  test('a 403 page: its neighbours arrive, it alone is dead-lettered with the answer', async () => {
    const hec = await startHec()
    hec.rule = exceptFor('e77', (_, response) => html(response, 403))
    const { deliver, deadLetterDir, recorder } = await sinkTo([hec.url], { speed: 50 })
    const others = setInterval(() => void deliver(batchOf(['other'])), 50)
    await deliver(batchOf(names(200)))
    clearInterval(others)
    expect(unique(hec)).toEqual([...names(200).filter((id) => id !== 'e77'), 'other'].toSorted())
    expect(await lettersIn(deadLetterDir)).toMatchObject([
      { reason: { code: 'http_403', status: 403 }, event: { event: { id: 'e77' } } },
    ])
    expect(recorder.faults('paused').filter(({ code }) => code === 'everything_refused')).toEqual([])
  })

  test.each([
    ['HTTP 500', (_: unknown, response: Parameters<Reaction>[1]) => html(response, 500)],
    ['HTTP 502', (_: unknown, response: Parameters<Reaction>[1]) => html(response, 502)],
    ['HTTP 503', (_: unknown, response: Parameters<Reaction>[1]) => html(response, 503)],
    ['a login page', (_: unknown, response: Parameters<Reaction>[1]) => html(response, 200)],
    ['code 8', (_: unknown, response: Parameters<Reaction>[1]) => json(response, 500, { text: 'x', code: 8 })],
    ['a cut connection', cut],
    [
      'an answer that cannot be decompressed',
      (_: unknown, response: Parameters<Reaction>[1]) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    ],
    [
      'an answer that is not HTTP',
      (_: unknown, response: Parameters<Reaction>[1]) => response.socket?.end('220 mail\r\n'),
    ],
  ] as [string, Reaction][])('%s: its neighbours arrive, it is held and named until it passes', async (_, reaction) => {
    const hec = await startHec()
    hec.rule = exceptFor('e77', reaction)
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
    const delivered = deliver(batchOf(names(200)))
    const held = await recorder.first('paused', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
    expect((held.args[1] as Fault).message).toMatch(/shard 3.*others are accepted/)
    await hec.until(() => unique(hec).length === 199)
    await deliver(batchOf(names(50, 'later')))
    expect(recorder.of('delivered').reduce((sum, { args }) => sum + Number(args[1]), 0)).toBe(249)
    hec.rule = undefined
    await delivered
    expect(unique(hec)).toHaveLength(250)
    expect(await buried()).toEqual([])
    await recorder.first('resumed', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
  })

  test.each([
    ['an index that is not there', 'e77', 400, 7, ['e77']],
    ['a token that is unknown', 'e77', 403, 4, []],
    ['a channel that is missing', 'e77', 400, 10, []],
    ['acknowledgement that is off', 'e77', 400, 14, []],
  ])(
    'code of HEC for %s, for one event only: its neighbours arrive, and the sink goes on',
    async (_, bad, status, code, lost) => {
      const hec = await startHec()
      hec.rule = exceptFor(bad, refuse(status, code, 0, 1))
      const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
      const others = setInterval(() => void deliver(batchOf(['other'])).catch(() => {}), 20)
      onTestFinished(() => clearInterval(others))
      const delivered = deliver(batchOf(names(200)))
      await recorder.first('paused', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
      await hec.until(() => unique(hec).length === 200)
      if (lost.length === 0) hec.rule = undefined
      await delivered
      expect(await buried()).toEqual(lost)
      expect(unique(hec)).toEqual([...names(200).filter((id) => !lost.includes(id)), 'other'].toSorted())
    },
  )

  test.each([
    [503, 9],
    [429, 26],
  ])('HTTP %i with code %i, for one event only: after minutes its neighbours arrive, too', async (status, code) => {
    const hec = await startHec()
    hec.rule = exceptFor('e77', refuse(status, code, 0, undefined))
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 500 })
    const others = setInterval(() => void deliver(batchOf(['other'])).catch(() => {}), 20)
    onTestFinished(() => clearInterval(others))
    const delivered = deliver(batchOf(names(200)))
    await hec.until(() => unique(hec).length === 200)
    await recorder.first('paused', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
    const whole = hec.posts.filter(({ ids }) => ids.length === 200)
    expect(whole.length).toBeGreaterThanOrEqual(20)
    hec.rule = undefined
    await delivered
    expect(await buried()).toEqual([])
  })

  test('an index that is not there, for one event of the only batch: its neighbours arrive without a pause', async () => {
    const hec = await startHec()
    hec.rule = exceptFor('e7', refuse(400, 7, 0, 1))
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
    void deliver(batchOf(names(20))).catch(() => {})
    await hec.until(() => unique(hec).length === 19)
    const held = await recorder.first('paused')
    expect(held.args[0]).toMatchObject({ reason: 'event_held' })
    expect((held.args[1] as Fault).message).toContain('refused 7')
    // Without another acceptance it may still be the sink.
    expect(await buried()).toEqual([])
  })

  test('an index that is not there, for every event of a batch: the others do not wait for it', async () => {
    const hec = await startHec()
    hec.rule = (post, response, it) =>
      post.ids.some((id) => id.startsWith('bad')) ? refuse(400, 7, 0, 1)(post, response, it) : undefined
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 100 })
    const others = setInterval(() => void deliver(batchOf(['other'])).catch(() => {}), 5)
    onTestFinished(() => clearInterval(others))
    await deliver(batchOf(names(8, 'bad')))
    expect((await buried()).toSorted()).toEqual(names(8, 'bad'))
    const pauses = recorder.of('paused').filter(({ args }) => (args[0] as { reason: string }).reason !== 'event_held')
    expect(pauses.length).toBeLessThanOrEqual(1)
  })

  test.each([429, 503])(
    'HTTP %i with a long Retry-After: its neighbours wait no longer than others are accepted',
    async (status) => {
      const hec = await startHec()
      hec.rule = exceptFor('e77', (_, response) => html(response, status, { 'retry-after': '86400' }))
      const { deliver, recorder } = await sinkTo([hec.url], { speed: 20 })
      const others = setInterval(() => void deliver(batchOf(['other'])).catch(() => {}), 20)
      onTestFinished(() => clearInterval(others))
      const started = performance.now()
      void deliver(batchOf(names(200))).catch(() => {})
      await hec.until(() => unique(hec).length === 200)
      expect(performance.now() - started).toBeLessThan(60_000 / 20)
      await recorder.first('paused', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
    },
  )

  test('a long Retry-After for one event of the only batch: the others arrive within a minute', async () => {
    const hec = await startHec()
    hec.rule = exceptFor('e7', (_, response) => html(response, 503, { 'retry-after': '86400' }))
    const { deliver } = await sinkTo([hec.url], { speed: 20 })
    const started = performance.now()
    void deliver(batchOf(names(20))).catch(() => {})
    await hec.until(() => unique(hec).length === 19)
    expect(performance.now() - started).toBeLessThan(60_000 / 20)
  })

  test('a long Retry-After ends with the next acceptance of anything else', async () => {
    const hec = await startHec()
    hec.script.push((_, response) => html(response, 429, { 'retry-after': '86400' }))
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 20 })
    const started = performance.now()
    const waiting = deliver(batchOf(['waiting']))
    await recorder.first('deliveryFailed')
    await deliver(batchOf(['other']))
    await waiting
    expect(performance.now() - started).toBeLessThan(60_000 / 20)
    expect(hec.posts.map(({ ids }) => ids)).toEqual([['waiting'], ['other'], ['waiting']])
  })

  test('a Retry-After for everything is kept after one more try, for at most five minutes', async () => {
    const hec = await startHec()
    hec.rule = (_, response) => html(response, 503, { 'retry-after': '86400' })
    const { deliver } = await sinkTo([hec.url], { speed: 300 })
    const delivered = deliver(batchOf(names(3)))
    await hec.posted(4)
    expect(hec.posts.map(({ ids }) => ids.length)).toEqual([3, 3, 1, 3])
    const [early = 0, late = 0] = [hec.posts[2]?.atMs, hec.posts[3]?.atMs]
    expect(late - early).toBeGreaterThan(299_000 / 300)
    hec.rule = undefined
    await delivered
    expect(unique(hec)).toEqual(names(3))
  })

  test('an event that is held is tried less and less often', async () => {
    const hec = await startHec()
    hec.rule = exceptFor('held', (_, response) => html(response, 500))
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 500 })
    const delivered = deliver(batchOf([...names(3), 'held']))
    await recorder.first('paused', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
    const alone = () => hec.posts.filter(({ ids }) => ids.includes('held')).map(({ atMs }) => atMs)
    const before = alone().length
    await hec.until(() => alone().length >= before + 5)
    const gaps = alone()
      .slice(before - 1)
      .map((at, i, all) => at - (all[i - 1] ?? at))
      .slice(1)
    expect(gaps[4]).toBeGreaterThan(4 * (15_000 / 500))
    hec.rule = undefined
    await delivered
  })

  test('refusals while nothing else is accepted either do not count against a held event', async () => {
    const hec = await startHec()
    const page: Reaction = (_, response) => html(response, 403)
    hec.rule = exceptFor('held', page)
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
    const delivered = deliver(batchOf(['held']))
    await recorder.first('paused')
    await deliver(batchOf(['other']))
    await recorder.first('paused', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
    const tries = (): number => hec.posts.filter(({ ids }) => ids.includes('held')).length
    hec.rule = page
    const before = tries()
    await hec.until(() => tries() >= before + 4)
    // The firewall is mended node by node.
    hec.rule = exceptFor('held', page)
    await deliver(batchOf(['another']))
    const mended = tries()
    await hec.until(() => tries() > mended)
    hec.rule = undefined
    await delivered
    expect(await buried()).toEqual([])
    expect(hec.indexed).toContain('held')
  })

  test('two of them, in the only batch', async () => {
    const hec = await startHec()
    hec.rule = (post, response) =>
      post.ids.includes('e10') || post.ids.includes('e150') ? html(response, 500) : undefined
    const { deliver } = await sinkTo([hec.url], { speed: 50 })
    const delivered = deliver(batchOf(names(200)))
    await hec.until(() => unique(hec).length === 198)
    hec.rule = undefined
    await delivered
    expect(unique(hec)).toHaveLength(200)
  })

  test('a body that is cut off for its size gets smaller, and the size is remembered', async () => {
    const hec = await startHec()
    hec.rule = (post, response, it) => (post.bytes > 4_000 ? cut(post, response, it) : undefined)
    const { deliver, buried } = await sinkTo([hec.url], { speed: 50, gzip: false })
    await deliver(batchOf(names(12), 900))
    const tooLarge = hec.posts.filter(({ bytes }) => bytes > 4_000).length
    for (const prefix of ['f', 'g', 'h']) await deliver(batchOf(names(12, prefix), 900))
    expect(unique(hec)).toHaveLength(48)
    expect(await buried()).toEqual([])
    expect(hec.posts.filter(({ bytes }) => bytes > 4_000).length).toBeLessThanOrEqual(tooLarge + 1)
  })
})

test.each([
  ['HTTP 500', (_: unknown, response: Parameters<Reaction>[1]) => html(response, 500)],
  ['a 403 page', (_: unknown, response: Parameters<Reaction>[1]) => html(response, 403)],
  ['a cut connection', cut],
] as [string, Reaction][])(
  'one event that has to be sent alone meets %s: those that wait behind it arrive',
  async (_, reaction) => {
    const hec = await startHec()
    hec.rule = (post, response, it) => {
      if (post.ids.length > 1) return html(response, 413)
      return post.ids.includes('e0') ? reaction(post, response, it) : undefined
    }
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
    void deliver(batchOf(names(4))).catch(() => {})
    await hec.until(() => unique(hec).length === 3)
    expect(recorder.of('paused').map(({ args }) => (args[0] as { reason: string }).reason)).not.toContain(
      'outcome_unknown',
    )
    await recorder.first('paused', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
  },
)

describe('an event that one endpoint of two refuses with a page', () => {
  test('is dead-lettered only if the other refuses it, too', async () => {
    const [bad, good] = [await startHec(), await startHec()]
    const page: Reaction = (_, response) => html(response, 403)
    bad.rule = page
    const held = [...names(12, 'held'), 'both']
    good.rule = (post, response, it) =>
      post.ids.some((id) => held.includes(id)) ? page(post, response, it) : undefined
    const { deliver, recorder, buried } = await sinkTo([bad.url, good.url], { speed: 50 })
    const others = setInterval(() => void deliver(batchOf(['other'])).catch(() => {}), 20)
    onTestFinished(() => clearInterval(others))
    const delivered = Promise.all(held.map((id) => deliver(batchOf([id]))))
    await recorder.first('paused', ({ args }) => (args[0] as { reason: string }).reason === 'event_held')
    good.rule = exceptFor('both', page)
    await delivered
    expect(await buried()).toEqual(['both'])
    expect(unique(good)).toEqual([...names(12, 'held'), 'other'].toSorted())
    // What it refused proves nothing for it.
    const told = recorder.of('endpoint').filter(({ args }) => args[1] === bad.url)
    expect(told.map(({ args }) => (args[2] as Fault | undefined)?.code)).toEqual([undefined, 'http_403'])
  })
})

describe('a pause', () => {
  test('does not end because something was accepted before everything was refused', async () => {
    const hec = await startHec()
    const slow = Promise.withResolvers<void>()
    hec.rule = (post, response, it) => {
      if (!post.ids.includes('slow')) return html(response, 403)
      void slow.promise.then(() => {
        it.accept(post)
        json(response, 200, { text: 'Success', code: 0 })
      })
      return true
    }
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
    const deliveries = [deliver(batchOf(['slow'])), deliver(batchOf(names(4))), deliver(batchOf(names(4, 'f')))]
    await recorder.first('paused')
    slow.resolve()
    await deliveries[0]
    await hec.posted(hec.posts.length + 6)
    expect(recorder.of('resumed')).toEqual([])
    hec.rule = undefined
    await Promise.all(deliveries)
    expect(unique(hec)).toEqual([...names(4), ...names(4, 'f'), 'slow'].toSorted())
  })
})

describe('an outcome that stays unknown', () => {
  test('while everything is refused pauses the sink, too, and repeats no event more than three times', async () => {
    const hec = await startHec()
    hec.rule = (_, response) => html(response, 413)
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 200 })
    const delivered = Promise.all(['a', 'b'].map((prefix) => deliver(batchOf(names(20, prefix)))))
    await recorder.first('paused')
    const refused = hec.posts.length
    hec.rule = (post, response, it) => {
      it.index(post.ids)
      return cut(post, response, it)
    }
    const reason = ({ args }: { args: readonly unknown[] }) => (args[0] as { reason: string }).reason
    await recorder.first('paused', (call) => reason(call) === 'outcome_unknown')
    expect(hec.posts.slice(refused).map(({ ids }) => ids.length)).toEqual(hec.posts.slice(refused).map(() => 1))
    const copies = Math.max(...hec.indexed.map((id) => hec.indexed.filter((one) => one === id).length))
    expect(copies).toBe(3)
    hec.rule = undefined
    await delivered
    expect(new Set([...hec.indexed, ...(await buried())]).size).toBe(40)
    // Each copy is counted as a repetition.
    expect(recorder.sum('resent', 'ambiguous')).toBe(hec.indexed.length - new Set(hec.indexed).size)
  })

  test('pauses the sink after three deliveries, is tried at most every 15 s, and resumes by itself', async () => {
    const hec = await startHec()
    hec.rule = cut
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 20 })
    const delivered = deliver(batchOf(names(10)))
    const { args } = await recorder.first('paused')
    expect(args[0]).toMatchObject({ reason: 'outcome_unknown' })
    expect((args[1] as Fault).message).toContain('unknown whether they arrived')
    // The whole batch three times, and one event to learn whether the size or another event is the reason.
    expect(hec.posts.map(({ ids }) => ids.length)).toEqual([10, 10, 10, 1])
    await hec.posted(7)
    const [last = 0, ...tries] = hec.posts.slice(3).map(({ atMs }) => atMs)
    expect(tries[0]).toBeGreaterThan(last + 14_000 / 20)
    expect(tries[1]).toBeGreaterThan((tries[0] as number) + 14_000 / 20)
    // One event each time, another one: however long it lasts, no event is repeated often.
    const tried = hec.posts.slice(4).flatMap(({ ids }) => ids)
    expect(new Set(tried).size).toBe(tries.length)
    hec.rule = undefined
    await delivered
    expect(unique(hec)).toEqual(names(10))
    await recorder.first('resumed')
  })

  test.each<[string, Reaction]>([
    ['204 without an answer of HEC', (_, response) => response.writeHead(204).end()],
    ['a page with status 200', (_, response) => html(response, 200)],
  ])('%s: after three deliveries one event is tried at a time, and the cause is named', async (_, reaction) => {
    const hec = await startHec()
    hec.rule = (post, response, it) => {
      it.index(post.ids)
      return reaction(post, response, it)
    }
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 100 })
    const delivered = deliver(batchOf(names(50)))
    await hec.posted(12)
    expect(hec.posts.filter(({ ids }) => ids.length > 1).length).toBe(3)
    const copies = names(50).map((id) => hec.indexed.filter((one) => one === id).length)
    expect(Math.max(...copies)).toBeLessThanOrEqual(4)
    expect(recorder.of('delivered')).toEqual([])
    const [fault] = recorder.faults('paused')
    expect(fault?.message).toContain("without Splunk's answer")
    expect(fault?.advice).toContain('in front of Splunk')
    hec.rule = undefined
    await delivered
    expect(recorder.sum('delivered')).toBe(50)
    expect(await buried()).toEqual([])
    await recorder.first('resumed')
  })

  test('a body that has to be cut before it can be sent does not end the pause', async () => {
    const hec = await startHec()
    hec.rule = (post, response) => (post.bytes > 3_000 ? html(response, 413) : undefined)
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 100, gzip: false })
    await deliver(batchOf(names(12), 900))
    hec.rule = cut
    const small = deliver(batchOf(['small']))
    await recorder.first('paused')
    const large = deliver(batchOf(names(12, 'large'), 900))
    await hec.until(() => hec.posts.filter(({ ids }) => ids.includes('large0')).length >= 2)
    expect(recorder.of('resumed')).toEqual([])
    hec.rule = undefined
    await Promise.all([small, large])
    expect(unique(hec)).toEqual([...names(12), ...names(12, 'large'), 'small'].toSorted())
  })

  test('acknowledgements that get lost: three deliveries, then a pause that names the cause, until an ack comes', async () => {
    const hec = await startHec({ ack: true })
    let lost = true
    hec.rule = (post, response, it) => {
      if (!lost) return undefined
      it.index(post.ids)
      return json(response, 200, { text: 'Success', code: 0, ackId: 0 })
    }
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 20, ackTimeoutMs: 20_000 })
    const delivered = Promise.all(names(40).map((id) => deliver(batchOf([id]))))
    const { args } = await recorder.first('paused')
    expect(args[0]).toMatchObject({ reason: 'outcome_unknown' })
    expect((args[1] as Fault).advice).toContain('sticky')
    expect(recorder.of('delivered')).toEqual([])
    const copies = (): number => Math.max(...names(40).map((id) => hec.indexed.filter((one) => one === id).length))
    expect(copies()).toBeLessThanOrEqual(3)
    lost = false
    await delivered
    expect(recorder.of('delivered').reduce((sum, { args: told }) => sum + Number(told[1]), 0)).toBe(40)
    await recorder.first('resumed')
  })
})
