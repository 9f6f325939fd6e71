import { cursorNumber, cursorOf, int64 } from '../../src/sls/cursor.ts'
import type { Fact } from './fact.ts'
import { cannot, section } from './fact.ts'
import type { TestLogstore } from './sls-logstore.ts'
import { logGroup } from './sls-logstore.ts'
import type { SlsAnswer, SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

const reliedOnBy = ['src/emulator/sls/shard.ts', 'src/sls/cursor.ts', 'src/consumer/shard-fetcher.ts']
const lag = ['src/emulator/sls/pull-logs.ts', 'src/consumer/shard-lag.ts']
const HOUR = 3600

/** The form of cursors, and what happens to cursors without a log group. */
export function cursorFacts(sls: SlsService, logs: () => Promise<TestLogstore>): Fact[] {
  return section('sls-protocol §6.1', reliedOnBy, [
    {
      id: 'sls/cursor-format',
      says: 'A cursor is the base64 of a decimal int64 other than 0',
      mark: 'verified',
      believed: 'base64 of a decimal int64',
      observe: async () => {
        const store = await logs()
        const numbers = [await store.cursor('begin'), await store.cursor('end')].map(cursorNumber)
        return numbers.every((number) => number) ? 'base64 of a decimal int64' : 'something else'
      },
    },
    {
      id: 'sls/cursor-steps',
      says: 'Cursors of a shard grow by 1 per log group; event ids contain them',
      mark: 'verified',
      believed: '+1 +1 +1',
      observe: async () => {
        const store = await logs()
        const from = await store.written(...['one', 'two', 'three'].map((text) => logGroup(text)))
        const cursors = [from]
        for (let pulled = 0; pulled < 3; pulled++) {
          const answer = await store.pull(cursors.at(-1) as string, { count: '1' })
          cursors.push(answer.header('x-log-cursor') as string)
        }
        return cursors
          .slice(1)
          .map((cursor, index) => step(cursors[index] as string, cursor))
          .join(' ')
      },
    },
    {
      id: 'sls/cursor-end',
      says: 'The end cursor is the position of the next log group; reading from it skips and repeats nothing',
      mark: 'verified',
      believed: '1 group',
      observe: async () => {
        const store = await logs()
        const { groups } = await store.read(await store.written(logGroup('after the end')), 1)
        return `${groups.length} group`
      },
    },
    {
      id: 'sls/cursor-by-receipt',
      says: 'A cursor from unix seconds is the first group received at or after them, whatever the time of its logs',
      mark: 'verified',
      believed: 'the later of two groups',
      reliedOnBy: [...reliedOnBy, 'src/consumer/shard-cursors.ts'],
      observe: async () => {
        const store = await logs()
        await store.written(logGroup('earlier'))
        await sls.pass(3000)
        const old = {
          time: Math.floor(sls.now() / 1000) - 2 * HOUR,
          contents: [['text', 'later']] as [[string, string]],
        }
        const later = await store.written(logGroup('', { logs: [old] }))
        const received = await store.at(0, { type: 'cursor_time', cursor: later })
        if (received.status !== 200) return said(received)
        const found = await store.cursor(String(received.json<{ cursor_time: number }>().cursor_time))
        return found === later ? 'the later of two groups' : `${step(later, found)} from it`
      },
    },
    {
      id: 'sls/cursor-clamped',
      says: 'A cursor from a time before the first or after the last group is begin or end',
      mark: 'verified',
      believed: 'begin, end',
      observe: async () => {
        const store = await logs()
        const [begin, end] = [await store.cursor('begin'), await store.end()]
        const name = (cursor: string) => (cursor === begin ? 'begin' : cursor === end ? 'end' : 'elsewhere')
        const future = Math.floor(sls.now() / 1000) + HOUR
        return `${name(await store.cursor('1'))}, ${name(await store.cursor(String(future)))}`
      },
    },
    {
      id: 'sls/cursor-malformed',
      says: 'A pull from a cursor that is not a number is refused; an old page has ParameterInvalid',
      mark: 'unverified',
      believed: ['400 InvalidCursor', '400 ParameterInvalid'],
      reliedOnBy: [...reliedOnBy, 'src/sls/errors.ts'],
      observe: async () => said(await (await logs()).pull(Buffer.from('no cursor').toString('base64'))),
    },
    {
      id: 'sls/cursor-past-end',
      says: 'A pull from a cursor after the end is refused',
      mark: 'unverified',
      believed: '400 InvalidCursor',
      observe: async () => {
        const store = await logs()
        return seen(await store.pull(moved(await store.end(), 5n)))
      },
    },
    {
      id: 'sls/cursor-before-first',
      says: 'A pull from a cursor before the very first group is refused',
      mark: 'unverified',
      believed: '400 InvalidCursor',
      observe: async () => {
        const store = await logs()
        return seen(await store.pull(moved(await store.cursor('begin'), -1n)))
      },
    },
    {
      id: 'sls/cursor-expired',
      says: 'A pull from a cursor whose group has expired is refused, not moved to the oldest group',
      mark: 'unverified',
      believed: '400 InvalidCursor',
      reliedOnBy: [...reliedOnBy, 'src/consumer/shard-cursors.ts'],
      observe: async () => seen(await expiredPull(sls, logs)),
    },
    {
      id: 'sls/cursor-time',
      says: 'GetCursorTime returns the receive time of the group at a cursor, in unix seconds',
      source: 'sls-protocol §5.3, §6.1',
      mark: 'verified',
      believed: 'the time of receipt',
      reliedOnBy: lag,
      observe: async () => {
        const store = await logs()
        const answer = await store.at(0, { type: 'cursor_time', cursor: await store.written(logGroup('now')) })
        if (answer.status !== 200) return said(answer)
        const { cursor_time: time } = answer.json<{ cursor_time: unknown }>()
        // Clocks may differ. This tests only the unit, and that it is the group's time, not the logstore's.
        const near = Number.isInteger(time) && Math.abs(Number(time) * 1000 - sls.now()) < 900_000
        return near ? 'the time of receipt' : String(time)
      },
    },
    {
      id: 'sls/cursor-time-of-end',
      says: 'GetCursorTime of the end is refused, because there is no group',
      mark: 'unverified',
      believed: '400 InvalidCursor',
      reliedOnBy: lag,
      observe: async () => {
        const store = await logs()
        return said(await store.at(0, { type: 'cursor_time', cursor: await store.end() }))
      },
    },
    {
      id: 'sls/last-cursor',
      says: 'x-log-read-last-cursor is the number of the last group read, in decimal digits',
      source: 'sls-protocol §4.1',
      mark: 'verified',
      believed: 'the number of the last group',
      reliedOnBy: ['src/emulator/sls/pull-logs.ts', 'src/sls/pull.ts', 'src/consumer/shard-fetcher.ts'],
      observe: async () => {
        const store = await logs()
        const from = await store.written(logGroup('a'), logGroup('b'))
        const header = (await store.pull(from)).header('x-log-read-last-cursor')
        if (header === undefined) return 'no header'
        return int64(header) === (cursorNumber(from) ?? 0n) + 1n ? 'the number of the last group' : 'another number'
      },
    },
  ])
}

/** The emulator expires groups on request. The real service needs a day, so this uses an old logstore of the user. */
async function expiredPull(sls: SlsService, logs: () => Promise<TestLogstore>): Promise<SlsAnswer> {
  const { oldLogstore } = sls.access
  if (sls.emulator) {
    const store = await logs()
    const from = await store.written(logGroup('to expire'), logGroup('to stay'))
    const shard = sls.emulator.logstore(sls.access.project, store.name).shard(0)
    shard.expireBefore(shard.end - 1)
    return store.pull(from)
  }
  if (oldLogstore === undefined) {
    cannot(
      'needs a day: name a logstore of yours that is older than its retention in SERVICE_TEST_OLD_LOGSTORE (only read)',
    )
  }
  const read = async (path: string, query: Record<string, string>) => {
    const answer = await sls.call({ path: `/logstores/${oldLogstore}/shards${path}`, query })
    if (answer.status !== 200) throw new Error(`cannot read ${oldLogstore}${path}: ${said(answer)}`)
    return answer
  }
  const [shard] = (await read('', {})).json<Array<{ shardID: number }>>()
  const { cursor } = (await read(`/${shard?.shardID}`, { type: 'cursor', from: 'begin' })).json<{ cursor: string }>()
  const query = { type: 'log', cursor: moved(cursor, -1n), count: '1' }
  return sls.call({ path: `/logstores/${oldLogstore}/shards/${shard?.shardID}`, query })
}

function seen(answer: SlsAnswer): string {
  return answer.status === 200 ? `moved: 200 with ${answer.header('x-log-count')} groups` : said(answer)
}

function moved(cursor: string, by: bigint): string {
  return cursorOf((cursorNumber(cursor) ?? cannot('cursors are not numbers here')) + by)
}

function step(from: string, to: string): string {
  const by = (cursorNumber(to) ?? 0n) - (cursorNumber(from) ?? 0n)
  return by > 0n ? `+${by}` : String(by)
}
