import { describe, expect, test } from 'vitest'
import type { Fault } from '../../../src/core/errors.ts'
import { batchOf, names, sinkTo } from './delivery-double.ts'
import { answer, cut, html, json, startHec } from './hec-double.ts'

describe('a token without acknowledgement', () => {
  test('200 with code 0 is delivery, once', async () => {
    const hec = await startHec()
    const { deliver, recorder } = await sinkTo([hec.url])
    let started = 0
    await deliver(batchOf(names(5)), undefined, () => started++)
    expect(hec.indexed).toEqual(names(5))
    expect(started).toBe(1)
    expect(recorder.sum('delivered')).toBe(5)
    expect(recorder.of('sinkRequest').map(({ args }) => args.slice(1, 3))).toEqual([
      [400, '14'], // the probe
      [200, '0'],
    ])
  })

  test('sends the headers HEC needs, a compressed body, and the token only as a header', async () => {
    const hec = await startHec()
    const { deliver } = await sinkTo([hec.url])
    await deliver(batchOf(names(1)))
    expect(hec.posts[0]?.headers).toMatchObject({
      authorization: 'Splunk s3cret-token',
      'user-agent': 'sls-siem-bridge/test',
      'content-type': 'application/json',
      'content-encoding': 'gzip',
    })
    expect(hec.posts[0]?.channel).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
  })

  test('a base URL may carry a path of its own, or the whole collector path', async () => {
    const hec = await startHec()
    const paths: string[] = []
    hec.outage = (request, response) => {
      paths.push(String(request.url))
      return json(response, 200, { text: 'Success', code: 0 })
    }
    const first = await sinkTo([`${hec.url}/hec/`], { ack: false })
    await first.deliver(batchOf(names(1)))
    const second = await sinkTo([`${hec.url}/services/collector/event`], { ack: false })
    await second.deliver(batchOf(names(1)))
    expect(paths).toEqual(['/hec/services/collector/event', '/services/collector/event'])
  })

  test('an empty batch is settled, and counts as started, without a request', async () => {
    const hec = await startHec()
    const { deliver } = await sinkTo([hec.url])
    let started = 0
    await deliver(batchOf([]), undefined, () => started++)
    expect(started).toBe(1)
    expect(hec.posts).toEqual([])
  })

  test('a body larger than the limit goes out in several, each event once', async () => {
    const hec = await startHec()
    const { deliver } = await sinkTo([hec.url], { maxBytes: 3_000 })
    await deliver(batchOf(names(10), 800))
    expect(hec.posts.length).toBeGreaterThan(3)
    expect(Math.max(...hec.posts.map(({ bytes }) => bytes))).toBeLessThanOrEqual(3_000)
    expect(hec.indexed).toEqual(names(10))
  })
})

describe('answers that are tried again', () => {
  test.each([
    [503, { text: 'Server is busy', code: 9 }],
    [503, { text: 'queues are full', code: 18 }],
    [503, { text: 'ack service unavailable', code: 19 }],
    [503, { text: 'both', code: 20 }],
    [503, { text: 'shutting down', code: 23 }],
    [429, { text: 'queue at capacity', code: 26 }],
    [429, { text: 'ack channel at capacity', code: 27 }],
    [408, 'timeout'],
    [425, 'early'],
    [429, 'slow down'],
    [503, 'unavailable'],
  ])('%i %j is transient: the same events again, indexed once', async (status, body) => {
    const hec = await startHec()
    hec.script.push(answer(status, body), answer(status, body))
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(3)))
    expect(hec.indexed).toEqual(names(3))
    expect(hec.posts).toHaveLength(3)
    expect(recorder.of('deliveryFailed').map(({ args }) => [(args[1] as Fault).kind, args[2]])).toEqual([
      ['transient', 1],
      ['transient', 2],
    ])
    expect(recorder.of('outcomeUnknown')).toEqual([])
    expect(recorder.of('paused')).toEqual([])
  })

  test.each([
    [500, { text: 'Internal server error', code: 8 }],
    [500, '<html>'],
    [502, '<html>'],
    [504, '<html>'],
    [520, '<html>'],
    [524, '<html>'],
  ])('%i %j is ambiguous: repeated and counted apart', async (status, body) => {
    const hec = await startHec()
    hec.script.push(answer(status, body))
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(3)))
    expect(hec.indexed).toEqual(names(3))
    expect(recorder.of('outcomeUnknown')).toHaveLength(1)
    expect(recorder.sum('resent', 'ambiguous')).toBe(3)
  })

  test('a connection cut after the request is ambiguous', async () => {
    const hec = await startHec()
    hec.script.push(cut)
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(3)))
    expect(hec.indexed).toEqual(names(3))
    expect(recorder.faults('outcomeUnknown').map(({ kind }) => kind)).toEqual(['ambiguous'])
  })

  test('no answer within the time limit is ambiguous', async () => {
    const hec = await startHec()
    hec.script.push(() => true)
    const { deliver, recorder } = await sinkTo([hec.url], { timeoutMs: 4_000 })
    await deliver(batchOf(names(2)))
    const message = `${hec.url} did not answer within 4 s`
    expect(recorder.faults('outcomeUnknown')).toMatchObject([{ code: 'timeout', message }])
    expect(hec.indexed).toEqual(names(2))
  })

  test('tells that no answer comes before the request has failed, and while it waits as long as Retry-After asks', async () => {
    const hec = await startHec()
    hec.script.push(() => true, answer(429, 'later', { 'retry-after': '40' }))
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 100, timeoutMs: 40_000 })
    await deliver(batchOf(names(2)))
    const told = recorder.calls
      .filter(({ name }) => name.startsWith('delivery'))
      .map(({ name, args }) => [name, args[1]])
    expect(told.map(([name, fault]) => [name, (fault as Fault).code])).toEqual([
      ['deliveryWaits', 'no_answer_yet'],
      ['deliveryWaits', 'no_answer_yet'],
      ['deliveryFailed', 'timeout'],
      ['deliveryFailed', 'http_429'],
      ['deliveryWaits', 'http_429'],
      ['deliveryWaits', 'http_429'],
    ])
  })

  test('waits as long as Retry-After asks, in seconds or as a date', async () => {
    const hec = await startHec()
    hec.script.push(answer(429, { text: 'later', code: 26 }, { 'retry-after': '6' }))
    const { deliver } = await sinkTo([hec.url])
    await deliver(batchOf(names(1)))
    const [first, second] = hec.posts
    expect(((second?.atMs ?? 0) - (first?.atMs ?? 0)) * 20).toBeGreaterThanOrEqual(5_900)

    const date = new Date(Date.now() + 4_000).toUTCString()
    hec.script.push(answer(503, 'maintenance', { 'retry-after': date }))
    await deliver(batchOf(names(1)))
    const [, , third, fourth] = hec.posts
    expect(((fourth?.atMs ?? 0) - (third?.atMs ?? 0)) * 20).toBeGreaterThanOrEqual(2_500)
  })

  test('back-off doubles from a quarter of a second with the upper half random', async () => {
    const hec = await startHec()
    for (let i = 0; i < 6; i++) hec.script.push(answer(503, { text: 'busy', code: 9 }))
    const { deliver } = await sinkTo([hec.url])
    await deliver(batchOf(names(1)))
    const gaps = hec.posts.slice(1).map((post, i) => (post.atMs - (hec.posts[i]?.atMs ?? 0)) * 20)
    for (const [i, gap] of gaps.entries()) expect(gap).toBeGreaterThanOrEqual(0.5 * 250 * 2 ** i - 25)
  })
})

describe('200 that asks to slow down', () => {
  test.each([24, 25])('code %i is delivery, and fewer requests follow at once', async (code) => {
    const hec = await startHec()
    hec.script.push((post, response) => {
      hec.accept(post)
      return json(response, 200, { text: 'approaching capacity', code })
    })
    const { clock } = hec
    const { deliver, recorder } = await sinkTo([hec.url], { clock, concurrency: 2 })
    await deliver(batchOf(['a']))
    expect(recorder.of('notice')).toHaveLength(1)
    const waiting: Array<() => void> = []
    hec.rule = (post, response) => {
      waiting.push(() => {
        hec.accept(post)
        json(response, 200, { text: 'Success', code: 0 })
      })
      return true
    }
    const deliveries = names(18).map((id) => deliver(batchOf([id])))
    for (let answered = 0; answered < 18; answered++) {
      // Ten plain answers earn the second slot back.
      const slots = answered < 10 ? 1 : 2
      await hec.posted(1 + Math.min(answered + slots, 18))
      await clock.settle()
      expect(waiting.length).toBeLessThanOrEqual(slots)
      waiting.shift()?.()
    }
    await Promise.all(deliveries)
    expect(hec.indexed.toSorted()).toEqual(['a', ...names(18)].toSorted())
  })
})

describe('what is no answer of HEC', () => {
  test('415 turns gzip off for that endpoint and sends the same again', async () => {
    const hec = await startHec()
    hec.rule = (post, response) => (post.headers['content-encoding'] ? html(response, 415) : undefined)
    const { deliver, recorder } = await sinkTo([hec.url])
    await Promise.all([deliver(batchOf(['a'])), deliver(batchOf(['b']))])
    await deliver(batchOf(['c']))
    expect(hec.indexed.toSorted()).toEqual(['a', 'b', 'c'])
    expect(hec.posts.at(-1)?.headers['content-encoding']).toBeUndefined()
    expect(recorder.of('notice')).toHaveLength(1)
    expect(recorder.of('paused')).toEqual([])
  })

  test('the token is in no fault, notice or count', async () => {
    const hec = await startHec()
    hec.script.push(answer(403, { text: 'Invalid token', code: 4 }), cut, answer(503, 'no'))
    const { deliver, recorder } = await sinkTo([hec.url])
    await deliver(batchOf(names(1)))
    const shown = recorder.calls.map(({ args }) =>
      args.map((arg) => String((arg as Error)?.stack ?? JSON.stringify(arg))),
    )
    expect(JSON.stringify(shown)).not.toContain('s3cret')
  })
})
