import type { Batch, EncodeCounts, PullPosition } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { backoffMs } from '../core/retry.ts'
import type { ShardRef } from '../core/shard.ts'
import type { PauseReason, Telemetry } from '../core/telemetry.ts'
import { ownTurn } from '../core/turns.ts'
import type { Pull, SlsClient } from '../sls/client.ts'
import { cursorNumber } from '../sls/cursor.ts'
import { SlsError } from '../sls/errors.ts'
import type { Inflate } from '../sls/lz4.ts'
import { firstGroupOf } from '../sls/pull.ts'
import type { ByteBudget, PullReservation } from './byte-budget.ts'

/** Turns a decompressed LogGroupList into batches; the pipeline's part, handed in by bridge.ts. */
export interface PullEncoder {
  /** Examines all of the body and throws where it is malformed; taking batches does not throw. */
  encode(body: Buffer, at: PullPosition): Generator<Batch, EncodeCounts>
  /** The batch is settled; its memory may serve another. */
  recycle(batch: Batch): void
}

/** Where pulled bodies are inflated; the pipeline's part too, since it may want them at hand. */
export interface PulledBodies {
  /** A buffer of exactly `size` bytes. */
  take(size: number): Buffer
  /** Gives back what `take` returned. Nobody looks at it any more. */
  give(body: Buffer): void
  /** A faster way to fill one from LZ4. */
  readonly inflate?: Inflate
}

/** One successful pull, known to be well-formed to its end. */
export interface Fetched {
  nextCursor: string
  /** To be taken to the end or left: the body is held until then. */
  batches: AsyncGenerator<Batch, void>
  /** Nothing more to read at this moment. */
  atEnd: boolean
  /** The cursor did not move: there was nothing. */
  empty: boolean
  serverTimeMs: number | undefined
}

export interface ShardFetcherOptions {
  shard: ShardRef
  client: SlsClient
  encoder: PullEncoder
  budget: ByteBudget
  bodies: PulledBodies
  clock: Clock
  telemetry: Telemetry
  fetchCount: number
  query?: string
  /** Decides where to go on when the cursor has expired; may wait for ever (policy `fail`). Returns the cursor to read from. */
  cursorExpired: (cursor: string, signal: AbortSignal) => Promise<string>
}

/** Asked of the budget before the first size is known. An answer that does not fit is given back and asked for again. */
const FIRST_GUESS_BYTES = 1 << 20
const LEAST_GUESS_BYTES = 64 << 10
const RETRY_MIN_MS = 200
const RETRY_MAX_MS = 30_000
const THROTTLE_MIN_MS = 1_000
const SLOW_RETRY_MS = 15_000
/** This many failures on the same bytes are no accident of the network. */
const CORRUPT_BEFORE_PAUSE = 5
const TAIL_MAX_BYTES = 1 << 20
const EXAMINED_WITH_BATCH_BYTES = 1 << 20
const CURSOR_MOVED = 'cursor_moved'

/** Reads one shard: pull within the byte budget, inflate, encode; retried until it succeeds or `signal` ends it. */
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
    this.#count = options.fetchCount
  }

  /** The next non-failed pull from `cursor`. Rejects only when `signal` is aborted, or for a lease or shard that is gone. */
  async fetch(cursor: string, signal: AbortSignal): Promise<Fetched> {
    let from = cursor
    for (;;) {
      try {
        const fetched = await this.#attempt(from, signal)
        this.#recovered()
        return fetched
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof Fault)) throw error
        const next = await this.#failed(error, from, signal)
        from = next ?? from
      }
    }
  }

  async #attempt(cursor: string, signal: AbortSignal): Promise<Fetched> {
    const { client, shard, query, budget } = this.#options
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
   * Whether the service answered from a later group than asked for, which is how it may treat an expired cursor instead of
   * refusing it (unverified). Only believed if the oldest retained cursor confirms it.
   */
  async #movedSilently(pull: Pull, cursor: string, signal: AbortSignal): Promise<boolean> {
    const { client, shard, query } = this.#options
    const asked = cursorNumber(cursor)
    const next = cursorNumber(pull.nextCursor)
    if (query || !this.#cursorsCountGroups || asked === undefined || next === undefined) return false
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
    const { budget, fetchCount } = this.#options
    const { rawSize, groupCount } = pull
    if (rawSize > budget.pullLimit && groupCount > 1) {
      // Who sends more than we ask for, however few, would be asked for ever and without a pause.
      if (groupCount > this.#count) throw tooMany(pull, this.#count)
      this.#count = Math.max(1, Math.floor((groupCount * budget.pullLimit) / rawSize))
      this.#guess = budget.pullLimit
      return false
    }
    if (rawSize * 2 <= budget.pullLimit) this.#count = Math.min(fetchCount, this.#count * 2)
    return reservation.tryGrow(rawSize)
  }

  async #encode(pull: Pull, cursor: string, reservation: PullReservation): Promise<Fetched> {
    const { shard, encoder, query, bodies } = this.#options
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
      const firstGroup = query || !this.#cursorsCountGroups ? undefined : firstGroupOf(pull, cursor)
      const encoding = encoder.encode(body, { ...shard, cursor, firstGroup })
      // That was all of it examined; what follows is its first batch.
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
    if (pull.endOfCursor !== undefined) return pull.endOfCursor
    if (pull.nextCursor === cursor) return true
    // Without the header: a small answer means the tail, as the official workers' pacing assumes. Not with a query: there
    // the service may return little of much that it scanned.
    return !this.#options.query && pull.groupCount < this.#count / 10 && pull.rawSize < TAIL_MAX_BYTES
  }

  #recovered(): void {
    this.#failures = 0
    this.#corrupt = 0
    this.resumed()
  }

  /** Clears a pause of this shard, also when the shard is given up. */
  resumed(): void {
    if (!this.#pausedFor) return
    this.#options.telemetry.resumed({ reason: this.#pausedFor, scope: { of: 'pull', shard: this.#options.shard } })
    this.#pausedFor = undefined
  }

  #paused(reason: PauseReason, fault: Fault): void {
    if (this.#pausedFor !== reason) this.resumed()
    this.#pausedFor = reason
    this.#options.telemetry.paused({ reason, scope: { of: 'pull', shard: this.#options.shard } }, fault)
  }

  /** Waits as the fault asks; returns a cursor when reading must go on elsewhere. */
  async #failed(fault: Fault, cursor: string, signal: AbortSignal): Promise<string | undefined> {
    const { telemetry, shard, clock } = this.#options
    const reaction = fault instanceof SlsError ? fault.reaction : undefined
    if (fault.kind === 'lease') throw fault
    if (reaction === 'invalid_cursor' || fault.code === CURSOR_MOVED) {
      this.#paused('expired_cursor', fault)
      const resumeAt = await this.#options.cursorExpired(cursor, signal)
      this.resumed()
      if (this.#failures++ > 0) await clock.sleep(backoffMs(this.#failures, RETRY_MIN_MS, RETRY_MAX_MS), signal)
      return resumeAt
    }
    this.#failures++
    telemetry.pullFailed(shard, fault, this.#failures)
    await clock.sleep(this.#delayAfter(fault, reaction), signal)
    return undefined
  }

  #delayAfter(fault: Fault, reaction: string | undefined): number {
    const slow = SLOW_RETRY_MS * (0.7 + 0.3 * Math.random())
    if (fault.kind === 'configuration') {
      this.#paused('sls_configuration', fault)
      return slow
    }
    this.#corrupt = fault.code.startsWith('corrupt_') ? this.#corrupt + 1 : 0
    if (this.#corrupt >= CORRUPT_BEFORE_PAUSE) {
      this.#paused('corrupt_data', fault)
      return slow
    }
    const least = reaction === 'throttle' ? THROTTLE_MIN_MS : RETRY_MIN_MS
    return Math.max(fault.retryAfterMs ?? 0, backoffMs(this.#failures, least, RETRY_MAX_MS))
  }
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
