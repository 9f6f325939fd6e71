import { SlsRefusal } from './refusal.ts'
import type { Shard } from './shard.ts'

export interface ReadQuotaOptions {
  /** Inflated bytes per second and shard. */
  bytesPerSecond?: number
  /** Pulls per second and shard. */
  requestsPerSecond?: number
  /** Default ReadQuotaExceed; the service also has ShardReadQuotaExceed. */
  code?: 'ReadQuotaExceed' | 'ShardReadQuotaExceed'
}

interface Balance {
  bytes: number
  requests: number
  at: number
}

/**
 * One second's worth per shard, refilled steadily. It is soft, like the service's: a pull is answered whole as long as
 * anything is left, and later pulls wait until the excess is made up.
 */
export class ReadQuota {
  readonly #options: ReadQuotaOptions
  readonly #balances = new WeakMap<Shard, Balance>()

  constructor(options: ReadQuotaOptions) {
    this.#options = options
  }

  /** Refuses while the shard's quota is used up; counts a request otherwise. */
  assertOpen(shard: Shard, now: number): void {
    const balance = this.#refilled(shard, now)
    if (balance.bytes <= 0) this.#refuse('shard read bytes exceed quota limits')
    if (balance.requests < 1) this.#refuse('shard read qps exceed quota limits')
    balance.requests -= 1
  }

  spend(shard: Shard, bytes: number): void {
    const balance = this.#balances.get(shard)
    if (balance) balance.bytes -= bytes
  }

  #refilled(shard: Shard, now: number): Balance {
    const { bytesPerSecond = Number.POSITIVE_INFINITY, requestsPerSecond = Number.POSITIVE_INFINITY } = this.#options
    const before = this.#balances.get(shard) ?? { bytes: bytesPerSecond, requests: requestsPerSecond, at: now }
    const seconds = Math.max(0, now - before.at) / 1000
    const balance = {
      bytes: refill(before.bytes, bytesPerSecond, seconds),
      requests: refill(before.requests, requestsPerSecond, seconds),
      at: now,
    }
    this.#balances.set(shard, balance)
    return balance
  }

  #refuse(text: string): never {
    throw new SlsRefusal(this.#options.code ?? 'ReadQuotaExceed', text)
  }
}

function refill(left: number, perSecond: number, seconds: number): number {
  return perSecond === Number.POSITIVE_INFINITY ? perSecond : Math.min(perSecond, left + perSecond * seconds)
}
