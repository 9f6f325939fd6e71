import { describe, expect, test } from 'vitest'
import type { Bench } from './delivery-double.ts'
import { ACK_POLL_MS, batchOf, names, sinkTo } from './delivery-double.ts'
import type { AckQuery, HecDouble } from './hec-double.ts'
import { answer, cut, html, json, refuse, startHec, takeAndCut } from './hec-double.ts'

/** More rounds of asking than it takes to act on an answer. */
const A_FEW_QUERIES = 3

/** Whether a delivery has settled by now. */
function watched(delivery: Promise<unknown>): { settled: boolean } {
  const watch = { settled: false }
  const settle = (): void => {
    watch.settled = true
  }
  delivery.then(settle, settle)
  return watch
}

describe('a token with acknowledgement', () => {
  test('200 is not delivery, the ack is', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
    const delivery = deliver(batchOf(names(4)))
    const watch = watched(delivery)
    await hec.queried(A_FEW_QUERIES)
    expect(watch.settled).toBe(false)
    expect(hec.indexed).toEqual(names(4))
    expect(recorder.sum('delivered')).toBe(0)
    hec.acknowledge()
    await delivery
    expect(recorder.sum('delivered')).toBe(4)
    expect(recorder.of('acknowledged')).toHaveLength(1)
    expect(hec.posts).toHaveLength(1)
  })

  test('a delivery that waits for acks holds no slot', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { deliver } = await sinkTo([hec.url], { concurrency: 1, speed: 50 })
    const deliveries = names(5).map((id) => deliver(batchOf([id])))
    await hec.posted(5)
    hec.acknowledge()
    await Promise.all(deliveries)
  })

  test('few requests get a channel each, many share one; an id is asked about on the channel that gave it', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { deliver } = await sinkTo([hec.url], { speed: 50 })
    const deliveries = names(24).map((id) => deliver(batchOf([id])))
    await hec.posted(24)
    const uses = Map.groupBy(hec.posts, ({ channel }) => channel)
    expect([...uses.values()].map((posts) => posts.length).toSorted((a, b) => a - b)).toEqual([...Array(16).fill(1), 8])
    hec.acknowledge()
    await Promise.all(deliveries)
    for (const { channel, ids } of hec.queries) {
      expect(Math.max(...ids)).toBeLessThan(uses.get(channel)?.length ?? 0)
    }
  })

  test('the number of unacknowledged requests is bounded', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { clock } = hec
    const { deliver } = await sinkTo([hec.url], { clock, concurrency: 20 })
    const deliveries = names(530).map((id) => deliver(batchOf([id])))
    const watch = watched(Promise.race(deliveries))
    await hec.posted(512)
    await clock.advance(A_FEW_QUERIES * ACK_POLL_MS)
    expect(watch.settled).toBe(false)
    expect(hec.posts).toHaveLength(512)
    hec.acknowledging = true
    hec.acknowledge()
    await clock.advance(A_FEW_QUERIES * ACK_POLL_MS)
    await Promise.all(deliveries)
    expect(hec.indexed).toHaveLength(530)
  })

  test('a balancer’s cookies are kept per channel and come back with its polls', async () => {
    const hec = await startHec({ ack: true })
    hec.rule = (post, response) => {
      const ackId = hec.accept(post)
      const cookies = [`node=${post.ids[0]}; Path=/`, 'AWSALB=x; Secure']
      response.writeHead(200, { 'set-cookie': cookies }).end(JSON.stringify({ text: 'Success', code: 0, ackId }))
      return true
    }
    const { deliver } = await sinkTo([hec.url], { speed: 50 })
    await Promise.all([deliver(batchOf(['a'])), deliver(batchOf(['b']))])
    for (const post of hec.posts) {
      const cookies = hec.queries.filter(({ channel }) => channel === post.channel).map(({ cookie }) => cookie)
      expect(new Set(cookies)).toEqual(new Set([`node=${post.ids[0]}; AWSALB=x`]))
    }
  })
})

describe('an answer that got lost', () => {
  test.each([0, 1])(
    'is asked for on the request’s own channel, whose first id is %i: it had arrived, so nothing is sent twice',
    async (first) => {
      const hec = await startHec({ ack: true })
      hec.firstAckId = first
      hec.script.push(takeAndCut)
      const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
      await deliver(batchOf(names(4)))
      expect(hec.indexed).toEqual(names(4))
      expect(hec.posts).toHaveLength(1)
      expect(recorder.of('outcomeUnknown')).toHaveLength(1)
      expect(recorder.sum('resent')).toBe(0)
      expect(recorder.sum('delivered')).toBe(4)
    },
  )

  test.each([
    ['500 code 8', answer(500, { text: 'Internal server error', code: 8 })],
    ['a gateway', answer(502, 'bad gateway')],
  ])('so is %s', async (_, reaction) => {
    const hec = await startHec({ ack: true })
    hec.script.push((post, response, double) => {
      double.accept(post)
      return reaction(post, response, double)
    })
    const { deliver } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(4)))
    expect(hec.indexed).toEqual(names(4))
    expect(hec.posts).toHaveLength(1)
  })

  test('a request that did not arrive is sent again after half a minute of asking, on another channel of its own', async () => {
    const hec = await startHec({ ack: true })
    hec.script.push(cut, cut)
    const speed = 200
    const { deliver, recorder } = await sinkTo([hec.url], { speed })
    await deliver(batchOf(names(4)))
    expect(hec.indexed).toEqual(names(4))
    expect(new Set(hec.posts.map(({ channel }) => channel)).size).toBe(3)
    const [first, second] = hec.posts
    expect(((second?.atMs ?? 0) - (first?.atMs ?? 0)) * speed).toBeGreaterThanOrEqual(29_000)
    expect(recorder.sum('resent', 'ambiguous')).toBe(8)
    const asked = hec.queries.filter(({ channel }) => channel === first?.channel)
    expect(asked.length).toBeGreaterThan(5)
  })

  test('a request that did not arrive is sent again sooner where acks come fast', async () => {
    const hec = await startHec({ ack: true })
    const speed = 50
    const { deliver } = await sinkTo([hec.url], { speed })
    await deliver(batchOf(names(1, 'before')))
    hec.script.push(cut)
    await deliver(batchOf(names(4)))
    expect(hec.indexed).toEqual([...names(1, 'before'), ...names(4)])
    const [, first, second] = hec.posts
    const waited = ((second?.atMs ?? 0) - (first?.atMs ?? 0)) * speed
    expect(waited).toBeGreaterThanOrEqual(2 * ACK_POLL_MS)
    expect(waited).toBeLessThan(20_000)
  })

  test('one event whose requests are cut, among others: its neighbours arrive within a minute', async () => {
    const hec = await startHec({ ack: true })
    hec.rule = (post, response, it) => (post.ids.includes('e77') ? cut(post, response, it) : undefined)
    const speed = 20
    const { deliver } = await sinkTo([hec.url], { speed })
    const before = performance.now()
    const delivered = deliver(batchOf(names(500)))
    await deliver(batchOf(names(1, 'other')))
    await hec.until(() => new Set(hec.indexed).size === 500, 20_000)
    expect((performance.now() - before) * speed).toBeLessThan(60_000)
    hec.rule = undefined
    await delivered
    expect(new Set(hec.indexed).size).toBe(501)
  })

  test('a lost answer to a poll: the ack was told once, so the request is repeated at the deadline', async () => {
    const hec = await startHec({ ack: true })
    hec.ackScript.push((query, response) => {
      hec.tell(query)
      response.socket?.destroy()
      return true
    })
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 100, ackTimeoutMs: 20_000 })
    await deliver(batchOf(names(3)))
    expect(recorder.sum('resent', 'ack_timeout')).toBe(3)
    expect(recorder.sum('delivered')).toBe(3)
    expect(hec.indexed).toEqual([...names(3), ...names(3)])
  })
})

describe('acknowledgement that is turned off on the token', () => {
  test('is noticed without a pause, and unacknowledged events are sent once more', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50, ack: 'auto' })
    const delivery = deliver(batchOf(names(3)))
    await hec.posted(1)
    hec.ack = false
    await delivery
    expect(hec.posts).toHaveLength(2)
    expect(recorder.sum('delivered')).toBe(3)
    expect(recorder.of('paused')).toEqual([])
  })
})

describe('an invalid answer to an ack query', () => {
  test.each<[string, (response: Parameters<typeof json>[0], query: AckQuery) => unknown, boolean]>([
    ['400 code 14', (response) => json(response, 400, { text: 'ACK is disabled', code: 14 }), true],
    ['403 code 4', (response) => json(response, 403, { text: 'Invalid token', code: 4 }), true],
    ['400 code 10', (response) => json(response, 400, { text: 'Data channel is missing', code: 10 }), true],
    ['404', (response) => html(response, 404), true],
    ['a 400 that claims acks', (response, { ids }) => json(response, 400, { acks: { [`${ids[0]}`]: true } }), true],
    ['503', (response) => json(response, 503, { text: 'busy', code: 9 }), false],
    ['500', (response) => html(response, 500), false],
    ['a login page', (response) => html(response, 200), false],
    ['Success', (response) => json(response, 200, { text: 'Success', code: 0 }), false],
    ['acks of another kind', (response) => json(response, 200, { acks: [0, true] }), false],
    ['"true" as text', (response, { ids }) => json(response, 200, { acks: { [`${ids[0]}`]: 'true' } }), false],
    ['ids never asked', (response) => json(response, 200, { acks: { 77: true } }), false],
  ])('%s never counts as delivery', async (name, react, pauses) => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    hec.ackScript.push((query, response) => react(response, query))
    // With `auto`, code 14 means that the token was changed: see above.
    const ack = name === '400 code 14' ? true : 'auto'
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50, ack })
    const delivery = deliver(batchOf(names(2)))
    await hec.queried(2)
    expect(recorder.sum('delivered')).toBe(0)
    if (pauses) await recorder.first('resumed')
    expect(recorder.of('paused')).toHaveLength(pauses ? 1 : 0)
    hec.acknowledge()
    await delivery
    expect(hec.posts).toHaveLength(1)
    expect(recorder.sum('delivered')).toBe(2)
  })
})

/** So many requests get a channel of their own; further ones share. */
const OWN_CHANNELS = 16

/** Requests that hold every channel of its own. */
async function crowd({ deliver }: Bench, hec: HecDouble): Promise<Promise<void>[]> {
  const before = hec.posts.length
  const deliveries = names(OWN_CHANNELS, `crowd ${before} `).map((id) => deliver(batchOf([id])))
  // Those that a restart loses are still under way when their test ends.
  for (const delivery of deliveries) delivery.catch(() => {})
  await hec.posted(before + OWN_CHANNELS)
  return deliveries
}

describe('a restarted server', () => {
  test('shows in an id that is not higher: events that wait on the channel are sent again at once', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const bench = await sinkTo([hec.url], { speed: 50 })
    const others = await crowd(bench, hec)
    const old = [bench.deliver(batchOf(['x0'])), bench.deliver(batchOf(['x1']))]
    await hec.posted(18)
    hec.acknowledge()
    await Promise.all(others)
    const lost = [...(await crowd(bench, hec)), bench.deliver(batchOf(['y0']))]
    await hec.posted(35)
    await Promise.all(old)
    hec.restart()
    expect(hec.indexed).not.toContain('y0')
    hec.acknowledging = true
    const next = bench.deliver(batchOf(['z0']))
    await next
    await lost.at(-1)
    // Also the one that revealed it: nothing tells a restart from a second server.
    expect(bench.recorder.sum('resent', 'ack_lost')).toBe(2)
    expect(hec.indexed.filter((id) => id === 'y0')).toHaveLength(1)
  })

  test('or a second server behind a balancer: the ack of one settles no request that the other took', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const bench = await sinkTo([hec.url], { speed: 50 })
    const deliveries = [...(await crowd(bench, hec)), bench.deliver(batchOf(['here']))]
    await bench.recorder.times(17, 'sinkRequest', ({ args }) => args[2] === '0')
    // The other server gives the same id, and is gone with the event.
    hec.script.push((_, response) => json(response, 200, { text: 'Success', code: 0, ackId: 0 }))
    deliveries.push(bench.deliver(batchOf(['there'])))
    await hec.posted(18)
    expect(hec.posts[17]?.channel).toBe(hec.posts[16]?.channel)
    hec.acknowledge()
    hec.acknowledging = true
    await Promise.all(deliveries)
    expect(hec.indexed).toContain('there')
  })

  test.each([
    ['is answered late', false, 0],
    ['is never answered', true, 0],
    ['is answered late (ids count from 1)', false, 1],
    ['is never answered (ids count from 1)', true, 1],
  ])('may give an id again: an old request is not settled by the ack of a new one that %s', async (_, never, first) => {
    const hec = await startHec({ ack: true })
    hec.firstAckId = first
    hec.acknowledging = false
    const { clock } = hec
    const ackTimeoutMs = 20_000
    const bench = await sinkTo([hec.url], { clock, ackTimeoutMs })
    const deliveries = await crowd(bench, hec)
    const old = bench.deliver(batchOf(['old']))
    const watch = watched(old)
    await hec.posted(17)
    const shared = hec.posts[16]?.channel
    await clock.advance(ACK_POLL_MS)
    expect(hec.queries.map(({ channel }) => channel)).toContain(shared)

    hec.restart() // `old` is gone, and the sink does not know
    expect(hec.indexed).not.toContain('old')
    hec.acknowledging = true
    let release = (): void => {}
    hec.script.push((post, response, double) => {
      const ackId = double.accept(post) // the same id on the same channel, and acknowledged
      release = () => {
        if (never) response.socket?.destroy()
        else json(response, 200, { text: 'Success', code: 0, ackId })
      }
      return true
    })
    const fresh = bench.deliver(batchOf(['new']))
    await hec.posted(18)
    expect(hec.posts[17]?.channel).toBe(shared)
    await clock.advance(A_FEW_QUERIES * ACK_POLL_MS)
    expect(watch.settled).toBe(false)
    release()
    // By then every request that the restart lost has run out of time, been sent again and been acknowledged.
    await clock.advance(ackTimeoutMs + A_FEW_QUERIES * ACK_POLL_MS)
    await Promise.all([...deliveries, old, fresh])
    expect(hec.indexed).toContain('old')
    expect(hec.indexed).toContain('new')
    expect(bench.recorder.sum('resent', 'ack_lost')).toBeGreaterThanOrEqual(1)
  })
})

describe('a shared channel', () => {
  /** Takes the next post and holds its answer back. */
  function hold(hec: HecDouble): { answer: () => void } {
    const held = { answer: (): void => {} }
    hec.script.push((post, response, double) => {
      const ackId = double.accept(post)
      held.answer = () => void json(response, 200, { text: 'Success', code: 0, ackId })
      return true
    })
    return held
  }

  test('answers in another order than their ids do not look like a restart: nothing is sent again', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const bench = await sinkTo([hec.url], { speed: 50 })
    const deliveries = await crowd(bench, hec)
    const first = hold(hec)
    deliveries.push(bench.deliver(batchOf(['first'])))
    await hec.posted(17)
    const second = hold(hec)
    deliveries.push(bench.deliver(batchOf(['second'])))
    await hec.posted(18)
    expect(hec.posts[17]?.channel).toBe(hec.posts[16]?.channel)
    second.answer()
    const answered = (count: number) => bench.recorder.times(count, 'sinkRequest', ({ args }) => args[2] === '0')
    await answered(OWN_CHANNELS + 1)
    first.answer()
    await answered(OWN_CHANNELS + 2)
    hec.acknowledge()
    await Promise.all(deliveries)
    expect(hec.posts).toHaveLength(18)
    expect(bench.recorder.sum('resent')).toBe(0)
  })

  test('an ack that was told, and waits only for another answer, does not run out of time', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { clock } = hec
    const ackTimeoutMs = 10_000
    const bench = await sinkTo([hec.url], { clock, ackTimeoutMs })
    const others = await crowd(bench, hec)
    const slow = hold(hec)
    others.push(bench.deliver(batchOf(['slow'])))
    await hec.posted(17)
    others.push(bench.deliver(batchOf(['told'])))
    await hec.posted(18)
    hec.acknowledge()
    // Keeps the channel being asked about, and its deadlines looked at, meanwhile.
    others.push(bench.deliver(batchOf(['other'])))
    await hec.posted(19)
    await clock.advance(1.5 * ackTimeoutMs)
    slow.answer()
    hec.acknowledging = true
    hec.acknowledge()
    await clock.advance(A_FEW_QUERIES * ACK_POLL_MS)
    await Promise.all(others)
    expect(hec.posts.filter(({ ids }) => ids[0] === 'told')).toHaveLength(1)
  })

  test('is left after an unanswered request, so later requests are not in doubt and not sent again', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const bench = await sinkTo([hec.url], { speed: 50 })
    const deliveries = await crowd(bench, hec)
    hec.script.push((_, response) => html(response, 502))
    deliveries.push(bench.deliver(batchOf(['unanswered'])))
    await hec.posted(18)
    deliveries.push(bench.deliver(batchOf(['next'])))
    await hec.posted(19)
    expect(hec.posts[18]?.channel).not.toBe(hec.posts[16]?.channel)
    hec.acknowledge()
    await Promise.all(deliveries)
    expect(hec.posts.filter(({ ids }) => ids[0] === 'next')).toHaveLength(1)
    expect(bench.recorder.sum('resent', 'ack_lost')).toBe(0)
  })

  test('a request without an answer is repeated on a channel of its own, however many are in use', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const bench = await sinkTo([hec.url], { speed: 50 })
    const deliveries = await crowd(bench, hec)
    hec.script.push(cut, takeAndCut)
    deliveries.push(bench.deliver(batchOf(['x'])))
    await hec.posted(18)
    hec.acknowledge()
    await Promise.all(deliveries)
    // The second answer was lost as well, but could be asked for.
    expect(hec.indexed.filter((id) => id === 'x')).toHaveLength(1)
    expect(hec.posts).toHaveLength(18)
  })
})

describe('whether a token acknowledges', () => {
  test('is asked once per endpoint, before the first delivery', async () => {
    const hec = await startHec({ ack: true })
    const { deliver } = await sinkTo([hec.url], { speed: 50 })
    await Promise.all([deliver(batchOf(['a'])), deliver(batchOf(['b']))])
    expect(hec.probes).toHaveLength(1)
    expect(hec.probes[0]?.path).toBe('/services/collector/ack')
  })

  test('is asked again and again until a server answers', async () => {
    const hec = await startHec({ ack: true })
    let asked = 0
    hec.outage = (_, response) => {
      if (++asked === 3) hec.outage = undefined
      return json(response, 503, { text: 'busy', code: 9 })
    }
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(['a']))
    expect(asked).toBe(3)
    expect(recorder.faults('deliveryFailed').map(({ kind }) => kind)).toEqual(['transient', 'transient', 'transient'])
    expect(recorder.of('outcomeUnknown')).toEqual([])
  })

  test.each<[string, (response: Parameters<typeof json>[0]) => unknown]>([
    ['404', (response) => html(response, 404)],
    ['405', (response) => html(response, 405)],
    // The OpenTelemetry Collector without its ack extension takes events on every path.
    ['an event without an event', (response) => json(response, 400, { text: 'Event field is required', code: 12 })],
    ['an event of unknown keys', (response) => json(response, 400, { text: 'No data', code: 5 })],
    ['no event', (response) => json(response, 400, { text: 'Invalid data format', code: 6 })],
  ])('where there is no /ack (%s), an empty post tells that the token is good', async (_, noAck) => {
    const hec = await startHec()
    let empty = 0
    hec.outage = (request, response) => {
      if (request.url?.endsWith('/ack')) return noAck(response)
      empty++
      hec.outage = undefined
      return json(response, 400, { text: 'No data', code: 5 })
    }
    const { deliver } = await sinkTo([hec.url])
    await deliver(batchOf(['a']))
    expect(empty).toBe(1)
    expect(hec.indexed).toEqual(['a'])
  })

  test('an unexpected ack id is awaited', async () => {
    const hec = await startHec()
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(['a']))
    hec.ack = true // an administrator turns it on
    hec.acknowledging = false
    const delivery = deliver(batchOf(['b']))
    const watch = watched(delivery)
    await hec.queried(A_FEW_QUERIES)
    expect(watch.settled).toBe(false)
    hec.acknowledge()
    await delivery
    expect(recorder.sum('delivered')).toBe(2)
    expect(hec.indexed).toEqual(['a', 'b'])
  })

  test('no ack id where one was expected: delivered if the token says that it has none', async () => {
    const hec = await startHec({ ack: true })
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(['a']))
    hec.ack = false // an administrator turns it off
    await deliver(batchOf(['b']))
    expect(hec.indexed).toEqual(['a', 'b'])
    expect(recorder.of('outcomeUnknown')).toEqual([])
  })

  test('no ack id where one was expected, and the token says it has them: not delivered, asked about and repeated', async () => {
    const hec = await startHec({ ack: true })
    hec.script.push((_, response) => json(response, 200, { text: 'Success', code: 0 }))
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 200 })
    await deliver(batchOf(['a']))
    expect(hec.indexed).toEqual(['a'])
    expect(hec.posts).toHaveLength(2)
    expect(recorder.faults('outcomeUnknown').map(({ code }) => code)).toEqual(['no_ack_id'])
  })

  test('wanted, but off on the token: paused with advice, and nothing is sent', async () => {
    const hec = await startHec()
    const { deliver, recorder } = await sinkTo([hec.url], { ack: true, speed: 50 })
    const delivery = deliver(batchOf(['a']))
    await recorder.first('paused')
    expect(recorder.faults('paused')[0]).toMatchObject({ kind: 'configuration', code: 'ack_off' })
    expect(recorder.faults('paused')[0]?.advice).toContain('SPLUNK_HEC_ACK')
    expect(hec.posts).toEqual([])
    hec.ack = true
    await delivery
    expect(hec.indexed).toEqual(['a'])
  })

  test('not wanted, but on: 200 is delivery, and one notice says so', async () => {
    const hec = await startHec({ ack: true })
    hec.acknowledging = false
    const { deliver, recorder } = await sinkTo([hec.url], { ack: false })
    await deliver(batchOf(['a']))
    await deliver(batchOf(['b']))
    expect(hec.queries).toEqual([])
    expect(recorder.of('notice')).toHaveLength(1)
  })

  test.each([[404], [403]])('not wanted, and /ack is answered with %i: a pause ends all the same', async (status) => {
    const hec = await startHec({ ack: true })
    hec.ackOutage = (response) => html(response, status)
    const { deliver, recorder } = await sinkTo([hec.url], { ack: false, speed: 50 })
    await deliver(batchOf(['a']))
    hec.script.push((_, response) => json(response, 403, { text: 'Token disabled', code: 1 }))
    await deliver(batchOf(['b']))
    expect(recorder.of('resumed')).toHaveLength(1)
    expect(recorder.faults('paused')).toHaveLength(1)
    expect(hec.indexed).toEqual(['a', 'b'])
  })
})

describe('a refusal of a token with acknowledgement', () => {
  test('accepted events before the refused one have no ack, so all but the refused event are sent again', async () => {
    const hec = await startHec({ ack: true })
    hec.script.push(refuse(400, 12, 3, 3))
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(6)))
    expect(await buried()).toEqual(['e3'])
    const [, ...repeated] = hec.posts
    expect(repeated.flatMap(({ ids }) => ids).toSorted()).toEqual(['e0', 'e1', 'e2', 'e4', 'e5'])
    expect(recorder.sum('resent', 'partial_unacked')).toBe(3)
    expect(recorder.sum('delivered')).toBe(5)
  })

  test('accepted events before the refused one that got an ack id are awaited instead', async () => {
    const hec = await startHec({ ack: true })
    hec.script.push((post, response, double) => {
      const ackId = double.accept({ ...post, ids: post.ids.slice(0, 3) })
      return json(response, 400, { text: 'Event field is required', code: 12, 'invalid-event-number': 3, ackId })
    })
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(6)))
    expect(await buried()).toEqual(['e3'])
    expect(hec.indexed).toEqual(['e0', 'e1', 'e2', 'e4', 'e5'])
    expect(recorder.sum('resent')).toBe(0)
    expect(recorder.sum('delivered')).toBe(5)
  })

  test('busy in the middle: the whole request is sent again', async () => {
    const hec = await startHec({ ack: true })
    hec.script.push(refuse(503, 9, 4, 4))
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(6)))
    expect(hec.posts.map(({ ids }) => ids.length)).toEqual([6, 6])
    expect(recorder.sum('resent', 'partial_unacked')).toBe(6)
  })
})
