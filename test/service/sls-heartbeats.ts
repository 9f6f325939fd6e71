import type { Fact } from './fact.ts'
import { section } from './fact.ts'
import { Crew } from './sls-crew.ts'
import type { TestLogstore } from './sls-logstore.ts'
import { GROUP_TIMEOUT } from './sls-logstore.ts'
import type { SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

const reliedOnBy = ['src/emulator/sls/consumer-group.ts', 'src/consumer/heartbeats.ts', 'src/consumer/worker.ts']

/** Which consumer gets which of two shards, and when they move. */
export function heartbeatFacts(sls: SlsService, groups: () => Promise<TestLogstore>): Fact[] {
  const watching = (observe: (crew: Crew) => Promise<string>) => async () =>
    (await groups()).withGroup((group) => observe(new Crew(sls, group)))
  return section('sls-protocol §6.3', reliedOnBy, [
    {
      id: 'sls/beat-first',
      says: 'The first heartbeat of the only consumer gives it every shard',
      mark: 'verified',
      believed: '2 of 2 shards at once',
      observe: watching(async (crew) => {
        if ((await crew.beat('a', [])) === 2) return '2 of 2 shards at once'
        await crew.alone()
        return `${crew.count('a')} of 2 shards only later`
      }),
    },
    {
      id: 'sls/beat-unknown-with-body',
      says: 'An unknown consumer that reports shards is refused',
      mark: 'verified',
      believed: '400 NotExistConsumerWithBody',
      observe: watching(async ({ group }) => said(await group.beat('stranger', [0]))),
    },
    {
      id: 'sls/beat-body',
      says: 'The body is a bare array; the object of the help page is refused',
      mark: 'unverified',
      believed: '400 JsonInfoInvalid',
      observe: watching(async ({ group }) => said(await group.beat('a', { shards: [] }))),
    },
    {
      id: 'sls/beat-stray-shard',
      says: 'A reported shard that does not exist is ignored',
      mark: 'unverified',
      believed: '200',
      observe: watching(async (crew) => {
        await crew.alone()
        return said(await crew.group.beat('a', [...crew.held('a'), 999]))
      }),
    },
    {
      id: 'sls/beat-idle',
      says: 'With more consumers than shards, one holds none',
      mark: 'verified',
      believed: 'a 1, b 1, c 0',
      observe: watching(async (crew) => {
        await crew.settle(['a', 'b', 'c'], () => crew.count('a') === 1 && crew.count('b') === 1)
        return ['a', 'b', 'c'].map((name) => `${name} ${crew.count(name)}`).join(', ')
      }),
    },
    {
      id: 'sls/hand-over',
      says: 'A shard to hand over disappears from its holder’s answers, and moves once the holder stops reporting it',
      mark: 'verified',
      believed: 'told 1 of 2; next has 0 while both are reported, 1 after',
      observe: watching(async (crew) => {
        const both = await crew.handingOver()
        const told = crew.count('a')
        let next = 0
        for (let beats = 0; beats < 5; beats++) {
          await sls.pass(1000)
          await crew.beat('a', both)
          next = Math.max(next, await crew.beat('b'))
        }
        await crew.settle(['a', 'b'], () => crew.count('b') > 0)
        return `told ${told} of 2; next has ${next} while both are reported, ${crew.count('b')} after`
      }),
    },
    {
      id: 'sls/hand-over-given-up',
      says: 'If the next consumer times out first, the shard goes back to its holder',
      mark: 'verified',
      believed: 'told 2 of 2 again',
      observe: watching(async (crew) => {
        const reporting = await crew.handingOver()
        await crew.settle(['a'], () => crew.count('a') === 2, { reporting, seconds: 2 * GROUP_TIMEOUT })
        return `told ${crew.count('a')} of 2 again`
      }),
    },
    {
      id: 'sls/time-out',
      says: 'After the timeout, another consumer gets the shards of a silent one, and the service forgets the silent one',
      mark: 'verified',
      believed: 'after the timeout; then 400 NotExistConsumerWithBody, and 200 for []',
      observe: watching(async (crew) => {
        await crew.handingOver()
        const when = await crew.takenOver()
        const late = said(await crew.group.beat('a', [0, 1]))
        return `${when}; then ${late}, and ${said(await crew.group.beat('a', []))} for []`
      }),
    },
    {
      id: 'sls/last-beat-empty',
      says: 'A last heartbeat without shards releases none of them: the protocol has no sign-off',
      source: 'sls-protocol §7.6',
      mark: 'unverified',
      believed: 'after the timeout',
      observe: watching(async (crew) => {
        await crew.shared()
        await crew.beat('a', [])
        return crew.takenOver()
      }),
    },
    {
      id: 'sls/equal-names',
      says: 'Two processes with one name are one consumer: both get the same shards',
      source: 'sls-protocol §10',
      mark: 'unverified',
      believed: 'both told 2 of 2',
      observe: watching(async (crew) => {
        await crew.alone()
        const second = (await crew.group.beat('a', [])).json<number[]>().length
        const first = (await crew.group.beat('a', [0, 1])).json<number[]>().length
        return first === second ? `both told ${first} of 2` : `told ${first} and ${second}`
      }),
    },
  ])
}
