import type { Deliver } from '../../../src/consumer/downstream.ts'
import type { Batch } from '../../../src/core/batch.ts'
import type { Lease } from '../../../src/core/lease.ts'
import type { Asked, SlsDouble } from './sls-double.ts'

/** One batch on its way. */
export interface Delivery {
  readonly batch: Batch
  readonly shard: number
  /** Position of its log group. */
  readonly position: number
  readonly log: number
  /** Its first request goes out. */
  start(): void
  ack(): void
  fail(error: unknown): void
}

/** A sink whose deliveries the test settles. It also judges every commit. */
export class DeliveryScript {
  /** Deliveries not yet settled, in the order in which they came. */
  readonly pending: Delivery[] = []
  /** `shard:position:log` of every batch handed over, with repetitions. */
  readonly seen: string[] = []
  /** Commits ahead of a wanted log that was not acknowledged. */
  readonly ahead: string[] = []
  /** Whether the first request of a batch goes out at once. */
  starting = true
  /** Acknowledges each batch at once. */
  acknowledging = false
  /** Everything before this position was delivered in an earlier life of the shard. */
  deliveredBefore = 0
  /** Batches seen in earlier lives of the shard. Those not settled may have expired before this life could read them. */
  seenEarlier = 0
  readonly #sls: SlsDouble
  readonly #acked = new Set<string>()

  constructor(sls: SlsDouble) {
    this.#sls = sls
    sls.onRequest = (asked) => this.#judge(asked)
  }

  readonly deliver: Deliver = (batch, lease, started) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { shard, position, log } = this.#originOf(batch)
    const id = `${shard}:${position}:${log}`
    const end = (): void => {
      if (this.pending.includes(delivery)) this.pending.splice(this.pending.indexOf(delivery), 1)
    }
    const delivery: Delivery = {
      ...{ batch, shard, position, log },
      start: started,
      ack: () => {
        end()
        this.#acked.add(id)
        resolve()
      },
      fail: (error) => {
        end()
        reject(error)
      },
    }
    this.seen.push(id)
    this.pending.push(delivery)
    lease.signal.addEventListener('abort', () => delivery.fail(lease.signal.reason), { once: true })
    if (this.starting) this.#start(delivery, lease)
    if (this.acknowledging) delivery.ack()
    return promise
  }

  /** Acknowledges the pending deliveries of these positions, or all. */
  ack(...positions: number[]): void {
    const meant = ({ position }: Delivery): boolean => positions.length === 0 || positions.includes(position)
    for (const delivery of this.pending.filter(meant)) delivery.ack()
  }

  /** Positions of retained, wanted logs that were never acknowledged. */
  missing(shard = 0): number[] {
    const { begin } = this.#sls.logstore.shard(shard)
    return [...(this.#sls.written.get(shard) ?? []).entries()]
      .filter(([at, { topic }]) => topic === 'audit' && at >= begin)
      .filter(([at, { logs }]) =>
        Array.from({ length: logs }).some((_, log) => !this.#acked.has(`${shard}:${at}:${log}`)),
      )
      .map(([at]) => at)
  }

  positions(): number[] {
    return this.pending.map(({ position }) => position)
  }

  /** As a sink does before each request. */
  #start(delivery: Delivery, lease: Lease): void {
    try {
      lease.assertHeld()
      delivery.start()
    } catch (error) {
      delivery.fail(error)
    }
  }

  #originOf(batch: Batch): { shard: number; position: number; log: number } {
    const { event, fields } = JSON.parse(batch.bytes.subarray(0, batch.ends[0]).toString())
    const [, id, number, log] = String(fields.sls_event_id).split(':') as [string, string, string, string]
    const shard = this.#sls.logstore.shard(Number(id))
    // With a query a hash is the id. Tests write one group of numbered logs then.
    if (number === 'h') return { shard: shard.id, position: 0, log: Number(event.log) }
    return { shard: shard.id, position: Number(BigInt(number) - shard.number(0)), log: Number(log) }
  }

  #judge(asked: Asked): void {
    if (asked.api !== 'ConsumerGroupUpdateCheckPoint') return
    const shard = this.#sls.logstore.shard(asked.shard)
    const { checkpoint } = asked.json() as { checkpoint: string }
    const position = shard.find(checkpoint) ?? Number.NaN
    for (const [at, { topic, logs }] of (this.#sls.written.get(shard.id) ?? []).slice(0, position).entries()) {
      if (topic !== 'audit' || at < this.deliveredBefore) continue
      for (let log = 0; log < logs; log++) {
        const id = `${shard.id}:${at}:${log}`
        const expired = at < shard.begin && !this.seen.includes(id, this.seenEarlier)
        if (!this.#acked.has(id) && !expired) this.ahead.push(`commit at ${position} before ${id}`)
      }
    }
  }
}
