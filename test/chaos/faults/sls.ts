import type { SlsFaultAction } from '../../../src/emulator/sls/faults.ts'
import type { Consequence } from '../judge.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

const PULL = ['PullLogs']
const COMMIT = ['ConsumerGroupUpdateCheckPoint']
const BEAT = ['ConsumerGroupHeartBeat']
/** Everything a replica asks; the writer is left alone. */
const ALL = [
  ...[...PULL, ...COMMIT, ...BEAT, 'GetCursor', 'GetCursorTime', 'ListShards', 'GetCheckPoint'],
  ...['ListConsumerGroup', 'CreateConsumerGroup', 'UpdateConsumerGroup'],
]

interface Rule {
  name: string
  apis: string[]
  action: SlsFaultAction
  may?: Consequence[]
  /** Of the requests that match; all by default. */
  probability?: number
  /** Default: as long as it lasts. */
  times?: number
  lasts?: [number, number]
}

let rules = 0

function scripted({ name, apis, action, may = [], probability = 1, times = 0, lasts = [1_000, 4_000] }: Rule): Fault {
  return {
    ...{ name, may, lasts },
    async inflict(world, { forMs }) {
      const id = `sls-${rules++}`
      await world.injure({ fault: name, may, forMs }, () => {
        world.sls.faults.add({ id, match: { api: apis }, probability, times, action })
        return {
          hits: () => world.sls.faults.list().find((rule) => rule.id === id)?.fired ?? 0,
          heal: () => world.sls.faults.remove(id),
        }
      })
    },
  }
}

const LEASE: Consequence[] = ['lease ends']

export const SLS_FAULTS: Fault[] = [
  scripted({
    name: 'SLS answers half of everything with 500',
    apis: ALL,
    action: { status: 500 },
    probability: 0.5,
    may: LEASE,
  }),
  scripted({ name: 'SLS answers everything with 503', apis: ALL, action: { code: 'ServerBusy' }, may: LEASE }),
  scripted({
    name: 'a gateway answers for SLS with 502 in HTML',
    apis: ALL,
    action: { status: 502, body: '<html>Bad Gateway' },
    may: LEASE,
  }),
  scripted({ name: 'the read quota of the project is used up', apis: PULL, action: { quota: true } }),
  scripted({ name: 'a shard is throttled', apis: PULL, action: { code: 'ShardReadQuotaExceed' } }),
  scripted({ name: 'a pulled body is damaged', apis: PULL, action: { corrupt: 'flip' }, probability: 0.5 }),
  scripted({ name: 'a pulled body ends early', apis: PULL, action: { corrupt: 'truncate' }, probability: 0.5 }),
  scripted({
    name: 'a pulled body has another size than announced',
    apis: PULL,
    action: { corrupt: 'rawsize' },
    probability: 0.5,
  }),
  scripted({
    name: 'a pulled body has fewer log groups than announced',
    apis: PULL,
    action: { corrupt: 'count' },
    probability: 0.5,
  }),
  scripted({ name: 'pulls bring logs and a cursor that does not move', apis: PULL, action: { corrupt: 'cursor' } }),
  scripted({
    name: 'the connection ends in the middle of a pull',
    apis: PULL,
    action: { cut: 'midway' },
    probability: 0.5,
  }),
  scripted({
    name: 'the connection ends instead of the answer to a pull',
    apis: PULL,
    action: { cut: 'before' },
    probability: 0.5,
  }),
  scripted({ name: 'pulls hang', apis: PULL, action: { hang: true }, times: 3 }),
  scripted({ name: 'SLS answers a second late', apis: ALL, action: { delayMs: 1_000 }, may: LEASE }),
  scripted({ name: 'signatures are refused for a while', apis: PULL, action: { code: 'SignatureNotMatch' } }),
  scripted({ name: 'SLS reports that the logstore does not exist', apis: PULL, action: { code: 'LogStoreNotExist' } }),
  scripted({ name: 'the project is disabled', apis: ALL, action: { code: 'ProjectForbidden' }, may: LEASE }),
  scripted({ name: 'the clock of SLS is an hour ahead', apis: ALL, action: { clockSkewMs: 3_600_000 }, may: LEASE }),
  scripted({
    name: 'SLS reports a valid cursor as expired',
    apis: PULL,
    action: { code: 'InvalidCursor' },
    times: 1,
    may: ['cursor moves'],
  }),
  scripted({ name: 'heartbeats do not arrive', apis: BEAT, action: { drop: true }, may: LEASE, lasts: [3_000, 5_000] }),
  scripted({ name: 'heartbeats hang', apis: BEAT, action: { hang: true }, may: LEASE, lasts: [3_000, 5_000] }),
  scripted({ name: 'the answer to a heartbeat is lost', apis: BEAT, action: { cut: 'after' }, may: LEASE }),
  scripted({
    name: 'SLS has forgotten a consumer',
    apis: BEAT,
    action: { code: 'NotExistConsumerWithBody' },
    times: 1,
    may: LEASE,
  }),
  scripted({ name: 'checkpoints are refused with 500', apis: COMMIT, action: { status: 500 } }),
  scripted({ name: 'the answer to a checkpoint is lost', apis: COMMIT, action: { cut: 'after' } }),
  scripted({ name: 'checkpoints hang', apis: COMMIT, action: { hang: true }, times: 3, may: LEASE }),
  scripted({
    name: 'a checkpoint is refused: another holds the shard',
    apis: COMMIT,
    action: { code: 'ConsumerNotMatch' },
    times: 1,
    may: LEASE,
  }),
  {
    ...{ name: 'a shard is split', may: [], lasts: [0, 0] },
    async inflict(world, { below }) {
      const open = writable(world)
      // Each split is two more; beyond this nothing new is learnt.
      if (open.length > 12) return
      await once(world, this, () => world.logstore.split(open[below(open.length)] as number))
    },
  },
  {
    ...{ name: 'two shards are merged', may: [], lasts: [0, 0] },
    async inflict(world, { below }) {
      const open = writable(world).filter((id) => world.logstore.shard(id).endKey !== 'f'.repeat(32))
      if (open.length < 3) return
      await once(world, this, () => world.logstore.merge(open[below(open.length)] as number))
    },
  },
  {
    ...{ name: 'the consumer group is deleted', may: ['cursor moves'], lasts: [0, 0] },
    inflict: (world) =>
      once(world, { name: 'the consumer group is deleted', may: ['cursor moves'] }, () => world.deleteGroup()),
  },
]

/** Pulls and cursors fail while heartbeats work, for long enough that a lag of 0 is a lie. */
export const SILENCE_ABOUT_SHARDS: Fault = scripted({
  name: 'SLS answers nothing about shards, and heartbeats',
  apis: [...PULL, 'GetCursor', 'GetCursorTime'],
  action: { status: 500 },
  lasts: [45_000, 45_000],
})

function writable(world: World): number[] {
  return world.logstore
    .shards()
    .filter(({ status }) => status === 'readwrite')
    .map(({ id }) => id)
}

function once(world: World, { name, may }: Pick<Fault, 'name' | 'may'>, act: () => unknown): Promise<void> {
  return world.injure({ fault: name, may, forMs: 0 }, () => {
    act()
    return { hits: () => 1, heal: () => {} }
  })
}
