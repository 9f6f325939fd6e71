import type { ShardStatus, SlsClient } from './client.ts'

/** One shard of the logstore, with what the service knows of the consumer group there. */
export interface GroupShard {
  readonly shard: number
  readonly status: ShardStatus | undefined
  /** `''` when there is none yet. */
  readonly checkpoint: string
  /** The consumer that committed the checkpoint last, `''` if none has. */
  readonly consumer: string
  /** Unix milliseconds; `undefined` if nothing was ever committed. */
  readonly committedAt: number | undefined
}

/** Every shard of the logstore, also the shards without an owner or a checkpoint. Throws a Fault. */
export async function shardsOfGroup(client: SlsClient, group: string, signal: AbortSignal): Promise<GroupShard[]> {
  const [shards, checkpoints] = await Promise.all([
    client.listShards(signal),
    client.getCheckpoints(group, undefined, signal),
  ])
  const byShard = new Map(checkpoints.map((checkpoint) => [checkpoint.shard, checkpoint]))
  return shards.map(({ shardId, status }) => {
    const { checkpoint = '', consumer = '', updateTime = 0 } = byShard.get(shardId) ?? {}
    const committedAt = updateTime === 0 ? undefined : Math.round(updateTime / 1000)
    return { shard: shardId, status, checkpoint, consumer, committedAt }
  })
}
