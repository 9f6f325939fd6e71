import { Fault } from '../../../src/core/errors.ts'
import { onOneLine } from '../../../src/core/text.ts'
import type { SlsClient } from '../../../src/sls/client.ts'
import { clientOf, scriptedServer } from '../../unit/sls/scripted-server.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

/** Values that the consumer uses further: whole numbers that it counts with, and cursors that it sends in the next request. */
interface Used {
  numbers: number[]
  cursors: string[]
}

const none: Used = { numbers: [], cursors: [] }

export const CALLS: ReadonlyArray<readonly [name: string, call: (client: SlsClient) => Promise<Used>]> = [
  ['heartbeat', async (client) => ({ ...none, numbers: await client.heartbeat('cg', 'c', [0]) })],
  ['getCursor', async (client) => ({ ...none, cursors: [await client.getCursor(0, 'end')] })],
  ['getCursorTime', async (client) => ({ ...none, numbers: [await client.getCursorTime(0, 'Y3Vy')] })],
  [
    'getCheckpoints',
    async (client) => {
      const checkpoints = await client.getCheckpoints('cg')
      return {
        numbers: checkpoints.flatMap(({ shard, updateTime }) => [shard, updateTime]),
        cursors: checkpoints.map(({ checkpoint }) => checkpoint).filter((checkpoint) => checkpoint !== ''),
      }
    },
  ],
  ['listShards', async (client) => ({ ...none, numbers: (await client.listShards()).flatMap((s) => s.shardId) })],
  [
    'listConsumerGroups',
    async (client) => ({ ...none, numbers: (await client.listConsumerGroups()).map((g) => g.timeoutSeconds ?? 0) }),
  ],
  ['updateCheckpoint', async (client) => client.updateCheckpoint('cg', 'c', 0, 'Y3Vy').then(() => none)],
]
export const STATUSES = [200, 200, 400, 401, 403, 404, 500, 503, 204, 302, 999]
const KINDS = /^(configuration|transient|lease)$/
const LONGEST_CURSOR = 4096

/** Input: index of the call, index of the status, then the body of the answer. */
export const slsAnswers: Target = {
  name: 'sls-answers',
  async open() {
    let answer: { status: number; body: Buffer } = { status: 200, body: Buffer.alloc(0) }
    const { port, seen } = await scriptedServer((response) => response.writeHead(answer.status).end(answer.body))
    const client = clientOf(port)
    return async (input) => {
      seen.length = 0
      const [name, call] = CALLS[(input[0] ?? 0) % CALLS.length] as (typeof CALLS)[number]
      answer = { status: STATUSES[(input[1] ?? 0) % STATUSES.length] as number, body: input.subarray(2) }
      try {
        const { numbers, cursors } = await call(client)
        must(answer.status === 200, 'only 200 is a success')
        must(
          numbers.every((number) => Number.isSafeInteger(number) && number >= 0),
          'numbers are whole',
        )
        for (const cursor of cursors) await usable(client, cursor)
        return `${name} ok`
      } catch (error) {
        refused(error)
        return `${name} ${(error as Fault).code.slice(0, 10)}`
      }
    }
  },
}

/** A cursor that was believed goes into URLs, JSON and log lines. */
async function usable(client: SlsClient, cursor: string): Promise<void> {
  must(cursor !== '' && cursor.length <= LONGEST_CURSOR, 'a cursor is no novel')
  must(onOneLine(cursor) === cursor || cursor.length > 1000, 'a cursor can be printed')
  await client.pull(0, cursor, { count: 1 }).catch(refused)
  await client.updateCheckpoint('cg', 'c', 0, cursor).catch(refused)
}

function refused(error: unknown): void {
  if (!(error instanceof Fault)) throw error
  must(KINDS.test(error.kind), `a kind the consumer knows, not ${error.kind}`)
  must(/^[A-Za-z][\w.-]{0,63}$/.test(error.code), `a code that can be a label, not ${error.code}`)
  must(error.message.length < 1_200, 'a message that is no novel')
  must(
    error.retryAfterMs === undefined || (error.retryAfterMs >= 0 && error.retryAfterMs <= 60_000),
    'a wait that ends',
  )
}
