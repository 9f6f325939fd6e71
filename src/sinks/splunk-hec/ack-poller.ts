import pLimit from 'p-limit'
import { abortable } from '../../core/abortable.ts'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { AckResult, Posting } from './ack-channel.ts'
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

export interface AckPollerOptions {
  readonly client: HecClient
  readonly pollMs: number
  readonly timeoutMs: number
  readonly requestTimeoutMs: number
  readonly clock: Clock
  readonly sink: string
  readonly telemetry: Pick<Telemetry, 'acknowledged' | 'acknowledgementFailed'>
  /** `/ack` was answered with a configuration fault. */
  readonly refused: (fault: Fault) => void
}

/** Indexer acknowledgement at one endpoint: hands out channels, asks about what was accepted, gives up at the deadline. */
export class AckPoller {
  readonly #options: AckPollerOptions
  readonly #channels = new Set<AckChannel>()
  readonly #stop = new AbortController()
  readonly #query = pLimit(QUERIES_AT_ONCE)
  readonly #roomWanted = new Set<() => void>()
  #shared: AckChannel
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
  async begin(want: { acks: boolean; own: boolean }, signal: AbortSignal): Promise<AckTurn> {
    while (want.acks && this.#unacked >= MOST_UNACKED) await this.#room(signal)
    this.#unacked++
    const now = this.#options.clock.monotonic()
    const own = want.acks && (want.own || this.#ownChannels() < MOST_OWN_CHANNELS)
    const channel = own ? this.#open(true) : this.#sharedChannel(now)
    return new AckTurn(this, channel, channel.begin(now), signal)
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

  /** For AckTurn: a wait of at most `limitMs` that counts as unacknowledged until it is finished. */
  waiting(limitMs: number = this.#options.timeoutMs): AckWait {
    const since = this.#options.clock.monotonic()
    return new AckWait(since + limitMs, (result) => {
      this.ended()
      const { clock, sink, telemetry } = this.#options
      if (result === 'acked') telemetry.acknowledged(sink, (clock.monotonic() - since) / 1000)
    })
  }

  /** For AckTurn: how long an unanswered POST is asked about. */
  get doubtMs(): number {
    return Math.min(LONGEST_DOUBT_MS, this.#options.timeoutMs)
  }

  /** For AckTurn: something on a channel is to be asked about from now on. */
  wake(): void {
    if (this.#polling || this.#stop.signal.aborted) return
    this.#polling = true
    void this.#poll()
  }

  /** For AckTurn: one unacknowledged request less. */
  ended(): void {
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

  async #poll(): Promise<void> {
    const { clock, pollMs, timeoutMs } = this.#options
    const stop = this.#stop.signal
    for (;;) {
      const slept = await clock.sleep(Math.min(pollMs, timeoutMs), stop).then(
        () => true,
        () => false, // closed: the only thing that ends this sleep early
      )
      if (!slept) return
      const waiting = [...this.#channels].filter((channel) => !channel.idle)
      if (waiting.length === 0) break
      for (const channel of waiting) {
        if (!channel.asking && channel.ids().length > 0) void this.#ask(channel)
      }
    }
    this.#polling = false
  }

  async #ask(channel: AckChannel): Promise<void> {
    channel.asking = true
    try {
      const ids = channel.ids()
      for (let from = 0; from < ids.length; from += IDS_PER_QUERY) {
        await this.#query(() => this.#askAbout(channel, ids.slice(from, from + IDS_PER_QUERY)))
      }
    } catch (error) {
      // The next round asks again; the deadline ends it. Anything else is a bug.
      if (!(error instanceof Fault) && !this.#stop.signal.aborted) throw error
      if (error instanceof Fault && error.kind === 'configuration') this.#options.refused(error)
      else if (error instanceof Fault) this.#options.telemetry.acknowledgementFailed(this.#options.sink, error)
    } finally {
      channel.asking = false
      // After asking, so that a process that was stopped for long does not give up what it never asked about.
      channel.expire(this.#options.clock.monotonic())
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

/** Settles when the request is acknowledged, lost, too late, or its lease ended. Never rejects. */
export type PendingAck = Promise<AckResult>

/** One POST's use of a channel. Exactly one of the endings must be called, in the turn its answer is read. */
export class AckTurn {
  readonly #poller: AckPoller
  readonly #channel: AckChannel
  readonly #posting: Posting
  readonly #signal: AbortSignal

  constructor(poller: AckPoller, channel: AckChannel, posting: Posting, signal: AbortSignal) {
    this.#poller = poller
    this.#channel = channel
    this.#posting = posting
    this.#signal = signal
  }

  get channel(): string {
    return this.#channel.id
  }

  get cookies(): CookieJar {
    return this.#channel.cookies
  }

  /** Whether a lost answer can be asked for. */
  get own(): boolean {
    return this.#channel.own
  }

  /** Answered with an ack id: ask until it is acknowledged, lost or too late. */
  accepted(ackId: number): PendingAck {
    const wait = this.#poller.waiting()
    this.#channel.accepted(this.#posting, ackId, wait)
    return this.#pending(wait)
  }

  /** Nobody answered, but the only id on a channel of its own is known: ask whether it arrived. */
  doubtful(): PendingAck {
    const wait = this.#poller.waiting(this.#poller.doubtMs)
    this.#channel.presume(this.#posting, wait)
    return this.#pending(wait)
  }

  /** Ended without an ack id. `mayHaveTakenAnId`: it reached a server that may have given it one without telling. */
  ended(mayHaveTakenAnId: boolean): void {
    this.#channel.ended(this.#posting, mayHaveTakenAnId)
    this.#poller.ended()
  }

  #pending(wait: AckWait): PendingAck {
    const cancel = (): void => this.#channel.cancel(wait)
    if (this.#signal.aborted) cancel()
    else this.#signal.addEventListener('abort', cancel, { once: true })
    this.#poller.wake()
    return wait.result.finally(() => this.#signal.removeEventListener('abort', cancel))
  }
}
