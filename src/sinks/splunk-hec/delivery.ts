import pRetry from 'p-retry'
import { abortable } from '../../core/abortable.ts'
import type { Batch } from '../../core/batch.ts'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { backoffMs } from '../../core/retry.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { DeadLetter } from '../dead-letter.ts'
import type { DeadLetterReason } from '../dead-letter-line.ts'
import { deadLetterOf } from '../dead-letter-line.ts'
import type { PauseGate } from '../pause-gate.ts'
import type { PendingAck } from './ack-poller.ts'
import type { Endpoints } from './endpoint.ts'
import type { PrefixAck, Sent } from './posting.ts'
import { postOnce } from './posting.ts'
import type { EventRange } from './range.ts'
import { cutAt, range, sizeOf } from './range.ts'
import type { SendSlots } from './send-slots.ts'

/** HEC's own limit for one event, bytes of the envelope. */
const LARGEST_EVENT_BYTES = 5_242_880
/** After so many single events were cut out of a batch, halving is cheaper than sending the rest again each time. */
const MOST_ROUNDS = 16
const FIRST_RETRY_MS = 250
const LONGEST_RETRY_MS = 30_000

/** What all deliveries of a sink share. */
export interface Shared {
  readonly endpoints: Endpoints
  readonly slots: SendSlots
  readonly gate: PauseGate
  readonly deadLetter: DeadLetter
  readonly deadLetterGate: PauseGate
  readonly maxBytes: number
  /** Its configured name. */
  readonly sink: string
  readonly telemetry: Telemetry
  readonly clock: Clock
}

/**
 * One batch's way: a list of event ranges still to be settled, each sent until an answer decides about it. What was
 * accepted and waits for its ack is held aside, and comes back to the list when the ack does not come.
 */
export class Delivery {
  readonly #batch: Batch
  readonly #lease: Lease
  readonly #shared: Shared
  readonly #work: EventRange[] = []
  readonly #unacked = new Set<Promise<void>>()
  readonly #started: () => void

  constructor(batch: Batch, lease: Lease, started: () => void, shared: Shared) {
    this.#batch = batch
    this.#lease = lease
    this.#shared = shared
    let begun = false
    this.#started = () => {
      if (!begun) started()
      begun = true
    }
  }

  /** Resolves when every event is settled; rejects with the lease's end. */
  async run(): Promise<void> {
    const { signal } = this.#lease
    signal.throwIfAborted()
    await this.#buryOversized()
    for (;;) {
      const next = this.#work.shift()
      if (next) await this.#settle(next)
      else if (this.#unacked.size > 0) await abortable(Promise.race(this.#unacked), signal)
      else break
    }
    // Acks that were cancelled with the lease are no longer waited for, and are not settled either.
    signal.throwIfAborted()
    this.#started()
  }

  async #settle(run: EventRange): Promise<void> {
    const sent = await this.#sendUntilAnswered(run)
    switch (sent.is) {
      case 'accepted':
        return this.#accepted(run.from, run.to, sent.ack)
      case 'refused':
        return await this.#refused(run, sent)
      case 'too_large':
        if (run.to - run.from === 1) return await this.#bury(run.from, reasonOf(sent))
        sent.endpoint.learnLimit(sizeOf(this.#batch, run))
        return this.#halve(run)
      case 'over_limit': {
        const cut = cutAt(this.#batch, run, sent.limit)
        this.#work.unshift({ ...run, to: cut }, { ...run, from: cut })
      }
    }
  }

  /** Whatever is transient, ambiguous or somebody's to mend is waited out here; what comes back decides about events. */
  async #sendUntilAnswered(run: EventRange): Promise<Sent> {
    const { signal } = this.#lease
    const { endpoints, gate, deadLetterGate, sink, telemetry, clock } = this.#shared
    let failures = 0
    const attempt = async (): Promise<Sent> => {
      const before = run.from
      try {
        await deadLetterGate.opened(signal)
        return await gate.through(signal, (pass) =>
          endpoints.using((endpoint) =>
            postOnce({
              batch: this.#batch,
              run,
              endpoint,
              signal,
              slots: this.#shared.slots,
              sink,
              telemetry,
              clock,
              maxBytes: this.#shared.maxBytes,
              leaving: () => {
                pass.check()
                this.#lease.assertHeld()
                this.#started()
              },
              prefixAccepted: (to, ack) => this.#prefixAccepted(run, to, ack),
            }),
          ),
        )
      } finally {
        if (run.from > before) failures = 0
      }
    }
    return await pRetry(attempt, {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 0, // the pauses are ours: by the clock, with `Retry-After`
      signal,
      shouldRetry: ({ error }) => isPassing(error),
      onFailedAttempt: async ({ error }) => {
        if (!isPassing(error)) return
        failures++
        telemetry.deliveryFailed(sink, error, failures)
        const asked = endpoints.anyHealthy ? 0 : (error.retryAfterMs ?? 0)
        await clock.sleep(Math.max(asked, backoffMs(failures, FIRST_RETRY_MS, LONGEST_RETRY_MS)), signal)
      },
    })
  }

  /** Events `from` to `to` were accepted: settled, unless they still wait for `ack`. */
  #accepted(from: number, to: number, ack: PendingAck | undefined): void {
    if (from === to) return
    if (!ack) {
      this.#shared.telemetry.delivered(this.#shared.sink, to - from)
      return
    }
    const settled = ack.then((result) => {
      this.#unacked.delete(settled)
      if (result === 'acked') this.#shared.telemetry.delivered(this.#shared.sink, to - from)
      if (result === 'timeout') this.#work.push(range(from, to, 0, 'ack_timeout'))
      if (result === 'lost') this.#work.push(range(from, to, 0, 'ack_lost'))
    })
    this.#unacked.add(settled)
  }

  /**
   * The server took the events before `to` and refused or stopped there. With an ack token that prefix has no ack id, so
   * nobody will ever say that it is safe: it stays in the range and is sent again.
   */
  #prefixAccepted(run: EventRange, to: number, ack: PrefixAck): void {
    if (to === run.from) return
    if (ack === 'unknown') {
      run.resend = 'partial_unacked'
      return
    }
    this.#accepted(run.from, to, ack === 'none' ? undefined : ack)
    run.from = to
  }

  async #refused(run: EventRange, sent: Sent & { is: 'refused' }): Promise<void> {
    const { from, to } = run
    const { at } = sent
    if (to - from === 1) return await this.#bury(from, reasonOf(sent))
    if (at === undefined) return this.#halve(run)
    if (at === 0 && sent.fault.code === '6') return await this.#suspectSizeCap(run)
    const bad = from + at
    if (sent.prefix !== 'unknown') this.#accepted(from, bad, sent.prefix === 'none' ? undefined : sent.prefix)
    else if (at > 0) this.#work.unshift(range(from, bad, run.rounds, 'partial_unacked'))
    await this.#bury(bad, reasonOf(sent))
    this.#goOnAfter(run, bad + 1)
  }

  /**
   * Splunk Cloud answers a body over its cap exactly like a bad first event. The first event alone tells: refused again,
   * it was the event; accepted, it was the size.
   */
  async #suspectSizeCap(run: EventRange): Promise<void> {
    const first = range(run.from, run.from + 1, 0, 'bisect')
    const rest = { ...run, from: run.from + 1 }
    const sent = await this.#sendUntilAnswered(first)
    if (sent.is === 'accepted') {
      this.#accepted(first.from, first.to, sent.ack)
      sent.endpoint.learnLimit(sizeOf(this.#batch, run))
      this.#halve(rest)
    } else if (sent.is === 'over_limit') {
      throw new Error('a single event is never over the limit')
    } else {
      await this.#bury(first.from, reasonOf(sent))
      this.#goOnAfter(run, rest.from)
    }
  }

  #goOnAfter(run: EventRange, from: number): void {
    if (from >= run.to) return
    const rest = range(from, run.to, run.rounds + 1)
    if (rest.rounds < MOST_ROUNDS) this.#work.unshift(rest)
    else this.#halve({ ...rest, rounds: 0 })
  }

  #halve(run: EventRange): void {
    if (run.to - run.from === 1) {
      this.#work.unshift(run)
      return
    }
    const cut = cutAt(this.#batch, run, sizeOf(this.#batch, run) / 2)
    this.#work.unshift(range(run.from, cut, run.rounds, 'bisect'), range(cut, run.to, run.rounds, 'bisect'))
  }

  async #buryOversized(): Promise<void> {
    const { count, bytes } = this.#batch
    let from = 0
    for (let i = 0; i < count && bytes.length > LARGEST_EVENT_BYTES; i++) {
      const size = sizeOf(this.#batch, { from: i, to: i + 1 }) - 1
      if (size <= LARGEST_EVENT_BYTES) continue
      const text = `${size} bytes, and HEC takes events of at most ${LARGEST_EVENT_BYTES}`
      await this.#bury(i, { code: 'event_too_large', text, status: null })
      if (i > from) this.#work.push(range(from, i))
      from = i + 1
    }
    if (count > from) this.#work.push(range(from, count))
  }

  async #bury(index: number, reason: DeadLetterReason): Promise<void> {
    const { deadLetter, deadLetterGate, sink, telemetry } = this.#shared
    const entry = deadLetterOf(this.#batch, index, reason)
    await deadLetterGate.through(this.#lease.signal, () => deadLetter.write([entry]))
    telemetry.deadLettered(sink, reason.code, 1)
  }
}

function isPassing(error: Error): error is Fault {
  return error instanceof Fault && (error.kind === 'transient' || error.kind === 'ambiguous')
}

function reasonOf({ fault, text }: { fault: Fault; text: string }): DeadLetterReason {
  return { code: fault.code, text: text || fault.message, status: fault.status ?? null }
}
