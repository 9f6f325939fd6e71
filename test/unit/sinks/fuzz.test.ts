import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { batchOf, lettersIn, sinkTo } from './delivery-double.ts'
import type { AckQuery, HecDouble, Reaction } from './hec-double.ts'
import { answer, cut, html, json, startHec, takeAndCut } from './hec-double.ts'

/** A request that times out leaves a doubt. None does, however busy the machine. */
const NO_TIMEOUT_MS = 60_000_000
const BOX_MS = Number(process.env['FUZZ_MS'] ?? 1_500)

/** mulberry32: a seed that fails can be run again. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const isBad = (id: string): boolean => id.startsWith('bad')

/** Faults after which a duplicate cannot be avoided are told apart from those after which there must be none. */
interface Chaos {
  readonly reaction: Reaction
  doubts: number
}

function chaos(random: () => number, ack: boolean): Chaos {
  const state = { doubts: 0 }
  const doubt = (reaction: Reaction): Reaction => {
    return (post, response, hec) => {
      state.doubts++
      return reaction(post, response, hec)
    }
  }
  const faults: Reaction[] = [
    answer(503, { text: 'busy', code: 9 }),
    answer(429, 'slow down'),
    answer(503, { text: 'shutting down', code: 23 }),
    answer(403, { text: 'Token disabled', code: 1 }),
    (_, response) => html(response, 200),
    (post, response) => (post.ids.length > 1 ? html(response, 413) : html(response, 503)),
    (post, response, hec) => {
      if (ack) state.doubts++
      const taken = Math.floor(random() * post.ids.length)
      const firstBad = post.ids.findIndex(isBad)
      const count = firstBad < 0 ? taken : Math.min(taken, firstBad)
      hec.index(post.ids.slice(0, count))
      return json(response, 503, { text: 'busy', code: 9, 'invalid-event-number': count })
    },
    (post, response, hec) => {
      const firstBad = post.ids.findIndex(isBad)
      const count = firstBad < 0 ? post.ids.length - 1 : firstBad
      if (ack && count > 0) state.doubts++
      hec.index(post.ids.slice(0, count))
      return json(response, 400, { text: 'Incorrect index', code: 7, 'invalid-event-number': count + 1 })
    },
    doubt(cut),
    doubt(answer(500, { text: 'Internal server error', code: 8 })),
    doubt(answer(502, 'gateway')),
    doubt((post, response, hec) => (post.ids.some(isBad) ? cut : takeAndCut)(post, response, hec)),
  ]
  const reaction: Reaction = (post, response, hec) => {
    if (random() < 0.25) return (faults[Math.floor(random() * faults.length)] as Reaction)(post, response, hec)
    const at = post.ids.findIndex(isBad)
    if (at < 0) return undefined
    // A number that cannot be right comes with nothing indexed, so that bisecting duplicates nothing.
    const honest = random() < 0.8
    hec.index(post.ids.slice(0, honest ? at : 0))
    if (ack && honest && at > 0) state.doubts++
    const number = honest ? at : [undefined, -1, 'x', 1e9][Math.floor(random() * 4)]
    return json(response, 400, { text: 'Event field is required', code: 12, 'invalid-event-number': number })
  }
  return {
    reaction,
    get doubts() {
      return state.doubts
    },
    set doubts(value) {
      state.doubts = value
    },
  }
}

describe.each([[false], [true]])('any mixture of faults (acknowledgement: %s)', (ack) => {
  test('every event ends indexed or dead-lettered, and twice only after a fault that left a doubt', async () => {
    const end = performance.now() + BOX_MS
    let rounds = 0
    for (let seed = Date.now(); performance.now() < end; seed++, rounds++) {
      const random = randomFrom(seed)
      const hec = await startHec({ ack })
      const trouble = chaos(random, ack)
      hec.rule = trouble.reaction
      hec.acknowledging = false
      const acknowledging = setInterval(() => hec.acknowledge(() => random() < 0.5), 3)
      const restarts = setInterval(() => {
        if (!ack || random() > 0.3) return
        trouble.doubts++
        hec.restart()
      }, 15)
      hec.ackScript.push(...lostPolls(random, () => trouble.doubts++))
      const { deliver, deadLetterDir, recorder } = await sinkTo([hec.url], {
        speed: 1_000,
        timeoutMs: NO_TIMEOUT_MS,
        ackPollMs: 2_000,
        ackTimeoutMs: 40_000,
        concurrency: 6,
        maxBytes: 4_000,
        gzip: random() < 0.5,
      })
      const batches = Array.from({ length: 40 }, (_, b) =>
        Array.from(
          { length: 1 + Math.floor(random() * 30) },
          (_, i) => `${random() < 0.08 ? 'bad' : 'good'}-${b}-${i}`,
        ),
      )
      const late = setTimeout(() => clearInterval(restarts), 400)
      await Promise.all(batches.map((ids) => deliver(batchOf(ids, Math.floor(random() * 40)))))
      clearInterval(acknowledging)
      clearInterval(restarts)
      clearTimeout(late)

      const told = `seed ${seed}`
      const wanted = batches.flat()
      const buried = (await lettersIn(deadLetterDir).catch(() => [])).map(({ event }) => event.event.id)
      const indexed = new Set(hec.indexed)
      const missing = wanted.filter((id) => !indexed.has(id) && !buried.includes(id))
      expect(missing, told).toEqual([])
      expect(hec.indexed.filter(isBad), told).toEqual([])
      expect(new Set(buried), told).toEqual(new Set(wanted.filter(isBad)))
      expect(recorder.sum('delivered') + recorder.sum('deadLettered'), told).toBe(wanted.length)
      if (trouble.doubts === 0) expect(hec.indexed, told).toHaveLength(indexed.size)
    }
    expect(rounds).toBeGreaterThan(0)
  }, 120_000)
})

test('faults that leave no doubt never make a duplicate', async () => {
  const end = performance.now() + BOX_MS / 2
  for (let seed = Date.now(); performance.now() < end; seed++) {
    const random = randomFrom(seed)
    const hec = await startHec()
    const busy: Reaction = (post, response, double) => {
      const bad = post.ids.findIndex(isBad)
      const count = Math.floor(random() * (bad < 0 ? post.ids.length : bad + 1))
      if (random() < 0.4 && count < post.ids.length) {
        double.index(post.ids.slice(0, count))
        return json(response, 503, { text: 'busy', code: 9, 'invalid-event-number': count })
      }
      if (bad < 0) return undefined
      double.index(post.ids.slice(0, bad))
      return json(response, 400, { text: 'Invalid data format', code: 6, 'invalid-event-number': bad })
    }
    hec.rule = busy
    const { deliver, recorder } = await sinkTo([hec.url], { speed: 1_000, timeoutMs: NO_TIMEOUT_MS })
    const ids = Array.from({ length: 60 }, (_, i) => `${random() < 0.3 ? 'bad' : 'good'}-${i}`)
    await deliver(batchOf(ids))
    expect(hec.indexed.toSorted(), `seed ${seed}`).toEqual(ids.filter((id) => !isBad(id)).toSorted())
    expect(recorder.of('outcomeUnknown')).toEqual([])
  }
})

/** Ack queries whose answers are lost. */
function lostPolls(random: () => number, doubt: () => void) {
  return Array.from({ length: 300 }, () => (query: AckQuery, response: ServerResponse, hec: HecDouble) => {
    if (random() > 0.1) return undefined
    doubt()
    hec.tell(query)
    if (random() < 0.5) return html(response, 500)
    response.socket?.destroy()
    return true
  })
}
