import type { Fact } from './fact.ts'
import { section } from './fact.ts'
import type { SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'
import { SplitScenario, statuses } from './sls-split-scenario.ts'

const groups = ['src/emulator/sls/consumer-group.ts', 'src/consumer/shard-consumer.ts']
const shards = ['src/emulator/sls/logstore.ts', 'src/emulator/sls/shard-api.ts', 'src/consumer/readonly-shards.ts']

/** Effects of a split, a merge and a deletion on shards and their groups, in this order. */
export function splitFacts(sls: SlsService): Fact[] {
  const scenario = new SplitScenario(sls)
  const { split, finished, merged, told } = scenario
  return [
    ...section('sls-protocol §5.2', shards, [
      {
        id: 'sls/split-answer',
        says: 'A split returns the parent, then the children with its range divided at the key',
        mark: 'verified',
        believed: '0 readonly, 1 readwrite, 2 readwrite; shared at the key',
        observe: async () => {
          const { answered, key } = await split()
          const [, left, right] = answered
          const shared = left?.exclusiveEndKey === key && right?.inclusiveBeginKey === key
          return `${statuses(answered)}; shared ${shared ? 'at the key' : 'elsewhere'}`
        },
      },
      {
        id: 'sls/split-parent-readable',
        says: 'A read-only shard can be read, and its end does not move',
        mark: 'verified',
        believed: 'read to its end, end unmoved',
        observe: async () => {
          const { store, end } = await split()
          const { cursors } = await store.read(await store.cursor('begin'), 2)
          const unmoved = (await store.cursor('end')) === end
          return `read ${cursors.at(-1) === end ? 'to' : 'not to'} its end, end ${unmoved ? 'un' : ''}moved`
        },
      },
    ]),
    ...section('sls-protocol §6.2, §6.3', groups, [
      {
        id: 'sls/split-ordered-waits',
        says: 'An ordered group assigns no child before the parent is finished',
        mark: 'verified',
        believed: 'told 0',
        observe: async () => `told ${await told((await split()).ordered, (now) => now.length > 1, 5)}`,
      },
      {
        id: 'sls/split-ordered-goes-on',
        says: 'Once its end is committed, the parent is finished and the children are assigned',
        mark: 'verified',
        believed: 'told 1,2',
        observe: async () => `told ${await finished()}`,
      },
      {
        id: 'sls/split-end-stored-before',
        says: 'A checkpoint that was at the end before the split finishes the parent without another commit',
        mark: 'unverified',
        believed: 'over without another commit',
        observe: async () => {
          const { early, end } = await split()
          const without = await told(early, (now) => !now.includes(0), 20)
          if (!without.includes(0)) return 'over without another commit'
          await scenario.commit(early, 0, end)
          const after = await told(early, (now) => !now.includes(0), 20)
          return after.includes(0) ? 'not over, nor with the same commit again' : 'over with the same commit again'
        },
      },
      {
        id: 'sls/split-unordered',
        says: 'A group without order assigns the children at once, together with the parent',
        mark: 'verified',
        believed: 'told 0,1,2',
        observe: async () => `told ${await told((await split()).plain, (now) => now.length === 3)}`,
      },
      {
        id: 'sls/commit-when-over',
        says: 'A commit without force for a finished shard is refused: it has no holder',
        mark: 'unverified',
        believed: '400 ConsumerNotMatch',
        reliedOnBy: [...groups, 'src/sls/errors.ts'],
        observe: async () => {
          await finished()
          const { ordered, end } = await split()
          return said(await scenario.commit(ordered, 0, end))
        },
      },
      {
        id: 'sls/over-reopened',
        says: 'A checkpoint that is forced back reopens a finished shard',
        mark: 'verified',
        believed: 'told 0 again',
        observe: async () => {
          await finished()
          const { store, ordered } = await split()
          await scenario.commit(ordered, 0, await store.cursor('begin'), 'true')
          const now = await told(ordered, (list) => list.includes(0))
          return now.includes(0) ? 'told 0 again' : `told ${now}`
        },
      },
    ]),
    ...section('sls-protocol §5.2', shards, [
      {
        id: 'sls/merge-answer',
        says: 'A merge returns the new shard, then the two old ones',
        mark: 'verified',
        believed: '3 readwrite, 1 readonly, 2 readonly',
        observe: async () => statuses(await merged()),
      },
      {
        id: 'sls/empty-readonly',
        says: 'An empty read-only shard stays with its holder until its end is committed',
        source: 'sls-protocol §6.2',
        mark: 'verified',
        believed: 'held before, not held after',
        reliedOnBy: groups,
        observe: async () => {
          await merged()
          const { store, plain } = await split()
          const before = await told(plain, (now) => !now.includes(1), 10)
          await scenario.commit(plain, 1, await store.cursor('end', 1))
          const after = await told(plain, (now) => !now.includes(1))
          const held = (now: number[]) => (now.includes(1) ? 'held' : 'not held')
          return `${held(before)} before, ${held(after)} after`
        },
      },
      {
        id: 'sls/delete-writable-shard',
        says: 'A writable shard cannot be deleted',
        mark: 'unverified',
        believed: '400 ParameterInvalid',
        observe: async () => {
          await merged()
          return said(await sls.call({ method: 'DELETE', path: `${(await split()).store.path}/shards/3` }))
        },
      },
      {
        id: 'sls/delete-readonly-shard',
        says: 'A read-only shard can be deleted and then no longer exists',
        mark: 'verified',
        believed: '200, then 404 ShardNotExist',
        reliedOnBy: [...shards, 'src/sls/errors.ts'],
        observe: async () => {
          await merged()
          const { store } = await split()
          const answer = await sls.call({ method: 'DELETE', path: `${store.path}/shards/2` })
          const gone = await sls.until(
            () => store.at(2, { type: 'cursor', from: 'end' }),
            ({ status }) => status !== 200,
          )
          return `${said(answer)}, then ${said(gone)}`
        },
      },
    ]),
  ]
}
