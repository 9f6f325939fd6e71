import { expect, onTestFinished } from 'vitest'
import { Worker } from '../../../src/consumer/worker.ts'
import type { ShardRef } from '../../../src/core/shard.ts'
import { DeliveryScript } from './delivery-script.ts'
import { changesTold, drawnArrows } from './life-drawing.ts'
import type { Reply } from './sls-double.ts'
import { GROUP, SlsDouble } from './sls-double.ts'
import type { Chosen } from './taken-shard.ts'
import { shardContext } from './taken-shard.ts'

export const HEARTBEAT = 'ConsumerGroupHeartBeat'

export interface MemberOptions extends Chosen {
  sls?: SlsDouble
  shards?: number
  /** Log groups in each shard before the worker starts. */
  written?: number
}

/** A running worker that sends a heartbeat every 20 s. The service forgets it after 60 s. */
export async function groupMember({ sls: given, shards = 2, written = 0, ...chosen }: MemberOptions = {}) {
  const sls = given ?? (await SlsDouble.start({ shards }))
  for (let shard = 0; shard < shards; shard++) sls.write(written, { shard })
  const deliveries = new DeliveryScript(sls)
  const worker = new Worker(shardContext(sls, deliveries, { fetchIntervalMs: 5_000, ...chosen }))
  let ended = false
  const run = worker.run().finally(() => {
    ended = true
  })
  run.catch(() => {})
  onTestFinished(async () => {
    void worker.stop(0)
    await sls.clock.settle()
    await run.catch(() => {})
    expect(deliveries.ahead).toEqual([])
    expect(drawnArrows()).toEqual(expect.arrayContaining(changesTold(sls.recorder)))
  })
  return {
    ...{ sls, clock: sls.clock, deliveries, worker, run },
    ended: () => ended,
    beats: () => sls.of(HEARTBEAT).map(({ at }) => at),
    reported: () => sls.of(HEARTBEAT).map((asked) => asked.json()),
    rebalanced: () => sls.recorder.of('rebalanced').map(({ args }) => args[1]),
    released: () => sls.recorder.of('shardReleased').map(({ args: [shard, how] }) => [(shard as ShardRef).shard, how]),
    group: () => sls.logstore.group(GROUP),
  }
}

/** The service takes the heartbeat and answers that we may hold these shards. */
export function entitledTo(...shards: number[]): Reply {
  return async (response, asked) => {
    await asked.handle()
    response.end(JSON.stringify(shards))
  }
}
