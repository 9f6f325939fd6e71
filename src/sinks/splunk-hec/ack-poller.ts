import pLimit from 'p-limit'
import { abortable } from '../../core/abortable.ts'
import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { AckResult, OpenPost } from './ack-channel.ts'
import { AckChannel, AckWait } from './ack-channel.ts'
import type { HecClient } from './client.ts'
import type { CookieJar } from './cookie-jar.ts'
import { judgeAck } from './response.ts'

const MOST_OWN_CHANNELS = 16
const MOST_UNACKED = 512
const IDS_PER_QUERY = 1_000
const QUERIES_AT_ONCE = 4
const QUERY_TIMEOUT_MS = 10_000
/** How long the channel of an unanswered POST is asked before the POST is repeated. */
const LONGEST_DOUBT_MS = 30_000
/** Where acks are known to come faster, it is asked for so many times their delay. */
const DOUBT_DELAYS = 2
/** Each ack makes a longer delay of before count less. */
const DELAY_FORGOTTEN = 0.95

export interface AckPollerOptions {
  readonly client: HecClient
  readonly pollMs: number
  readonly timeoutMs: number
  readonly requestTimeoutMs: number
  readonly clock: Clock
  /** The sink's configured name. */
  readonly sink: string
  readonly telemetry: Pick<Telemetry, 'acknowledged' | 'acknowledgementFailed'>
  /** `/ack` was answered with a configuration fault. */
  readonly refused: (fault: Fault) => void
  /** A request was acknowledged, or will not be although it was accepted; `sinceMs`: when it was accepted. */
  readonly settled: (result: 'acked' | 'missed', sinceMs: number) => void
}

/** Settles when the request is acknowledged, lost, too late, or its lease ended. Never rejects. */
export type PendingAck = Promise<AckResult>

/** One POST's use of a channel. Exactly one ending must be called. */
export interface AckUse {
  /** For the header of the request. */
  readonly channel: string
  readonly cookies: CookieJar
  /** The channel is for this POST alone, so that a lost answer can be asked for. */
  readonly own: boolean
  /** Answered with an ack id: asked about until it is acknowledged, lost or too late. */
  accepted(ackId: number): PendingAck
  /** Not answered: the only id that a channel of its own can give is asked about. */
  doubtful(): PendingAck
  /** Ended without an ack id. `mayHaveTakenAnId`: it reached a server that may have given it one without telling. */
  ended(mayHaveTakenAnId: boolean): void
}

/** Indexer acknowledgement at one endpoint: hands out channels, asks about what was accepted, gives up at the deadline. */
export class AckPoller {
  readonly #options: AckPollerOptions
  readonly #channels = new Set<AckChannel>()
  readonly #stop = new AbortController()
  readonly #query = pLimit(QUERIES_AT_ONCE)
  readonly #roomWanted = new Set<() => void>()
  #shared: AckChannel
  /** About the longest of late, in milliseconds from an accepted request to its ack; `undefined` before the first. */
  #delayMs: number | undefined
  /** POSTs under way or accepted and unacknowledged. */
  #unacked = 0
  #polling = false

  constructor(options: AckPollerOptions) {
    this.#options = options
    this.#shared = this.#open(false)
  }

  /**
   * A channel for one POST. `acks`: the endpoint is known to acknowledge, so the number of unacknowledged requests is
   * bounded (waits for room), and the POST gets a channel of its own while those are few, or when `own` asks for one.
   */
  async begin(want: { acks: boolean; own: boolean }, signal: AbortSignal): Promise<AckUse> {
    while (want.acks && this.#unacked >= MOST_UNACKED) await this.#room(signal)
    this.#unacked++
    const now = this.#options.clock.monotonic()
    const own = want.acks && (want.own || this.#ownChannels() < MOST_OWN_CHANNELS)
    const channel = own ? this.#open(true) : this.#sharedChannel(now)
    return this.#use(channel, channel.begin(now), signal)
  }

  /** The server's memory for this channel is full: leave it to be drained and take another. */
  rotate(): void {
    this.#shared.retire()
  }

  /** The token no longer acknowledges: what waits is to be sent again. */
  lose(): void {
    for (const channel of [...this.#channels]) channel.lose()
  }

  close(): void {
    this.#stop.abort()
  }

  #use(channel: AckChannel, post: OpenPost, signal: AbortSignal): AckUse {
    const { timeoutMs } = this.#options
    return {
      channel: channel.id,
      cookies: channel.cookies,
      own: channel.own,
      accepted: (ackId) => {
        const wait = this.#wait(() => timeoutMs, true)
        channel.accepted(post, ackId, wait)
        return this.#pending(channel, wait, signal)
      },
      doubtful: () => {
        const wait = this.#wait(() => Math.min(this.#doubtMs, timeoutMs), false)
        channel.presume(post, wait)
        return this.#pending(channel, wait, signal)
      },
      ended: (mayHaveTakenAnId) => {
        channel.ended(post, mayHaveTakenAnId)
        this.#ended()
      },
    }
  }

  get #doubtMs(): number {
    if (this.#delayMs === undefined) return LONGEST_DOUBT_MS
    return Math.min(LONGEST_DOUBT_MS, DOUBT_DELAYS * Math.max(this.#delayMs, this.#options.pollMs))
  }

  /** A wait of at most `limitMs`. Its request counts as unacknowledged until the wait is finished. */
  #wait(limitMs: () => number, isAccepted: boolean): AckWait {
    const { clock, sink, telemetry, settled } = this.#options
    const since = clock.monotonic()
    return new AckWait(
      () => since + limitMs(),
      (result) => {
        this.#ended()
        if (result === 'acked') settled('acked', since)
        else if (isAccepted && result !== 'cancelled') settled('missed', since)
        if (result !== 'acked') return
        const delayMs = clock.monotonic() - since
        this.#delayMs = Math.max(delayMs, DELAY_FORGOTTEN * (this.#delayMs ?? 0))
        telemetry.acknowledged(sink, delayMs / 1000)
      },
    )
  }

  /** From now on `channel` is asked about `wait`, unless the lease behind `signal` ends. */
  #pending(channel: AckChannel, wait: AckWait, signal: AbortSignal): PendingAck {
    const cancel = (): void => channel.cancel(wait)
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { once: true })
    if (!this.#polling && !this.#stop.signal.aborted) void this.#poll()
    return wait.result.finally(() => signal.removeEventListener('abort', cancel))
  }

  /** One unacknowledged request less. */
  #ended(): void {
    this.#unacked--
    for (const channel of this.#channels) {
      if (channel.idle && channel !== this.#shared) this.#channels.delete(channel)
    }
    const next = this.#roomWanted.values().next().value
    next?.()
  }

  async #room(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const granted = (): void => {
      this.#roomWanted.delete(granted)
      resolve()
    }
    this.#roomWanted.add(granted)
    try {
      await abortable(promise, signal)
    } finally {
      this.#roomWanted.delete(granted)
    }
  }

  #open(own: boolean): AckChannel {
    const channel = new AckChannel(own, this.#options.clock.monotonic())
    this.#channels.add(channel)
    return channel
  }

  #sharedChannel(now: number): AckChannel {
    if (!this.#shared.fit(now)) {
      const left = this.#shared
      this.#shared = this.#open(false)
      if (left.idle) this.#channels.delete(left)
    }
    return this.#shared
  }

  #ownChannels(): number {
    let count = 0
    for (const channel of this.#channels) if (channel.own) count++
    return count
  }

  /** Asks in rounds until nothing waits any more. */
  async #poll(): Promise<void> {
    const { clock, pollMs, timeoutMs } = this.#options
    const stop = this.#stop.signal
    this.#polling = true
    while (await sleepUnlessAborted(clock, Math.min(pollMs, timeoutMs), stop)) {
      const waiting = [...this.#channels].filter((channel) => !channel.idle)
      for (const channel of waiting) {
        if (!channel.asking && channel.ids().length > 0) void this.#ask(channel)
      }
      if (waiting.length === 0) {
        this.#polling = false
        return
      }
    }
  }

  async #ask(channel: AckChannel): Promise<void> {
    const { clock, sink, telemetry, refused } = this.#options
    channel.asking = true
    try {
      const ids = channel.ids()
      for (let from = 0; from < ids.length; from += IDS_PER_QUERY) {
        await this.#query(() => this.#askAbout(channel, ids.slice(from, from + IDS_PER_QUERY)))
      }
    } catch (error) {
      // The next round asks again; the deadline ends it. Anything else is a bug.
      if (!(error instanceof Fault) && !this.#stop.signal.aborted) throw error
      if (error instanceof Fault && error.kind === 'configuration') refused(error)
      else if (error instanceof Fault) telemetry.acknowledgementFailed(sink, error)
    } finally {
      channel.asking = false
      // After asking, so that a process that was stopped for long does not give up what it never asked about.
      channel.expire(clock.monotonic())
    }
  }

  async #askAbout(channel: AckChannel, ids: readonly number[]): Promise<void> {
    const { client, clock, requestTimeoutMs } = this.#options
    const response = await client.post({
      to: 'ack',
      body: Buffer.from(JSON.stringify({ acks: ids })),
      channel: channel.id,
      cookies: channel.cookies,
      signal: this.#stop.signal,
      timeoutMs: Math.min(QUERY_TIMEOUT_MS, requestTimeoutMs),
    })
    const told = judgeAck(response)
    if (told instanceof Fault) throw told
    const asked = new Set(ids)
    // Not awaited: it may have to wait for POSTs that take long, and other ids must be asked about meanwhile.
    void channel.told(
      told.filter((id) => asked.has(id)),
      clock.monotonic(),
    )
  }
}
