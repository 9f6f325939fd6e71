import { expect, onTestFinished } from 'vitest'
import { ByteBudget } from '../../../src/consumer/byte-budget.ts'
import { ShardLease } from '../../../src/consumer/lease.ts'
import type { ShardConsumerOptions, ShardOutcome } from '../../../src/consumer/shard-consumer.ts'
import { ShardConsumer } from '../../../src/consumer/shard-consumer.ts'
import { ShardDirectory } from '../../../src/consumer/shard-directory.ts'
import { BufferPool } from '../../../src/core/buffer-pool.ts'
import { Encoder } from '../../../src/pipeline/encoder.ts'
import { DeliveryScript } from './delivery-script.ts'
import { CONSUMER, GROUP, SlsDouble } from './sls-double.ts'

/** What a worker hands to its shard consumers: one batch a log, topic `audit` is wanted. */
export function shardOptions(sls: SlsDouble, deliveries: DeliveryScript): ShardConsumerOptions {
  const { client, clock, telemetry, emulator } = sls
  const { project, name: logstore } = emulator.logstore()
  return {
    ...{ client, clock, telemetry, group: GROUP, consumer: CONSUMER },
    ...{ start: { kind: 'begin' }, expired: 'begin', fetchCount: 100, fetchIntervalMs: 1_000, commitIntervalMs: 3_000 },
    encoder: new Encoder({ project, logstore, maxBatchBytes: 1, topics: ['audit'], source: 's', sourcetype: 't' }),
    deliver: deliveries.deliver,
    budget: new ByteBudget(1 << 20),
    bodies: new BufferPool(0),
    directory: new ShardDirectory(client, clock, 5_000),
  }
}

export interface TakenOptions extends Partial<ShardConsumerOptions> {
  sls?: SlsDouble
  /** Those of an earlier life of the shard. */
  deliveries?: DeliveryScript
  remembered?: string
  /** Log groups that are there before the shard is taken. */
  written?: number
  logs?: number
  /** Of them were delivered before. */
  delivered?: number
}

/** Shard 0, taken under a lease that holds for ever, with deliveries that wait for the test. */
export async function takenShard({ sls: given, ...options }: TakenOptions = {}) {
  const { written = 0, logs = 1, delivered, ...rest } = options
  const sls = given ?? (await SlsDouble.start())
  if (!given) sls.join()
  sls.write(written, { logs })
  const deliveries = options.deliveries ?? new DeliveryScript(sls)
  if (delivered !== undefined) deliveries.deliveredBefore = delivered
  const { clock } = sls
  let renewedUntil = Number.POSITIVE_INFINITY
  const lease = new ShardLease(sls.shard(), () => renewedUntil, clock.monotonic)
  const consumer = new ShardConsumer(lease, { ...shardOptions(sls, deliveries), ...rest })
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
