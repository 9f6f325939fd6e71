import type { Fact } from './fact.ts'
import { section } from './fact.ts'
import { Crew } from './sls-crew.ts'
import type { TestLogstore } from './sls-logstore.ts'
import type { SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

const reliedOnBy = ['src/emulator/sls/consumer-group.ts', 'src/consumer/checkpoint-committer.ts', 'src/sls/errors.ts']

interface Entry {
  checkpoint: string
  updateTime: number
  consumer: string
}

/** Which commits are accepted, and how a group returns them. */
export function commitFacts(sls: SlsService, groups: () => Promise<TestLogstore>): Fact[] {
  const watching = (observe: (crew: Crew) => Promise<string>) => async () =>
    (await groups()).withGroup((group) => observe(new Crew(sls, group)))
  const answered = (consumer: string | undefined, force: string, shard?: number, at?: string) =>
    watching(async (crew) => said(await crew.commit(consumer, force, shard, at)))
  const stored = (crew: Crew, done: (entry: Entry | undefined) => boolean) =>
    sls.until(async () => (await crew.group.checkpoints({ shard: '0' })).json<Entry[]>()[0], done, 10)
  return section('sls-protocol §6.4', reliedOnBy, [
    {
      id: 'sls/commit-unknown',
      says: 'A commit without force by an unknown consumer is refused',
      mark: 'verified',
      believed: '404 ConsumerNotExist',
      observe: answered('stranger', 'false'),
    },
    {
      id: 'sls/commit-by-other',
      says: 'A commit without force by a consumer that does not hold the shard is refused',
      mark: 'unverified',
      believed: '400 ConsumerNotMatch',
      observe: watching(async (crew) => {
        await crew.shared()
        return said(await crew.commit(crew.held('a').includes(0) ? 'b' : 'a', 'false'))
      }),
    },
    {
      id: 'sls/commit-while-leaving',
      says: 'The holder may commit a shard that is being taken from it: draining depends on it',
      mark: 'verified',
      believed: '200',
      observe: watching(async (crew) => {
        const both = await crew.handingOver()
        const leaving = both.find((shard) => !crew.held('a').includes(shard)) ?? -1
        return said(await crew.commit('a', 'false', leaving))
      }),
    },
    {
      id: 'sls/commit-backwards',
      says: 'A commit without force may move back: the service does not check the order',
      mark: 'unverified',
      believed: '200, and the earlier one is stored',
      observe: watching(async (crew) => {
        await crew.alone()
        const { logstore } = crew.group
        const [begin, end] = [await logstore.cursor('begin'), await logstore.cursor('end')]
        await crew.commit('a', 'false', 0, end)
        const answer = said(await crew.commit('a', 'false', 0, begin))
        const entry = await stored(crew, (each) => each?.checkpoint === begin)
        return `${answer}, and the ${entry?.checkpoint === begin ? 'earlier' : 'later'} one is stored`
      }),
    },
    {
      id: 'sls/commit-forced',
      says: 'With force, anyone may commit, even without a consumer name',
      mark: 'verified',
      believed: '200, 200',
      observe: watching(async (crew) => {
        await crew.alone()
        return `${said(await crew.commit('stranger', 'true'))}, ${said(await crew.commit(undefined, 'true'))}`
      }),
    },
    {
      id: 'sls/commit-force-spelling',
      says: 'Python’s True is force as well',
      source: 'sls-protocol §5.4',
      mark: 'verified',
      believed: '200',
      observe: answered('stranger', 'True'),
    },
    {
      id: 'sls/commit-not-base64',
      says: 'A checkpoint that is not base64 is refused',
      mark: 'verified',
      believed: '400 InvalidShardCheckPoint',
      observe: answered('a', 'true', 0, 'no base64'),
    },
    {
      id: 'sls/commit-no-cursor',
      says: 'A checkpoint that is base64 but not a cursor is accepted',
      mark: 'unverified',
      believed: '200',
      observe: answered('a', 'true', 0, 'bm8gY3Vyc29y'),
    },
    {
      id: 'sls/commit-empty',
      says: 'An empty checkpoint is refused',
      mark: 'unverified',
      believed: '400 InvalidShardCheckPoint',
      observe: answered('a', 'true', 0, ''),
    },
    {
      id: 'sls/commit-unknown-shard',
      says: 'A commit for a shard that does not exist is refused',
      mark: 'unverified',
      believed: '404 ShardNotExist',
      observe: answered('a', 'true', 999),
    },
    {
      id: 'sls/checkpoint-entries',
      says: 'A new group has an entry without checkpoint for every shard, and none for a shard that does not exist',
      source: 'sls-protocol §5.4',
      mark: 'verified',
      believed: '2 entries: "", 0, ""; an unknown shard has 0',
      observe: watching(async ({ group }) => {
        const entries = (await group.checkpoints()).json<Entry[]>()
        const texts = entries.map((each) =>
          [each.checkpoint, each.updateTime, each.consumer].map((value) => JSON.stringify(value)).join(', '),
        )
        const unknown = await group.checkpoints({ shard: '999' })
        const others = unknown.status === 200 ? unknown.json<Entry[]>().length : said(unknown)
        return `${entries.length} entries: ${[...new Set(texts)].join(' | ')}; an unknown shard has ${others}`
      }),
    },
    {
      id: 'sls/checkpoint-time',
      says: 'A checkpoint has its consumer and its time in microseconds',
      source: 'sls-protocol §5.4',
      mark: 'verified',
      believed: 'by stranger, microseconds',
      observe: watching(async (crew) => {
        await crew.commit('stranger', 'true')
        const entry = await stored(crew, (each) => each?.checkpoint !== '')
        const near = Math.abs((entry?.updateTime ?? 0) / 1000 - sls.now()) < 3_600_000
        return `by ${entry?.consumer}, ${near ? 'microseconds' : entry?.updateTime}`
      }),
    },
  ])
}
