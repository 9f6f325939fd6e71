import type { DeadLetter } from '../../../src/sinks/dead-letter.ts'
import type { DeadLetterEntry } from '../../../src/sinks/dead-letter-line.ts'
import { batchOf, sinkTo } from '../../unit/sinks/delivery-double.ts'
import type { Reaction } from '../../unit/sinks/hec-double.ts'
import { startHec } from '../../unit/sinks/hec-double.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'
import { STATUSES } from './hec-answers.ts'

/** So many POSTs are answered by the input before the server is itself again. */
const HOSTILE_POSTS = 4

/** Input: index of the status, whether the token acknowledges, number of events, then the body of the answer. */
export const hecDelivery: Target = {
  name: 'hec-delivery',
  async open() {
    const plain = await bench(false)
    const acknowledging = await bench(true)
    return async (input) => {
      const status = STATUSES[(input[0] ?? 0) % STATUSES.length] as number
      const ack = ((input[1] ?? 0) & 1) === 1
      const count = 1 + ((input[2] ?? 0) % 7)
      return (ack ? acknowledging : plain)(status, input.subarray(3), count)
    }
  },
}

async function bench(ack: boolean) {
  const hec = await startHec({ ack })
  const buried: string[] = []
  const deadLetter = {
    write: async (entries: readonly DeadLetterEntry[]) => {
      buried.push(...entries.map(({ event }) => JSON.parse(event.toString()).event.id))
    },
    close: async () => {},
  } as unknown as DeadLetter
  const { deliver, recorder } = await sinkTo([hec.url], { speed: 500, ackTimeoutMs: 60_000, deadLetter })
  let serial = 0
  return async (status: number, body: Buffer, count: number): Promise<string> => {
    for (const kept of [buried, hec.indexed, hec.posts, hec.probes, hec.queries, recorder.calls]) kept.length = 0
    const ids = Array.from({ length: count }, () => `e${serial++}`)
    const may = { deliver: new Set<string>(), bury: new Set<string>() }
    let left = HOSTILE_POSTS
    const hostile: Reaction = (post, response) => {
      if (left-- <= 0) return undefined
      const { delivered, blamed } = meaning(status, body, post.ids, ack)
      for (const id of delivered) may.deliver.add(id)
      for (const id of blamed) may.bury.add(id)
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
      return true
    }
    hec.rule = hostile
    await deliver(batchOf(ids))
    for (const id of buried) must(may.bury.has(id), `${id} was buried on the word of HEC`)
    const indexed = new Set(hec.indexed)
    for (const id of ids) {
      must(indexed.has(id) || buried.includes(id) || may.deliver.has(id), `${id} is indexed or in the dead letter`)
    }
    must(recorder.sum('delivered') + recorder.sum('deadLettered') === count, 'each event is counted once')
    return `${status} ${buried.length} buried, ${recorder.of('paused').length > 0}, ${recorder.of('deliveryFailed').length}`
  }
}

/** By the letter of Splunk's table, which events of a POST such an answer may settle, and which it may put to blame. */
function meaning(status: number, body: Buffer, ids: readonly string[], ack: boolean) {
  const { code, number } = said(body)
  const before = Number.isSafeInteger(number) && number >= 0 && number < ids.length ? ids.slice(0, number) : []
  const isEventFault = status === 400 && [6, 12, 13, 15].includes(code)
  const isBusy = status === 503 && code === 9
  const isSuccess = status === 200 && [0, 24, 25].includes(code)
  return {
    // With acknowledgement nothing but an ack settles an event, and these answers lead to none.
    delivered: ack ? [] : isSuccess ? ids : isEventFault || isBusy ? before : [],
    blamed: isEventFault || status === 413 ? ids : [],
  }
}

function said(body: Buffer): { code: number; number: number } {
  try {
    const value = JSON.parse(body.toString())
    if (Array.isArray(value)) return { code: Number.NaN, number: Number.NaN }
    const { code, 'invalid-event-number': number } = Object(value)
    return {
      code: typeof code === 'number' ? code : Number.NaN,
      number: typeof number === 'number' ? number : Number.NaN,
    }
  } catch {
    return { code: Number.NaN, number: Number.NaN }
  }
}
