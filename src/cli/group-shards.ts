import type { GroupShard } from '../observability/status.ts'
import type { SlsClient } from '../sls/client.ts'

export interface ShardOfGroup extends GroupShard {
  /** `''` when there is none yet. */
  checkpoint: string
}

/** Every shard of the logstore, also those nobody holds or has committed yet, with what the service knows of the group. */
export async function shardsOfGroup(client: SlsClient, group: string, signal: AbortSignal): Promise<ShardOfGroup[]> {
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
