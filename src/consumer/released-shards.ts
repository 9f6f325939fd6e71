import type { Telemetry } from '../core/telemetry.ts'
import type { ShardCheckpoint } from '../sls/client.ts'
import type { Membership } from './consumer-group.ts'
import type { ReadonlyShards } from './readonly-shards.ts'

export interface ReleasedShardsOptions {
  readonly membership: Pick<Membership, 'client' | 'logstore'>
  readonly readonlyShards: ReadonlyShards
  readonly telemetry: Pick<Telemetry, 'shardEnded'>
}

/**
 * The shards that this replica once held, and does not hold now. Its metrics say so, and an alert sees that no replica holds
 * one of them. A shard that another replica has read to its end, or that is deleted, needs no holder: this finds it out.
 */
export class ReleasedShards {
  readonly #options: ReleasedShardsOptions
  readonly #shards = new Set<number>()

  constructor(options: ReleasedShardsOptions) {
    this.#options = options
  }

  released(shard: number): void {
    this.#shards.add(shard)
  }

  taken(shard: number): void {
    this.#shards.delete(shard)
  }

  /** `checkpoints`: all of the group, as just read. Rejects with a Fault when the service does not answer. */
  async look(checkpoints: readonly ShardCheckpoint[], signal: AbortSignal): Promise<void> {
    const { membership, telemetry } = this.#options
    for (const shard of [...this.#shards]) {
      const checkpoint = checkpoints.find((entry) => entry.shard === shard)?.checkpoint
      const ended = await this.#ended(shard, checkpoint, signal)
      // It may have been taken while the service was asked.
      if (ended && this.#shards.delete(shard)) telemetry.shardEnded({ ...membership.logstore, shard })
    }
  }

  async #ended(shard: number, checkpoint: string | undefined, signal: AbortSignal): Promise<boolean> {
    const { membership, readonlyShards } = this.#options
    if (!(await readonlyShards.exists(shard))) return true
    if (!checkpoint || !(await readonlyShards.has(shard))) return false
    return (await membership.client.getCursor(shard, 'end', signal)) === checkpoint
  }
}
