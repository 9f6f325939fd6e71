import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'
import { failure } from '../sls/scripted-server.ts'
import { DeliveryScript } from './delivery-script.ts'
import type { Reply } from './sls-double.ts'
import { lostAnswer, SlsDouble } from './sls-double.ts'
import { takenShard } from './taken-shard.ts'
import { twoSinks } from './two-sinks.ts'

const COMMIT = 'ConsumerGroupUpdateCheckPoint'

type Act =
  | { kind: 'write'; groups: number; logs: number; wanted: boolean }
  | { kind: 'ack'; which: number }
  | { kind: 'ack all' }
  | { kind: 'time'; ms: number }
  | { kind: 'bad commit' | 'bad pull'; how: keyof typeof REPLIES }
  | { kind: 'slow commit'; ms: number }
  | { kind: 'expire'; share: number }
  | { kind: 'fill' | 'free'; sink: number }
type End = 'drain' | 'lose' | 'freeze'

const REPLIES = {
  refused: failure(500, 'InternalServerError'),
  throttled: failure(403, 'ReadQuotaExceed'),
  forbidden: failure(401, 'Unauthorized'),
  cut: (response) => void response.destroy(),
  'answer lost': lostAnswer,
} satisfies Record<string, Reply>

const how = fc.constantFrom(...(Object.keys(REPLIES) as Array<keyof typeof REPLIES>))
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    kind: fc.constant('write' as const),
    groups: fc.integer({ min: 1, max: 4 }),
    logs: fc.integer({ min: 1, max: 3 }),
    wanted: fc.boolean(),
  }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ack' as const), which: fc.nat() }) },
  fc.record({ kind: fc.constant('ack all' as const) }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 4_000 }) }) },
  fc.record({ kind: fc.constantFrom('bad commit' as const, 'bad pull' as const), how }),
  fc.record({ kind: fc.constant('slow commit' as const), ms: fc.integer({ min: 1, max: 4_000 }) }),
  fc.record({ kind: fc.constant('expire' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constantFrom('fill' as const, 'free' as const), sink: fc.nat({ max: 1 }) }),
)
const life = fc.record({
  acts: fc.array(act, { minLength: 3, maxLength: 25 }),
  end: fc.constantFrom<End>('drain', 'lose', 'freeze'),
  fetchCount: fc.integer({ min: 1, max: 5 }),
  budgetBytes: fc.constantFrom(600, 2_000, 1 << 20),
  sinks: fc.constantFrom(['one', 'two'], ['one']),
})

/** Bytes of other shards that are on their way to the sinks. */
class OtherShards {
  readonly #budget: ByteBudget
  readonly #sinks: readonly string[]
  readonly #batches = new Map<string, Array<() => void>>()

  constructor(budget: ByteBudget, sinks: readonly string[]) {
    this.#budget = budget
    this.#sinks = sinks
  }

  /** All the room of a sink. */
  fill(number: number): void {
    const sink = this.#sinks[number % this.#sinks.length] as string
    const batches = this.#batches.get(sink) ?? []
    this.#batches.set(sink, batches)
    for (let batch = this.#take(sink); batch !== undefined; batch = this.#take(sink)) batches.push(batch)
  }

  free(number: number): void {
    for (const settle of this.#batches.get(this.#sinks[number % this.#sinks.length] as string)?.splice(0) ?? [])
      settle()
  }

  #take(sink: string): (() => void) | undefined {
    return this.#budget.tryAdmit(Math.ceil(this.#budget.limit / 20), sink)
  }
}

/** Makes one thing happen outside of the shard consumer. */
async function happen(
  sls: SlsDouble,
  { deliveries, others }: { deliveries: DeliveryScript; others: OtherShards },
  happening: Act,
): Promise<void> {
  switch (happening.kind) {
    case 'write':
      sls.write(happening.groups, { logs: happening.logs, topic: happening.wanted ? 'audit' : 'noise', numbered: true })
      break
    case 'ack':
      deliveries.pending[happening.which % deliveries.pending.length]?.ack()
      break
    case 'ack all':
      deliveries.ack()
      break
    case 'time':
      await sls.clock.advance(happening.ms)
      break
    case 'bad commit':
      sls.script(COMMIT, REPLIES[happening.how])
      break
    case 'bad pull':
      sls.script('PullLogs', REPLIES[happening.how])
      break
    case 'slow commit':
      sls.script(COMMIT, (_, asked) => sls.clock.sleep(happening.ms).then(asked.pass))
      break
    case 'fill':
    case 'free':
      others[happening.kind](happening.sink)
      break
    case 'expire': {
      const shard = sls.logstore.shard(0)
      shard.expireBefore(shard.begin + Math.floor((shard.end - shard.begin) * happening.share))
    }
  }
  await sls.clock.settle()
}

test('in any order of events no commit is ahead of an acknowledgement or goes back, and no retained log is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async (lives) => {
      const sls = await SlsDouble.start()
      sls.join()
      const { clock } = sls
      const deliveries = new DeliveryScript(sls)
      for (const { acts, end, fetchCount, budgetBytes, sinks } of [...lives, lastLife]) {
        const budget = new ByteBudget(budgetBytes, { sinks })
        const encoder = twoSinks('log = 1', [sinks[0] as string, sinks.at(-1) as string])
        const taken = await takenShard({ sls, deliveries, fetchCount, budget, encoder, commitIntervalMs: 500 })
        const seenBefore = deliveries.seen.length
        deliveries.seenEarlier = seenBefore
        const others = new OtherShards(budget, sinks)
        for (const happening of acts) await happen(sls, { deliveries, others }, happening)
        others.free(0)
        others.free(1)
        if (end === 'drain') {
          taken.consumer.drain()
          for (let turn = 0; turn < 300 && taken.outcome() === undefined; turn++) {
            // The last one first, so that the mark cannot move until the end.
            deliveries.pending.at(-1)?.ack()
            await clock.advance(200)
          }
          expect(taken.outcome()).toBe('drained')
          expect(deliveries.pending.length).toBe(0)
          // The next owner repeats nothing.
          const delivered = deliveries.seen.slice(seenBefore).map((id) => Number(id.split(':')[1]))
          expect(sls.checkpoint() ?? 0).toBeGreaterThan(Math.max(-1, ...delivered))
        } else {
          if (end === 'lose') taken.lease.lose('gone')
          else taken.endLeaseByTheClock()
          const sent = sls.of(COMMIT).length
          await clock.advance(10_000)
          expect(sls.of(COMMIT).length).toBe(sent)
          taken.lease.lose('gone')
          await clock.settle()
          expect(taken.outcome()).toBe('lost')
        }
        const seen = deliveries.seen.slice(seenBefore)
        expect(new Set(seen).size).toBe(seen.length)
        expect(deliveries.ahead).toEqual([])
        expect(sls.commits()).toEqual(sls.commits().toSorted((a, b) => Number(a) - Number(b)))
      }
      expect(deliveries.missing()).toEqual([])
      await sls.close()
    }),
    { numRuns: Number(process.env['RUNS'] ?? 15) },
  )
}, 120_000)

/** A life without faults, which reads what the others have left. It is longer than the pauses of several refused pulls. */
const lastLife = {
  acts: Array<Act[]>(10)
    .fill([{ kind: 'time', ms: 6_000 }, { kind: 'ack all' }])
    .flat(),
  end: 'drain',
  fetchCount: 5,
  budgetBytes: 1 << 20,
  sinks: ['one'],
} as const
