import { expect, onTestFinished } from 'vitest'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'
import type { Downstream } from '../../../src/consumer/downstream.ts'
import { ShardLease } from '../../../src/consumer/lease.ts'
import { NothingWanted } from '../../../src/consumer/nothing-wanted.ts'
import type { Reading } from '../../../src/consumer/reading.ts'
import { ReadonlyShards } from '../../../src/consumer/readonly-shards.ts'
import type { ShardContext } from '../../../src/consumer/running-shard.ts'
import type { ShardOutcome } from '../../../src/consumer/shard-consumer.ts'
import { ShardConsumer } from '../../../src/consumer/shard-consumer.ts'
import { TopicsSeen } from '../../../src/consumer/topics-seen.ts'
import { BufferPool } from '../../../src/core/buffer-pool.ts'
import type { Telemetry } from '../../../src/core/telemetry.ts'
import type { Encoder } from '../../../src/pipeline/encoder.ts'
import type { SlsClient } from '../../../src/sls/client.ts'
import { referenceEncoder } from '../pipeline/encode-all.ts'
import { DeliveryScript } from './delivery-script.ts'
import { changesTold, drawnArrows } from './life-drawing.ts'
import { GROUP, SlsDouble } from './sls-double.ts'

/** What a test may choose of the context of a shard. */
export interface Chosen extends Partial<Reading>, Partial<Downstream> {
  client?: SlsClient
  telemetry?: Telemetry
  inOrder?: boolean
  heartbeatMs?: number
  commitIntervalMs?: number
}

/** Encodes the logs of topic `audit`. */
export const oneLogABatch = (): Encoder => referenceEncoder({ maxBatchBytes: 1, topics: ['audit'] })

/** The context of a shard. */
export function shardContext(sls: SlsDouble, deliveries: DeliveryScript, chosen: Chosen): ShardContext {
  const { clock } = sls
  const { client = sls.client, telemetry = sls.telemetry, inOrder = false } = chosen
  const { heartbeatMs = 20_000, commitIntervalMs = 3_000 } = chosen
  const { start = { kind: 'begin' }, expired = 'begin', fetchCount = 100, fetchIntervalMs = 1_000, query } = chosen
  const {
    budget = new ByteBudget(1 << 20),
    bodies = new BufferPool(0),
    deliver = deliveries.deliver,
    encoder = oneLogABatch(),
  } = chosen
  const group = { name: GROUP, timeoutSeconds: 60, inOrder }
  const membership = sls.membership({ client, group, heartbeatMs, commitIntervalMs })
  return {
    membership,
    reading: { start, expired, fetchCount, fetchIntervalMs, ...(query === undefined ? {} : { query }) },
    downstream: { budget, bodies, encoder, deliver },
    readonlyShards: new ReadonlyShards({ client, clock, telemetry, minAgeMs: 5_000 }),
    nothingWanted: new NothingWanted({ logstore: membership.logstore, clock, telemetry }),
    topicsSeen: new TopicsSeen({ logstore: membership.logstore, encoder, clock, telemetry }),
    clock,
    telemetry,
  }
}

export interface TakenOptions extends Chosen {
  sls?: SlsDouble
  /** The deliveries of an earlier life of the shard. */
  deliveries?: DeliveryScript
  remembered?: string
  /** Log groups that are there before the shard is taken. */
  written?: number
  logs?: number
  /** Log groups that were delivered before. */
  delivered?: number
}

/** Shard 0 under a lease that holds for ever, with deliveries that wait for the test. */
export async function takenShard({ sls: given, ...options }: TakenOptions = {}) {
  const { written = 0, logs = 1, delivered } = options
  const sls = given ?? (await SlsDouble.start())
  if (!given) sls.join()
  sls.write(written, { logs })
  const deliveries = options.deliveries ?? new DeliveryScript(sls)
  if (delivered !== undefined) deliveries.deliveredBefore = delivered
  const { clock } = sls
  let renewedUntil = Number.POSITIVE_INFINITY
  const lease = new ShardLease(sls.shard(), () => renewedUntil, clock.monotonic)
  const consumer = new ShardConsumer(lease, shardContext(sls, deliveries, options))
  let outcome: ShardOutcome | undefined
  const run = consumer.run({ remembered: options.remembered }).then((end) => {
    outcome = end
    return end
  })
  run.catch(() => {})
  onTestFinished(async () => {
    lease.lose('the test is over')
    await run.catch(() => {})
    expect(deliveries.ahead).toEqual([])
    expect(drawnArrows()).toEqual(expect.arrayContaining(changesTold(sls.recorder)))
  })
  return {
    ...{ sls, clock, lease, consumer, deliveries, run },
    outcome: () => outcome,
    pulls: () => sls.of('PullLogs').length,
    /** The position of the low-water mark. */
    mark: () => (consumer.mark === undefined ? undefined : sls.logstore.shard(0).find(consumer.mark)),
    endLeaseByTheClock: () => {
      renewedUntil = clock.monotonic()
    },
  }
}
