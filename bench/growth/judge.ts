import type { Committed } from './sls.ts'

/** Positions of one shard that are done, in any order: the first one that is not, and those after it that are. */
class Progress {
  #mark = 0
  readonly #ahead = new Set<number>()

  /** Everything before it is done. */
  get mark(): number {
    return this.#mark
  }

  /** Number of positions from `from` to `to` (exclusive) that were done already. */
  add(from: number, to: number): number {
    let again = 0
    for (let position = from; position < to; position++) {
      if (position < this.#mark || this.#ahead.has(position)) again++
      else this.#ahead.add(position)
    }
    while (this.#ahead.delete(this.#mark)) this.#mark++
    return again
  }
}

/** Checks all that replicas take, deliver, commit and release against the contract. */
export class Judge {
  /** Violations of the contract; empty when all is well. */
  readonly violations: string[] = []
  /** By shard. */
  readonly holders: Array<string | undefined>
  /** Total number of times that a shard was taken. */
  takes = 0
  /** Log groups that the SIEM got more than once. */
  duplicates = 0
  commits = 0
  /** The longest time that a shard had no holder since `forgetGaps`, in milliseconds. */
  longestGapMs = 0
  readonly #now: () => number
  readonly #freeSince: number[]
  readonly #accepted: Progress[]
  readonly #acknowledged: Progress[]

  constructor(shards: number, now: () => number) {
    this.#now = now
    this.holders = Array.from({ length: shards }, () => undefined)
    this.#freeSince = Array.from({ length: shards }, now)
    this.#accepted = Array.from({ length: shards }, () => new Progress())
    this.#acknowledged = Array.from({ length: shards }, () => new Progress())
  }

  forgetGaps(): void {
    this.longestGapMs = 0
    // The gap of a shard that is free now counts from here.
    for (const [shard, holder] of this.holders.entries()) if (!holder) this.#freeSince[shard] = this.#now()
  }

  took(replica: string, shard: number): void {
    this.takes++
    const holder = this.holders[shard]
    if (holder !== undefined) this.#violated(`shard ${shard} was taken by ${replica} while ${holder} held it`)
    this.holders[shard] = replica
    this.longestGapMs = Math.max(this.longestGapMs, this.#now() - (this.#freeSince[shard] as number))
  }

  letGo(replica: string, shard: number): void {
    if (this.holders[shard] !== replica) return
    this.holders[shard] = undefined
    this.#freeSince[shard] = this.#now()
  }

  /** The SIEM has these positions now. */
  accepted(shard: number, from: number, to: number): void {
    this.duplicates += (this.#accepted[shard] as Progress).add(from, to)
  }

  /** The replica knows that the SIEM has them. */
  acknowledged(shard: number, from: number, to: number): void {
    ;(this.#acknowledged[shard] as Progress).add(from, to)
  }

  committed({ consumer, shard, position }: Committed): void {
    this.commits++
    const holder = this.holders[shard]
    if (holder !== consumer) this.#violated(`${consumer} committed shard ${shard}, held by ${holder ?? 'no replica'}`)
    const { mark } = this.#acknowledged[shard] as Progress
    if (!(position <= mark)) this.#violated(`shard ${shard} was committed at ${position}, acknowledged to ${mark}`)
  }

  /** Checks that a shard was delivered to its end. Call it after the last write, when there was time for everything. */
  assertDelivered(shard: number, end: number): void {
    const { mark } = this.#accepted[shard] as Progress
    if (mark !== end) this.#violated(`shard ${shard} has ${end} log groups, delivered to ${mark}`)
  }

  failed(replica: string, what: string): void {
    this.#violated(`${replica}: ${what}`)
  }

  #violated(what: string): void {
    this.violations.push(`at ${Math.round(this.#now())} ms: ${what}`)
  }
}
