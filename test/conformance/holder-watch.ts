import type { ConsumerGroupState } from '../../src/emulator/sls/state.ts'
import type { Call } from './member-line.ts'

/**
 * Something done to a shard by somebody who did not hold it.
 *
 * Nobody does that while heartbeats come through: a hand-over ends with the old holder's report without the shard, and the
 * new one learns of it from an answer. After a freeze the official workers go on until a heartbeat tells them better: they
 * pull, process, and commit. Java's commits are refused then (`forceSuccess=false`); those of Python and Go are forced and
 * taken by the service, wherever the shard's true holder is by now. Ours asks the clock before each delivery and each
 * commit, and forces nothing, so it must be found here for neither, whatever happened to it.
 */
export interface Trespass {
  consumer: string
  /** `force`: a forced commit by one of ours, holder or not. */
  what: 'pull' | 'delivery' | 'commit' | 'force'
  shard: number
  holder: string
}

/** Looks at the emulator's state the moment somebody does something to a shard. */
export class HolderWatch {
  readonly trespasses: Trespass[] = []
  /** Names of our replicas. */
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
    // Has no holder, and nothing to find or to change; the last one hears of it only from the answer to a heartbeat.
    const over = state === 'O' && (call.api === 'pull' || call.checkpoint === checkpoint)
    if (!over) this.#assertHolder(consumer, call.api, call.shard)
  }

  /** Something of this shard came out of it. */
  delivered(consumer: string, shard: number): void {
    this.#assertHolder(consumer, 'delivery', shard)
  }

  /**
   * Exact although it is asked from outside. What a member does is seen here before the heartbeat with which it gives the
   * shard up, since that passes through this process too, later; and it learns of a new shard only after the emulator has
   * given it away.
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
