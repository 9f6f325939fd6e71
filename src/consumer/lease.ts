import { Fault } from '../core/errors.ts'
import type { Lease } from '../core/lease.ts'
import type { ShardRef } from '../core/shard.ts'
import { shardName } from '../core/shard.ts'

/** The lease of one shard. Once lost it stays lost: a shard that is taken again gets a new lease. */
export class ShardLease implements Lease {
  readonly shard: ShardRef
  readonly #ended = new AbortController()
  readonly #renewedUntil: () => number
  readonly #now: () => number

  /** `renewedUntil`: until when the last successful heartbeat certainly holds, in monotonic milliseconds. */
  constructor(shard: ShardRef, renewedUntil: () => number, now: () => number) {
    this.shard = shard
    this.#renewedUntil = renewedUntil
    this.#now = now
  }

  get signal(): AbortSignal {
    return this.#ended.signal
  }

  assertHeld(): void {
    this.signal.throwIfAborted()
    if (this.#now() < this.#renewedUntil()) return
    this.lose('it was not renewed within the consumer group’s timeout')
    this.signal.throwIfAborted()
  }

  lose(reason: string): void {
    if (this.signal.aborted) return
    this.#ended.abort(new Fault('lease', `lease of ${shardName(this.shard)} lost: ${reason}`, { code: 'lease_lost' }))
  }
}
