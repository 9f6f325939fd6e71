import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Fault } from '../../../src/core/errors.ts'
import type { Recorder } from './delivery-double.ts'
import { batchOf, fastClock, names, sinkTo } from './delivery-double.ts'
import type { HecDouble } from './hec-double.ts'
import { html, json, startHec } from './hec-double.ts'

/** Codes of the faults told of an endpoint, in order; `undefined` where it takes requests. */
function told(recorder: Recorder, url: string): Array<string | undefined> {
  const calls = recorder.of('endpoint').filter(({ args }) => args[1] === url)
  return calls.map(({ args }) => (args[2] as Fault | undefined)?.code)
}

const isBack = (url: string) => {
  let changes = 0
  return ({ args }: { args: readonly unknown[] }) => args[1] === url && args[2] === undefined && changes++ > 0
}

type Fails = (hec: HecDouble) => void
const everything =
  (status: number, body: unknown): Fails =>
  (hec) => {
    hec.outage = (_, response) => json(response, status, body)
  }
const mend: Fails = (hec) => {
  hec.outage = undefined
  hec.rule = undefined
}

/** Delivers one event after the other until `hec` has one of them. */
async function deliverUntil(hec: HecDouble, deliver: (id: string) => Promise<void>): Promise<string[]> {
  const sent: string[] = []
  while (hec.indexed.length === 0) {
    const id = `more${sent.length}`
    sent.push(id)
    await deliver(id)
  }
  return sent
}

describe('one bad endpoint of several', () => {
  test.each<[string, string, Fails]>([
    ['a disabled token', '1', everything(403, { text: 'Token disabled', code: 1 })],
    ['an unknown token', '4', everything(403, { text: 'Invalid token', code: 4 })],
    ['a wrong path, or an indexer that restarts', 'http_404', (hec) => (hec.outage = (_, answer) => html(answer, 404))],
    ['a login page', 'http_200', (hec) => (hec.outage = (_, answer) => html(answer, 200))],
    [
      'an index that its token may not write to, which no probe sees',
      '7',
      (hec) => (hec.rule = (_, response) => json(response, 400, { text: 'Incorrect index', code: 7 })),
    ],
  ])('%s pauses itself alone; the others get everything until it is back', async (_, code, fail) => {
    const [good, bad] = [await startHec(), await startHec()]
    fail(bad)
    const { deliver, recorder, buried } = await sinkTo([good.url, bad.url], { speed: 100 })
    for (const id of names(8)) await deliver(batchOf([id]))
    expect(good.indexed).toEqual(names(8))
    expect(told(recorder, bad.url)).toEqual([undefined, code])
    expect(told(recorder, good.url)).toEqual([undefined])
    mend(bad)
    const more = await deliverUntil(bad, (id) => deliver(batchOf([id])))
    expect([...good.indexed, ...bad.indexed].toSorted()).toEqual([...names(8), ...more].toSorted())
    expect(told(recorder, bad.url)).toEqual([undefined, code, undefined])
    expect(recorder.of('paused')).toEqual([])
    expect(recorder.sum('resent')).toBe(0)
    expect(await buried()).toEqual([])
  })

  test('a certificate that only one has wrong', async () => {
    const pem = (name: string): string => readFileSync(join(import.meta.dirname, 'tls', name), 'utf8')
    const server = createServer({ cert: pem('server.pem'), key: pem('server.key') }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const [good, bad] = [await startHec(), `https://127.0.0.1:${(server.address() as AddressInfo).port}`]
    const { deliver, recorder } = await sinkTo([bad, good.url])
    for (const id of names(4)) await deliver(batchOf([id]))
    expect(good.indexed).toEqual(names(4))
    const [, fault] = recorder.of('endpoint').filter(({ args }) => args[1] === bad)
    expect(fault?.args[2]).toMatchObject({ kind: 'configuration', advice: expect.stringContaining('TLS_CA_FILE') })
    expect(recorder.of('paused')).toEqual([])
  })

  test('is tried with one request at a time, less and less often, while it stays bad', async () => {
    const [good, bad] = [await startHec(), await startHec()]
    bad.rule = (_, response) => json(response, 400, { text: 'Incorrect index', code: 7 })
    let now = 0
    const clock = { ...fastClock(50), monotonic: () => now }
    const { deliver } = await sinkTo([good.url, bad.url], { clock })
    const until = performance.now() + 1_200
    let sent = 0
    while (performance.now() < until) {
      now += 10
      await deliver(batchOf([`e${sent++}`]))
    }
    // 60 s of the fast clock, and gaps of 1, 2, 4, 8 and 15 s.
    expect(bad.posts.length).toBeGreaterThan(2)
    expect(bad.posts.length).toBeLessThan(12)
    expect(good.indexed).toHaveLength(sent)
  })

  test('is back without a request when two probes have passed', async () => {
    const [good, bad] = [await startHec(), await startHec()]
    const probed = Promise.withResolvers<void>()
    let asked = 0
    bad.outage = (_, response) => {
      if (++asked > 1) probed.resolve()
      return json(response, 403, { text: 'Token disabled', code: 1 })
    }
    const { deliver, recorder } = await sinkTo([bad.url, good.url], { speed: 100 })
    await deliver(batchOf(names(1)))
    await probed.promise
    mend(bad)
    await recorder.first('endpoint', isBack(bad.url))
    expect(bad.posts).toEqual([])
  })

  test('one that accepts and never acknowledges is named and left alone, until it acknowledges a request', async () => {
    const [good, bad] = [await startHec({ ack: true }), await startHec({ ack: true })]
    bad.acknowledging = false
    const { deliver, recorder } = await sinkTo([good.url, bad.url], { speed: 20, ackTimeoutMs: 15_000 })
    const isNamed = ({ args }: { args: readonly unknown[] }): boolean => args[1] === bad.url && args[2] !== undefined
    const delivered = Promise.all(names(12).map((id) => deliver(batchOf([id]))))
    const { args } = await recorder.first('endpoint', isNamed)
    expect((args[2] as Fault).message).toContain('does not acknowledge')
    await delivered
    // One request at a time finds out whether it is back.
    const before = bad.posts.length
    await Promise.all(names(40, 'f').map((id) => deliver(batchOf([id]))))
    expect(bad.posts.length - before).toBeLessThan(5)
    expect(new Set(good.indexed).size).toBe(52)
    expect(recorder.of('paused')).toEqual([])
    bad.acknowledging = true
    const others = setInterval(() => void deliver(batchOf(['other'])).catch(() => {}), 50)
    onTestFinished(() => clearInterval(others))
    await recorder.first('endpoint', isBack(bad.url))
  })

  test('what it accepted and does not acknowledge any more is sent to the others after the deadline', async () => {
    const [good, bad] = [await startHec({ ack: true }), await startHec({ ack: true })]
    bad.acknowledging = false
    const { deliver, recorder } = await sinkTo([bad.url, good.url], { speed: 100, ackTimeoutMs: 20_000 })
    const first = deliver(batchOf(['first']))
    await bad.posted(1)
    everything(403, { text: 'Token disabled', code: 1 })(bad)
    await deliver(batchOf(['second']))
    await first
    expect(good.indexed.toSorted()).toEqual(['first', 'second'])
    expect(recorder.sum('resent', 'ack_timeout')).toBe(1)
    expect(told(recorder, bad.url)).toEqual([undefined, '1'])
    expect(recorder.of('paused')).toEqual([])
  })
})

describe('two endpoints with different faults', () => {
  test.each([
    ['413', (hec: HecDouble) => (hec.rule = (_, response) => html(response, 413))],
    ['code 6', (hec: HecDouble) => (hec.rule = (_, response) => json(response, 400, { text: 'x', code: 6 }))],
  ] as [string, Fails][])(
    'one refuses everything (%s), the other fails for one event: no other event is given up',
    async (_, fail) => {
      const [good, bad] = [await startHec(), await startHec()]
      fail(bad)
      good.rule = (post, response) => (post.ids.includes('poison') ? html(response, 500) : undefined)
      const { deliver, recorder, buried } = await sinkTo([bad.url, good.url], { speed: 50 })
      const batches = [...Array(20).keys()].map((i) => names(10, `b${i}-`))
      batches[7]?.push('poison')
      void Promise.all(batches.map((ids) => deliver(batchOf(ids)))).catch(() => {})
      await good.until(() => new Set(good.indexed).size === 200)
      await recorder.first(
        'endpoint',
        ({ args }) => args[1] === bad.url && (args[2] as Fault | undefined)?.code === 'everything_refused',
      )
      expect(await buried()).toEqual([])
    },
  )

  test('one is down, the other refuses one event and takes others: it is given up', async () => {
    const [good, gone] = [await startHec(), await startHec()]
    await gone.close()
    good.rule = (post, response) => {
      const at = post.ids.indexOf('poison')
      return at < 0 ? undefined : json(response, 400, { text: 'x', code: 15, 'invalid-event-number': at })
    }
    const { deliver, buried } = await sinkTo([gone.url, good.url], { speed: 50 })
    const others = setInterval(() => void deliver(batchOf(['other'])).catch(() => {}), 50)
    onTestFinished(() => clearInterval(others))
    await deliver(batchOf(['poison', 'a', 'b']))
    expect(await buried()).toEqual(['poison'])
    expect(good.indexed).toEqual(expect.arrayContaining(['a', 'b']))
  })
})

describe('all endpoints bad', () => {
  test('pause the sink with the reason; the first that is good again gets everything', async () => {
    const [one, other] = [await startHec(), await startHec()]
    everything(403, { text: 'Token disabled', code: 1 })(one)
    everything(403, { text: 'Invalid token', code: 4 })(other)
    const { deliver, recorder } = await sinkTo([one.url, other.url], { speed: 100 })
    const deliveries = names(6).map((id) => deliver(batchOf([id])))
    await recorder.first('paused')
    expect(recorder.of('paused')[0]?.args[0]).toMatchObject({ reason: 'hec_configuration' })
    mend(other)
    await Promise.all(deliveries)
    expect(other.indexed.toSorted()).toEqual(names(6))
    expect(recorder.of('resumed')).toHaveLength(1)
    expect(told(recorder, one.url)).toEqual([undefined, '1'])
    expect(told(recorder, other.url)).toEqual([undefined, '4', undefined])
  })

  test('do not lose the pause to a probe that passes while requests are still refused', async () => {
    const [one, other] = [await startHec(), await startHec()]
    for (const hec of [one, other]) {
      hec.rule = (_, response) => json(response, 400, { text: 'Incorrect index', code: 7 })
    }
    const { deliver, recorder } = await sinkTo([one.url, other.url], { speed: 100 })
    const deliveries = names(3).map((id) => deliver(batchOf([id])))
    await recorder.first('paused')
    await Promise.all([one.posted(4), other.posted(4)])
    expect(recorder.of('resumed')).toEqual([])
    mend(one)
    await Promise.all(deliveries)
    expect(one.indexed.toSorted()).toEqual(names(3))
  })
})
