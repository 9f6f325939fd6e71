import { describe, expect, test } from 'vitest'
import type { Reply } from './scripted-server.ts'
import { connected } from './scripted-server.ts'

/** The most that are under way at a time, whatever the number of shards. */
const AT_ONCE = 64
const SHARDS = 200
const HEADERS = { 'x-log-cursor': 'bmV4dA==', 'x-log-count': '0', 'x-log-bodyrawsize': '0' }

describe('pulls of very many shards', () => {
  test('are made a few dozen at a time, and all of them come to their end', async () => {
    const waiting: Array<() => void> = []
    let [underWay, most] = [0, 0]
    const enough = Promise.withResolvers<void>()
    const reply: Reply = (response) => {
      most = Math.max(most, ++underWay)
      waiting.push(() => {
        underWay--
        response.writeHead(200, HEADERS).end()
      })
      if (waiting.length >= AT_ONCE) enough.resolve()
    }
    const { client } = await connected(reply)
    const pulls = Array.from({ length: SHARDS }, (_, shard) => client.pull(shard, 'x', { count: 1 }))
    await enough.promise
    const answering = setInterval(() => waiting.shift()?.(), 1)
    await Promise.all(pulls)
    clearInterval(answering)
    expect(most).toBeLessThanOrEqual(AT_ONCE)
  })

  test('end at once when they are given up, also those that still wait their turn', async () => {
    const asked = Promise.withResolvers<void>()
    let requests = 0
    const { client } = await connected(() => {
      if (++requests === AT_ONCE) asked.resolve()
    })
    const given = new AbortController()
    const pulls = Array.from({ length: SHARDS }, (_, shard) =>
      client.pull(shard, 'x', { count: 1, signal: given.signal }),
    )
    await asked.promise
    given.abort(new Error('given up'))
    const ended = await Promise.allSettled(pulls)
    expect(new Set(ended.map((end) => end.status === 'rejected' && end.reason.message))).toEqual(new Set(['given up']))
    expect(requests).toBe(AT_ONCE)
  })
})
