import type { ShardRef } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'

/**
 * The life of a shard from the lease to its end. A test compares this drawing with the names below, and with what happens.
 *
 *   starting → pulling ⇄ waiting
 *              pulling ⇄ paused
 *              pulling ⇄ expired
 *              pulling ⇄ finished
 *   starting → drained
 *   paused → expired
 *   pulling, waiting, paused, expired, finished → draining → drained
 *   pulling, paused, expired, finished → gone → lost
 *   starting, pulling, waiting, paused, expired, finished, draining → lost
 *
 * - starting: the checkpoint is asked for, or the configured start.
 * - pulling: logs are pulled, encoded and handed to the sink; checkpoints follow the acknowledgements.
 * - waiting: the last pull reached the end of the shard.
 * - paused: pulls fail until somebody changes something, or the same bytes were corrupt several times.
 * - expired: the cursor points before the oldest log retained. With `SLS_EXPIRED_CURSOR=fail` this lasts until somebody
 *   sets the checkpoint.
 * - finished: the shard is read-only, and its end is committed. It is held until the service takes it away.
 * - gone: the service has removed the shard. What was pulled of it is still delivered.
 * - draining: nothing more is pulled. What was pulled is awaited and committed.
 * - drained: everything pulled is settled and committed.
 * - lost: the lease is over. Nothing more is delivered or committed.
 */
type ShardPhase =
  | 'starting'
  | 'pulling'
  | 'waiting'
  | 'paused'
  | 'expired'
  | 'finished'
  | 'gone'
  | 'draining'
  | 'drained'
  | 'lost'

/** The phase of one shard. Each change is a line of the log at level `debug`. */
export class ShardLife {
  readonly #shard: ShardRef
  readonly #telemetry: Telemetry
  #phase: ShardPhase = 'starting'

  constructor(shard: ShardRef, telemetry: Telemetry) {
    this.#shard = shard
    this.#telemetry = telemetry
  }

  enter(phase: ShardPhase): void {
    if (phase === this.#phase) return
    this.#telemetry.shardPhase(this.#shard, this.#phase, phase)
    this.#phase = phase
  }
}
