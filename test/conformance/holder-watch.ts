import type { ConsumerGroupState } from '../../src/emulator/sls/state.ts'
import type { Call } from './member-line.ts'

/**
 * An action on a shard by a member that did not hold it.
 *
 * It never happens while heartbeats work: a hand-over ends when the old holder's heartbeat no longer lists the shard, and the
 * new holder learns of it from an answer. After a freeze the official workers continue until their next heartbeat: they pull,
 * process and commit. The service refuses Java's commits (`forceSuccess=false`). Python and Go force theirs, and the service
 * accepts them, wherever the holder's checkpoint is. The bridge checks its clock before each delivery and commit and forces
 * nothing. So it must never appear here.
 */
export interface Trespass {
  consumer: string
  /** `force`: a forced commit by the bridge, holder or not. */
  what: 'pull' | 'delivery' | 'commit' | 'force'
  shard: number
  holder: string
}

/** Compares each action on a shard with the emulator's state at that moment. */
export class HolderWatch {
  readonly trespasses: Trespass[] = []
  /** Names of the bridge's replicas. */
  readonly ours = new Set<string>()
  readonly #shards: () => ConsumerGroupState['shards']

  constructor(shards: () => ConsumerGroupState['shards']) {
    this.#shards = shards
  }

  /** A request is on its way to the service. */
  asked(consumer: string, call: Call): void {
    if (call.api !== 'pull' && call.api !== 'commit') return
    if (call.api === 'commit' && call.force && this.ours.has(consumer)) this.#trespassed(consumer, 'force', call.shard)
    const { state, checkpoint } = this.#shard(call.shard) ?? {}
    // A shard without a holder cannot be changed. Its last holder learns of it only from the answer to a heartbeat.
    const over = state === 'O' && (call.api === 'pull' || call.checkpoint === checkpoint)
    if (!over) this.#assertHolder(consumer, call.api, call.shard)
  }

  /** A member consumed logs of this shard. */
  delivered(consumer: string, shard: number): void {
    this.#assertHolder(consumer, 'delivery', shard)
  }

  /**
   * This is exact although it runs outside the member. An action arrives here before the heartbeat that releases the shard,
   * because that heartbeat passes through this process too. A member learns of a new shard only after the emulator assigned it.
   */
  #assertHolder(consumer: string, what: Trespass['what'], shard: number): void {
    if (this.#shard(shard)?.holder !== consumer) this.#trespassed(consumer, what, shard)
  }

  #trespassed(consumer: string, what: Trespass['what'], shard: number): void {
    this.trespasses.push({ consumer, what, shard, holder: this.#shard(shard)?.holder ?? 'nobody' })
  }

  #shard(id: number) {
    return this.#shards().find(({ shard }) => shard === id)
  }
}
