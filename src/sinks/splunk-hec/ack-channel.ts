import { randomUUID } from 'node:crypto'
import { CookieJar } from './cookie-jar.ts'

const MOST_IDS = 10_000
/** splunkd forgets a channel after 600 s without use and would then count from 0 again, which looks like a restart. */
const LONGEST_IDLE_MS = 300_000
/** splunkd counts from 0, the OpenTelemetry Collector from 1. */
const FIRST_IDS = [0, 1]

/** `lost`: the server forgot the id, or it is no longer certain which request the id belongs to. */
export type AckResult = 'acked' | 'timeout' | 'lost' | 'cancelled'

/** A request that was accepted and waits for its ack; `result` never rejects. */
export class AckWait {
  readonly result: Promise<AckResult>
  /** Monotonic milliseconds; may come nearer while it waits. */
  readonly deadline: () => number
  /** The server has said `true`, which it says once: from here on neither asked again nor timed out. */
  told = false
  readonly #finish: (result: AckResult) => void

  constructor(deadline: () => number, finished: (result: AckResult) => void) {
    const { promise, resolve } = Promise.withResolvers<AckResult>()
    this.result = promise
    this.deadline = deadline
    this.#finish = (result) => {
      finished(result)
      resolve(result)
    }
  }

  finish(result: AckResult): void {
    this.#finish(result)
  }
}

/** One POST on a channel, from before its first byte to its answer. */
export interface OpenPost {
  /** The highest ack id known when it began: a server that still has its state must answer with a higher one. */
  readonly highestBefore: number
  readonly ended: Promise<void>
  readonly end: () => void
}

/**
 * An ack channel. Its ids count up from 0 or 1 in the memory of one server, `true` is told once, and a restarted server
 * counts from the start again under the same name. The danger is the restart: a `true` for a new request must not settle an
 * old request that had the same id.
 */
export class AckChannel {
  readonly id: string = randomUUID()
  readonly cookies = new CookieJar()
  /** For a single POST. Its id is known without an answer: it is the channel's first. */
  readonly own: boolean
  asking = false
  readonly #pending = new Map<number, AckWait>()
  readonly #seen = new Set<number>()
  readonly #open = new Set<OpenPost>()
  #highest = -1
  /** POSTs that may have been given an id that no answer told. */
  #unanswered = 0
  #retired = false
  #usedAt: number

  constructor(own: boolean, now: number) {
    this.own = own
    this.#usedAt = now
  }

  get idle(): boolean {
    return this.#pending.size === 0 && this.#open.size === 0
  }

  /** May it take further POSTs? Not after an unanswered one: its unknown id would put the next ones in doubt, too. */
  fit(now: number): boolean {
    if (this.#retired || this.#unanswered > 0 || this.#seen.size >= MOST_IDS) return false
    return !this.idle || now - this.#usedAt < LONGEST_IDLE_MS
  }

  /** No further POSTs; what waits goes on waiting. */
  retire(): void {
    this.#retired = true
  }

  begin(now: number): OpenPost {
    const { promise, resolve } = Promise.withResolvers<void>()
    const post: OpenPost = {
      highestBefore: this.#highest,
      ended: promise,
      end: () => {
        this.#open.delete(post)
        resolve()
      },
    }
    this.#usedAt = now
    this.#open.add(post)
    return post
  }

  /**
   * The POST was answered with `ackId`. An id that was given before shows a restarted server, or a second one behind a
   * balancer: which of the requests a `true` is about can't be known, so all are lost, this one too.
   */
  accepted(post: OpenPost, ackId: number, wait: AckWait): void {
    if (this.own) {
      this.#pending.set(ackId, wait)
      post.end()
      return
    }
    if (ackId <= post.highestBefore || this.#seen.has(ackId)) {
      this.lose()
      post.end()
      wait.finish('lost')
      return
    }
    this.#highest = Math.max(this.#highest, ackId)
    this.#seen.add(ackId)
    this.#pending.set(ackId, wait)
    post.end()
  }

  /** The POST ended without an ack id. */
  ended(post: OpenPost, mayHaveTakenAnId: boolean): void {
    if (mayHaveTakenAnId) this.#unanswered++
    post.end()
  }

  /** An unanswered POST on a channel of its own: if it arrived, its id is the first. */
  presume(post: OpenPost, wait: AckWait): void {
    for (const id of FIRST_IDS) this.#pending.set(id, wait)
    post.end()
  }

  cancel(wait: AckWait): void {
    for (const [id, pending] of this.#pending) {
      if (pending === wait) this.#finish(id, wait, 'cancelled')
    }
  }

  /** Ids to ask about. */
  ids(): number[] {
    return [...this.#pending].filter(([, wait]) => !wait.told).map(([id]) => id)
  }

  expire(now: number): void {
    for (const [id, wait] of this.#pending) {
      if (!wait.told && wait.deadline() <= now) this.#finish(id, wait, 'timeout')
    }
  }

  /**
   * The server said `true` for these. On a shared channel that is believed only when every POST under way at that moment
   * has ended: one of them may have been given the same id by a restarted server, which its answer reveals.
   */
  async told(ids: readonly number[], now: number): Promise<void> {
    this.#usedAt = now
    const waits = ids.map((id) => [id, this.#pending.get(id)] as const)
    for (const [, wait] of waits) if (wait) wait.told = true
    if (!this.own) await Promise.all([...this.#open].map((post) => post.ended))
    for (const [id, wait] of waits) {
      if (wait && this.#pending.get(id) === wait) {
        this.#finish(id, wait, this.own || this.#wasTold(id) ? 'acked' : 'lost')
      }
    }
  }

  /** No answer will ever say `true` here again. */
  lose(): void {
    this.#retired = true
    for (const [id, wait] of this.#pending) this.#finish(id, wait, 'lost')
  }

  /**
   * Whether the id can only be of a POST whose answer told it. The u POSTs that ended without an id have taken ids up to u at
   * most (u when the server counts from 1); a higher one would have revealed a restart in another answer.
   */
  #wasTold(id: number): boolean {
    return this.#unanswered === 0 || id > this.#unanswered
  }

  #finish(id: number, wait: AckWait, result: AckResult): void {
    // On a channel of its own every id that is asked about is the same POST's.
    if (this.own) this.#pending.clear()
    else this.#pending.delete(id)
    wait.finish(result)
  }
}
