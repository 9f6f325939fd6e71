import type { Batch, EncodeCounts, PullPosition } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import { whileWaiting } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { backoffMs, probeDelayMs, retryDelayMs, untilSuccess } from '../core/retry.ts'
import type { ShardRef } from '../core/shard.ts'
import type { PauseReason, Telemetry } from '../core/telemetry.ts'
import { ownTurn } from '../core/turns.ts'
import type { Pull, SlsClient } from '../sls/client.ts'
import { cursorNumber } from '../sls/cursor.ts'
import { SlsError } from '../sls/errors.ts'
import { firstGroupOf } from '../sls/pull.ts'
import type { PullReservation } from './byte-budget.ts'
import type { Downstream, SentEvents } from './downstream.ts'
import type { NothingWanted } from './nothing-wanted.ts'
import type { Reading } from './reading.ts'
import type { ShardLife } from './shard-life.ts'
import type { TopicsSeen } from './topics-seen.ts'

/** One successful pull, known to be well-formed to its end. */
export interface Fetched {
  nextCursor: string
  /** The generator frees the body when it ends or is closed. Always begin it. */
  batches: AsyncGenerator<Batch, void>
  /** There is nothing more to read at the moment. */
  atEnd: boolean
  /** It brought no log group and did not move the cursor. */
  empty: boolean
  serverTimeMs: number | undefined
  /** Of the body. The generator releases it. */
  reservation: PullReservation
  /** Takes note of the batches that leave. */
  sent: SentEvents
  /** Whether the same pull again brings the same logs in the same order. With a query the service regroups them. */
  repeatable: boolean
}

export interface ShardFetcherOptions {
  shard: ShardRef
  client: SlsClient
  reading: Pick<Reading, 'fetchCount' | 'query'>
  downstream: Pick<Downstream, 'budget' | 'bodies' | 'encoder'>
  nothingWanted: NothingWanted
  topicsSeen: TopicsSeen
  /** The sinks that the next pull is likely to have something for. */
  sinks: () => ReadonlySet<string>
  /** Events of the next pull that have left already. */
  sent: () => SentEvents | undefined
  life: ShardLife
  clock: Clock
  telemetry: Telemetry
  /** Returns the cursor to read from when this one has expired. May wait for ever (policy `fail`). */
  cursorExpired: (cursor: string, signal: AbortSignal) => Promise<string>
}

/** Reserved before the first size is known. An answer that does not fit is dropped unread and asked for again. */
const FIRST_GUESS_BYTES = 1 << 20
const LEAST_GUESS_BYTES = 64 << 10
/** After an outage, however long, pulls go on soon. A shard asks four times a minute meanwhile. */
const RETRY = { minMs: 200, maxMs: 15_000 }
const THROTTLED = { ...RETRY, minMs: 1_000 }
/** After this many corrupt answers in a row the shard pauses. */
const CORRUPT_BEFORE_PAUSE = 5
const TAIL_MAX_BYTES = 1 << 20
/** Examining a larger body uses up its turn of the event loop. */
const LARGE_BODY_BYTES = 1 << 20
const CURSOR_MOVED = 'cursor_moved'
const TOLD_EACH_MS = 15_000
const NOT_ANSWERED_YET = new Fault('transient', 'Log Service has not answered yet', { code: 'no_answer_yet' })

/** Reads one shard: pulls within the byte budget, inflates and encodes, and retries until it succeeds. */
export class ShardFetcher {
  readonly #options: ShardFetcherOptions
  #count: number
  /** Bytes the next pull is expected to bring: what the last one brought. */
  #guess: number
  /** Corrupt answers in a row. */
  #corrupt = 0
  #pausedFor: PauseReason | undefined
  /** When the last pull was sent; what it waited for the byte budget before is no fault of the service. */
  #askedAt = 0
  /** False once cursors turned out not to count single groups; event ids then come from contents. */
  #cursorsCountGroups = true

  constructor(options: ShardFetcherOptions) {
    this.#options = options
    this.#count = options.reading.fetchCount
    this.#guess = Math.min(FIRST_GUESS_BYTES, options.downstream.budget.pullLimit)
  }

  /** The next pull from `cursor` that succeeds. Rejects only when `signal` is aborted, or when the lease or the shard is gone. */
  async fetch(cursor: string, signal: AbortSignal): Promise<Fetched> {
    let from = cursor
    const fetch = async (): Promise<Fetched> => {
      const fetched = await this.#fetchOnce(from, signal)
      this.#recovered()
      return fetched
    }
    const delayAfter = async (fault: Fault, attempt: number): Promise<number> => {
      if (fault.kind === 'lease') throw fault
      if (!isExpiry(fault)) return this.#delayAfter(fault, attempt)
      from = await this.#afterExpiry(fault, from, signal)
      return attempt > 1 ? backoffMs(attempt, RETRY) : 0
    }
    return await untilSuccess(fetch, { clock: this.#options.clock, signal, delayAfter })
  }

  async #fetchOnce(cursor: string, signal: AbortSignal): Promise<Fetched> {
    const { client, shard, reading, downstream, sinks, clock } = this.#options
    const { query } = reading
    const { budget } = downstream
    for (;;) {
      const reservation = await budget.reservePull(this.#guess, signal, sinks())
      let pull: Pull | undefined
      try {
        this.#askedAt = clock.monotonic()
        const asked = client.pull(shard.shard, cursor, { count: this.#count, signal, ...(query ? { query } : {}) })
        pull = await this.#waiting(asked)
        await this.#assertNoGap(pull, cursor, signal)
        this.#guess = this.#guessAfter(pull)
        if (this.#tryReserve(pull, reservation)) return await this.#read(pull, cursor, reservation)
      } catch (error) {
        pull?.discard()
        reservation.release()
        throw error
      }
      pull.discard()
      reservation.release()
    }
  }

  /** A pull that takes long is told of before it has failed. */
  #waiting<T>(task: Promise<T>): Promise<T> {
    const { clock, shard, telemetry } = this.#options
    const since = clock.monotonic()
    const tell = (): void => telemetry.pullWaits(shard, NOT_ANSWERED_YET, (clock.monotonic() - since) / 1000)
    return whileWaiting(clock, task, TOLD_EACH_MS, tell)
  }

  /**
   * Throws when the service answered from a later group than asked for. The service may skip expired logs silently
   * (unverified). We believe it only if the oldest retained cursor confirms it.
   */
  async #assertNoGap(pull: Pull, cursor: string, signal: AbortSignal): Promise<void> {
    const { client, shard, reading } = this.#options
    const asked = cursorNumber(cursor)
    const next = cursorNumber(pull.nextCursor)
    if (reading.query || !this.#cursorsCountGroups || asked === undefined || next === undefined) return
    if (next - BigInt(pull.groupCount) <= asked) return
    const begin = cursorNumber(await client.getCursor(shard.shard, 'begin', signal))
    if (begin !== undefined && begin > asked) throw cursorMoved(cursor)
    this.#cursorsCountGroups = false
  }

  /**
   * A single group cannot come in smaller pieces. So its size is not cut to the limit: the next pull waits until there is
   * room for it, and is not asked for again and again while there is none.
   */
  #guessAfter({ rawSize, groupCount }: Pull): number {
    const { pullLimit } = this.#options.downstream.budget
    if (groupCount === 1 && rawSize > pullLimit) return rawSize
    return Math.min(pullLimit, Math.max(LEAST_GUESS_BYTES, rawSize))
  }

  /** False: the body is unread, and must be pulled again, perhaps in smaller pieces. */
  #tryReserve(pull: Pull, reservation: PullReservation): boolean {
    const { budget } = this.#options.downstream
    const { fetchCount } = this.#options.reading
    const { rawSize, groupCount } = pull
    if (rawSize > budget.pullLimit && groupCount > 1) {
      // A service that sends more than it is asked for would be asked for ever, without a pause.
      if (groupCount > this.#count) throw tooMany(groupCount, this.#count)
      this.#count = Math.max(1, Math.floor((groupCount * budget.pullLimit) / rawSize))
      return false
    }
    if (rawSize * 2 <= budget.pullLimit) this.#count = Math.min(fetchCount, this.#count * 2)
    return reservation.tryGrow(rawSize)
  }

  /** Reads and examines the body. */
  async #read(pull: Pull, cursor: string, reservation: PullReservation): Promise<Fetched> {
    const { shard, reading, downstream } = this.#options
    const { bodies, encoder } = downstream
    let taken: Buffer | undefined
    const take = (size: number): Buffer => {
      taken = bodies.take(size)
      return taken
    }
    const done = (): void => {
      if (taken) bodies.give(taken)
      reservation.release()
    }
    try {
      const body = await this.#waiting(pull.read(take, bodies.inflate))
      if (body.length > 0) await ownTurn()
      const firstGroup = reading.query || !this.#cursorsCountGroups ? undefined : firstGroupOf(pull, cursor)
      const sent = this.#options.sent() ?? encoder.begin()
      const at = { ...shard, cursor, firstGroup }
      const encoding = encoder.encode(body, at, sent)
      return {
        nextCursor: pull.nextCursor,
        batches: this.#batches(encoding, { body, at }, done),
        atEnd: this.#reachedEnd(pull, cursor),
        empty: pull.groupCount === 0 && pull.nextCursor === cursor,
        serverTimeMs: pull.serverTimeMs,
        reservation,
        sent,
        repeatable: firstGroup !== undefined,
      }
    } catch (error) {
      done()
      throw error
    }
  }

  async *#batches(
    encoding: Generator<Batch, EncodeCounts>,
    { body, at }: { body: Buffer; at: PullPosition },
    done: () => void,
  ): AsyncGenerator<Batch, void> {
    const { shard, nothingWanted, topicsSeen, telemetry } = this.#options
    try {
      // Examining a large body used this turn. The first batch gets another.
      if (body.length > LARGE_BODY_BYTES) await ownTurn()
      let step = encoding.next()
      while (!step.done) {
        yield step.value
        await ownTurn()
        step = encoding.next()
      }
      const { logs, filtered, routed, failures, reservedKeys } = step.value
      telemetry.pulled(shard, logs, body.length)
      nothingWanted.pulled(body, step.value)
      topicsSeen.pulled(body, at)
      for (const [reason, count] of filtered) telemetry.filtered(shard, reason, count)
      for (const [route, count] of routed) telemetry.routed(shard, route, count)
      if (reservedKeys !== undefined) telemetry.reservedKeys(shard, reservedKeys)
      for (const [place, count] of failures) {
        const slash = place.lastIndexOf('/')
        telemetry.parseFailed(shard, place.slice(0, slash), place.slice(slash + 1), count)
      }
    } finally {
      done()
    }
  }

  #reachedEnd(pull: Pull, cursor: string): boolean {
    // Whatever the header says: asking again at once would never end.
    if (pull.nextCursor === cursor) return true
    if (pull.endOfCursor !== undefined) return pull.endOfCursor
    // Without the header a small answer means the tail, as the official workers assume. With a query it does not: the
    // service may have scanned much and returned little.
    return !this.#options.reading.query && pull.groupCount < this.#count / 10 && pull.rawSize < TAIL_MAX_BYTES
  }

  #recovered(): void {
    this.#options.telemetry.pullAnswered(this.#options.shard)
    this.#corrupt = 0
    this.endPause()
    this.#options.life.enter('pulling')
  }

  /** Ends the pause of this shard, also when the shard is given up. */
  endPause(): void {
    if (!this.#pausedFor) return
    const { shard, telemetry } = this.#options
    telemetry.resumed({ reason: this.#pausedFor, scope: { of: 'pull', shard } })
    this.#pausedFor = undefined
  }

  #pause(reason: PauseReason, fault: Fault): void {
    const { shard, telemetry } = this.#options
    if (this.#pausedFor !== reason) this.endPause()
    this.#pausedFor = reason
    telemetry.paused({ reason, scope: { of: 'pull', shard } }, fault)
  }

  async #afterExpiry(fault: Fault, cursor: string, signal: AbortSignal): Promise<string> {
    const { life, cursorExpired } = this.#options
    life.enter('expired')
    this.#pause('expired_cursor', fault)
    const resumeAt = await cursorExpired(cursor, signal)
    this.endPause()
    life.enter('pulling')
    return resumeAt
  }

  /** Reports the fault, and returns how long to wait after it. */
  #delayAfter(fault: Fault, attempt: number): number {
    const { shard, life, clock, telemetry } = this.#options
    telemetry.pullFailed(shard, fault, attempt, (clock.monotonic() - this.#askedAt) / 1000)
    if (fault.kind !== 'configuration') this.#corrupt = fault.code.startsWith('corrupt_') ? this.#corrupt + 1 : 0
    const pauseReason = this.#pauseReasonOf(fault)
    if (pauseReason !== undefined) {
      life.enter('paused')
      this.#pause(pauseReason, fault)
      return probeDelayMs()
    }
    const throttled = fault instanceof SlsError && fault.reaction === 'throttle'
    return retryDelayMs(fault, attempt, throttled ? THROTTLED : RETRY)
  }

  #pauseReasonOf(fault: Fault): PauseReason | undefined {
    if (fault.kind === 'configuration') return 'sls_configuration'
    return this.#corrupt >= CORRUPT_BEFORE_PAUSE ? 'corrupt_data' : undefined
  }
}

function isExpiry(fault: Fault): boolean {
  return fault.code === CURSOR_MOVED || (fault instanceof SlsError && fault.reaction === 'invalid_cursor')
}

function tooMany(groupCount: number, asked: number): Fault {
  const message = `${groupCount} log groups came, too large to be read at once, where ${asked} were asked for`
  return new Fault('transient', message, { code: 'corrupt_response' })
}

function cursorMoved(cursor: string): Fault {
  const message = `asked for cursor ${cursor}, the service answered from a later one: the logs between have expired`
  return new Fault('transient', message, { code: CURSOR_MOVED })
}
