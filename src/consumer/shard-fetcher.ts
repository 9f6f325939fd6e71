import type { Batch, EncodeCounts } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
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
import type { Downstream } from './downstream.ts'
import type { Reading } from './reading.ts'
import type { ShardLife } from './shard-life.ts'

/** One successful pull, known to be well-formed to its end. */
export interface Fetched {
  nextCursor: string
  /** Holds the body until it is taken to its end or left. */
  batches: AsyncGenerator<Batch, void>
  /** There is nothing more to read at the moment. */
  atEnd: boolean
  /** It brought no log group and did not move the cursor. */
  empty: boolean
  serverTimeMs: number | undefined
}

export interface ShardFetcherOptions {
  shard: ShardRef
  client: SlsClient
  reading: Pick<Reading, 'fetchCount' | 'query'>
  downstream: Pick<Downstream, 'budget' | 'bodies' | 'encoder'>
  life: ShardLife
  clock: Clock
  telemetry: Telemetry
  /** Returns the cursor to read from when this one has expired. May wait for ever (policy `fail`). */
  cursorExpired: (cursor: string, signal: AbortSignal) => Promise<string>
}

/** Reserved before the first size is known. An answer that does not fit is dropped unread and asked for again. */
const FIRST_GUESS_BYTES = 1 << 20
const LEAST_GUESS_BYTES = 64 << 10
const RETRY = { minMs: 200, maxMs: 30_000 }
const THROTTLED = { ...RETRY, minMs: 1_000 }
/** So many failures on the same bytes are no accident of the network. */
const CORRUPT_BEFORE_PAUSE = 5
const TAIL_MAX_BYTES = 1 << 20
const EXAMINED_WITH_BATCH_BYTES = 1 << 20
const CURSOR_MOVED = 'cursor_moved'

/** Reads one shard: pulls within the byte budget, inflates and encodes, and retries until it succeeds. */
export class ShardFetcher {
  readonly #options: ShardFetcherOptions
  #count: number
  /** Bytes the next pull is expected to bring: what the last one brought. */
  #guess = FIRST_GUESS_BYTES
  #failures = 0
  #corrupt = 0
  #pausedFor: PauseReason | undefined
  /** False once cursors turned out not to count single groups; event ids then come from contents. */
  #cursorsCountGroups = true

  constructor(options: ShardFetcherOptions) {
    this.#options = options
    this.#count = options.reading.fetchCount
  }

  /** The next pull from `cursor` that succeeds. Rejects only when `signal` is aborted, or when the lease or the shard is gone. */
  async fetch(cursor: string, signal: AbortSignal): Promise<Fetched> {
    let from = cursor
    const attempt = async (): Promise<Fetched> => {
      const fetched = await this.#attempt(from, signal)
      this.#recovered()
      return fetched
    }
    const failed = async (fault: Fault): Promise<number> => {
      if (fault.kind === 'lease') throw fault
      if (!isExpiry(fault)) return this.#delayAfter(fault)
      from = await this.#afterExpiry(fault, from, signal)
      return this.#failures++ > 0 ? backoffMs(this.#failures, RETRY.minMs, RETRY.maxMs) : 0
    }
    return await untilSuccess(attempt, { clock: this.#options.clock, signal, failed })
  }

  async #attempt(cursor: string, signal: AbortSignal): Promise<Fetched> {
    const { client, shard, reading, downstream } = this.#options
    const { query } = reading
    const { budget } = downstream
    for (;;) {
      const reservation = await budget.reservePull(Math.min(this.#guess, budget.pullLimit), signal)
      try {
        const pull = await client.pull(shard.shard, cursor, { count: this.#count, signal, ...(query ? { query } : {}) })
        if (await this.#movedSilently(pull, cursor, signal)) throw cursorMoved(pull, cursor)
        this.#guess = Math.max(LEAST_GUESS_BYTES, pull.rawSize)
        if (this.#admit(pull, reservation)) return await this.#encode(pull, cursor, reservation)
        pull.discard()
      } catch (error) {
        reservation.release()
        throw error
      }
      reservation.release()
    }
  }

  /**
   * Whether the service answered from a later group than asked for. It may treat an expired cursor so instead of refusing it
   * (unverified). Only believed if the oldest retained cursor confirms it.
   */
  async #movedSilently(pull: Pull, cursor: string, signal: AbortSignal): Promise<boolean> {
    const { client, shard, reading } = this.#options
    const asked = cursorNumber(cursor)
    const next = cursorNumber(pull.nextCursor)
    if (reading.query || !this.#cursorsCountGroups || asked === undefined || next === undefined) return false
    if (next - BigInt(pull.groupCount) <= asked) return false
    try {
      const begin = cursorNumber(await client.getCursor(shard.shard, 'begin', signal))
      if (begin !== undefined && begin > asked) return true
      this.#cursorsCountGroups = false
      return false
    } catch (error) {
      pull.discard()
      throw error
    }
  }

  /** False when the body must wait for room, or be asked for in smaller pieces; it has not been read then. */
  #admit(pull: Pull, reservation: PullReservation): boolean {
    const { budget } = this.#options.downstream
    const { fetchCount } = this.#options.reading
    const { rawSize, groupCount } = pull
    if (rawSize > budget.pullLimit && groupCount > 1) {
      // A service that sends more than it is asked for would be asked for ever, without a pause.
      if (groupCount > this.#count) throw tooMany(pull, this.#count)
      this.#count = Math.max(1, Math.floor((groupCount * budget.pullLimit) / rawSize))
      this.#guess = budget.pullLimit
      return false
    }
    if (rawSize * 2 <= budget.pullLimit) this.#count = Math.min(fetchCount, this.#count * 2)
    return reservation.tryGrow(rawSize)
  }

  async #encode(pull: Pull, cursor: string, reservation: PullReservation): Promise<Fetched> {
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
      const body = await pull.read(take, bodies.inflate)
      if (body.length > 0) await ownTurn()
      const firstGroup = reading.query || !this.#cursorsCountGroups ? undefined : firstGroupOf(pull, cursor)
      const encoding = encoder.encode(body, { ...shard, cursor, firstGroup })
      // All of it is examined now. Its first batch gets a turn of its own.
      if (body.length > EXAMINED_WITH_BATCH_BYTES) await ownTurn()
      const first = encoding.next()
      return {
        nextCursor: pull.nextCursor,
        batches: this.#batches(first, encoding, { rawSize: pull.rawSize, done }),
        atEnd: this.#reachedEnd(pull, cursor),
        empty: pull.groupCount === 0 && pull.nextCursor === cursor,
        serverTimeMs: pull.serverTimeMs,
      }
    } catch (error) {
      done()
      throw error
    }
  }

  async *#batches(
    first: IteratorResult<Batch, EncodeCounts>,
    encoding: Generator<Batch, EncodeCounts>,
    { rawSize, done }: { rawSize: number; done: () => void },
  ): AsyncGenerator<Batch, void> {
    const { shard, telemetry } = this.#options
    try {
      let step = first
      while (!step.done) {
        yield step.value
        await ownTurn()
        step = encoding.next()
      }
      telemetry.pulled(shard, step.value.logs, rawSize)
      if (step.value.filteredLogs > 0) telemetry.filtered(shard, 'topic', step.value.filteredLogs)
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
    this.#failures = 0
    this.#corrupt = 0
    this.resumed()
    this.#options.life.enter('pulling')
  }

  /** Ends the pause of this shard, also when the shard is given up. */
  resumed(): void {
    if (!this.#pausedFor) return
    const { shard, telemetry } = this.#options
    telemetry.resumed({ reason: this.#pausedFor, scope: { of: 'pull', shard } })
    this.#pausedFor = undefined
  }

  #paused(reason: PauseReason, fault: Fault): void {
    const { shard, telemetry } = this.#options
    if (this.#pausedFor !== reason) this.resumed()
    this.#pausedFor = reason
    telemetry.paused({ reason, scope: { of: 'pull', shard } }, fault)
  }

  async #afterExpiry(fault: Fault, cursor: string, signal: AbortSignal): Promise<string> {
    const { life, cursorExpired } = this.#options
    life.enter('expired')
    this.#paused('expired_cursor', fault)
    const resumeAt = await cursorExpired(cursor, signal)
    this.resumed()
    life.enter('pulling')
    return resumeAt
  }

  /** Reports the fault, and returns how long to wait after it. */
  #delayAfter(fault: Fault): number {
    const { shard, life, telemetry } = this.#options
    telemetry.pullFailed(shard, fault, ++this.#failures)
    const pauseReason = this.#pauseReasonOf(fault)
    if (pauseReason !== undefined) {
      life.enter('paused')
      this.#paused(pauseReason, fault)
      return probeDelayMs()
    }
    const throttled = fault instanceof SlsError && fault.reaction === 'throttle'
    return retryDelayMs(fault, this.#failures, throttled ? THROTTLED : RETRY)
  }

  #pauseReasonOf(fault: Fault): PauseReason | undefined {
    if (fault.kind === 'configuration') return 'sls_configuration'
    this.#corrupt = fault.code.startsWith('corrupt_') ? this.#corrupt + 1 : 0
    return this.#corrupt >= CORRUPT_BEFORE_PAUSE ? 'corrupt_data' : undefined
  }
}

function isExpiry(fault: Fault): boolean {
  return fault.code === CURSOR_MOVED || (fault instanceof SlsError && fault.reaction === 'invalid_cursor')
}

function tooMany(pull: Pull, asked: number): Fault {
  pull.discard()
  const message = `${pull.groupCount} log groups came, too large to be read at once, where ${asked} were asked for`
  return new Fault('transient', message, { code: 'corrupt_response' })
}

function cursorMoved(pull: Pull, cursor: string): Fault {
  pull.discard()
  const message = `asked for cursor ${cursor}, the service answered from a later one: the logs between have expired`
  return new Fault('transient', message, { code: CURSOR_MOVED })
}
