import { describe, expect, test } from 'vitest'
import { batchOf, names, sinkTo } from './delivery-double.ts'
import type { HecDouble, Reaction } from './hec-double.ts'
import { html, json, startHec } from './hec-double.ts'

const ofHec =
  (code: number): Reaction =>
  (_, response) =>
    json(response, 400, { text: `refused ${code}`, code, 'invalid-event-number': 0 })
const page =
  (status: number): Reaction =>
  (_, response) =>
    html(response, status)

/** A coin that falls the same in each run. `share` of its falls are true. */
function coin(share: number): () => boolean {
  let seed = 7
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
    return seed / 0x7fffffff < share
  }
}

const lost = (hec: HecDouble, wanted: readonly string[], buried: readonly string[]): string[] =>
  wanted.filter((id) => !hec.indexed.includes(id) && !buried.includes(id))

describe('one address in front of two nodes, of which one refuses everything', () => {
  test.each<[string, Reaction, boolean]>([
    ['413', page(413), true],
    ['code 6', ofHec(6), true],
    ['code 12', ofHec(12), true],
    ['a 400 page', page(400), false],
  ])('%s to half of the requests: no event is given up that the other takes', async (_, refuse, isToldOf) => {
    const hec = await startHec()
    const isBad = coin(0.5)
    hec.rule = (post, response, it) => (isBad() ? refuse(post, response, it) : undefined)
    const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
    const batches = Array.from({ length: 8 }, (__, i) => names(12, `b${i}-`))
    await Promise.all(batches.map((ids) => deliver(batchOf(ids))))
    expect((await buried()).length).toBeLessThanOrEqual(1)
    expect(lost(hec, batches.flat(), await buried())).toEqual([])
    const told = recorder.of('notice').map(({ args }) => String(args[1]))
    expect(told.filter((text) => text.includes('bad node')).length).toBe(isToldOf ? 1 : 0)
    // Neither the size of a body nor its form was the reason.
    hec.rule = undefined
    await deliver(batchOf(names(12, 'last')))
    expect(hec.posts.at(-1)).toMatchObject({ ids: names(12, 'last'), headers: { 'content-encoding': 'gzip' } })
  })

  test('the balancer chooses by connection: a refused event is tried again on another one', async () => {
    const hec = await startHec()
    const connections: unknown[] = []
    hec.rule = (post, response, it) => {
      if (!connections.includes(response.socket)) connections.push(response.socket)
      return connections.indexOf(response.socket) % 2 === 0 ? ofHec(6)(post, response, it) : undefined
    }
    const { deliver, buried } = await sinkTo([hec.url], { concurrency: 1 })
    await deliver(batchOf(names(20)))
    expect(await buried()).toEqual([])
    expect(new Set(hec.indexed).size).toBe(20)
  })

  test('an event that both refuse is given up all the same, and its neighbours arrive', async () => {
    const hec = await startHec()
    const isBad = coin(0.5)
    hec.rule = (post, response, it) => {
      const at = post.ids.indexOf('e7')
      if (isBad()) return page(413)(post, response, it)
      if (at < 0) return undefined
      it.index(post.ids.slice(0, at))
      return json(response, 400, { text: 'bad', code: 15, 'invalid-event-number': at })
    }
    const { deliver, buried } = await sinkTo([hec.url], { speed: 50 })
    await deliver(batchOf(names(20)))
    expect(await buried()).toEqual(['e7'])
    expect(new Set(hec.indexed).size).toBe(19)
  })
})

test('a gateway that resets each connection at its second request: no event is suspected, and nothing is held', async () => {
  const hec = await startHec()
  const served = new WeakSet<object>()
  hec.rule = (_, { socket }) => {
    if (!socket || served.has(socket)) return socket?.resetAndDestroy() ?? true
    served.add(socket)
    return undefined
  }
  const { deliver, recorder, buried } = await sinkTo([hec.url], { speed: 50 })
  const batches = Array.from({ length: 200 }, (_, i) => names(4, `b${i}-`))
  await Promise.all(batches.map((ids) => deliver(batchOf(ids))))
  expect(hec.indexed.toSorted()).toEqual(batches.flat().toSorted())
  expect(await buried()).toEqual([])
  expect(recorder.of('paused')).toEqual([])
  // Each batch once, and once more where its connection was at its end.
  expect(hec.posts.length).toBeLessThanOrEqual(2 * batches.length)
})
