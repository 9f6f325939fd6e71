import type { Batch } from '../../core/batch.ts'
import { whileWaiting } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import type { RetryOptions } from '../../core/retry.ts'
import { backoffMs, untilSuccess } from '../../core/retry.ts'
import type { FrameResult } from '../../core/telemetry.ts'
import type { DeadLetterEntry } from '../dead-letter-line.ts'
import { deadLetterOf } from '../dead-letter-line.ts'
import type { Pass } from '../pause-gate.ts'
import type { Oversized, Piece, Pieces } from './frames.ts'
import type { Part } from './part.ts'
import { isSingle, piecesOf, wholeOf } from './part.ts'
import type { Answer } from './relp-session.ts'
import type { Shared } from './shared.ts'
import type { Target } from './target.ts'

const RETRY = { minMs: 500, maxMs: 30_000 }
const TOLD_EACH_MS = 15_000
/** An outcome that stays unknown so often, one time after the other, is no accident. */
const MOST_UNKNOWN = 3
/** A batch that was there when so many connections ended is cut in halves, each with a connection of its own. */
const SUSPICIOUS = 2
/** An event is given up that has ended so many connections alone, while the same collector confirmed others between them. */
const REFUSALS = 2
/** These ends may be a collector's answer to a frame. Silence is not. */
const MAY_BE_FRAMES: ReadonlySet<string> = new Set(['syslog_early', 'syslog_reset'])

/**
 * One batch on its way to being settled. Its messages are sent as often as it takes until all of them are confirmed. If they
 * end connections, halves of them find the frame that does it:
 *
 *   to send ──FIN after ours──▶ confirmed ──▶ settled (delivered)
 *    ▲ ▲ └─connection ended, twice─▶ two halves, each alone, behind the others
 *    │ └─ a single event ended one that it had alone ─┘   └─ again, and others are confirmed ──▶ settled (dead letter)
 *    └─── any other fault: after a wait
 */
export class Delivery {
  readonly #batch: Batch
  readonly #lease: Lease
  readonly #shared: Shared
  readonly #started: () => void
  /** The first goes next. */
  readonly #toSend: Part[]
  /** Rounds of refused events that were waited for. */
  #rounds = 0
  #lastConfirmed: number | undefined
  /** How often in a row the outcome of the part that failed last was unknown. */
  #unknown = 0

  constructor(batch: Batch, lease: Lease, started: () => void, shared: Shared) {
    this.#batch = batch
    this.#lease = lease
    this.#shared = shared
    this.#toSend = [wholeOf(batch)]
    let begun = false
    this.#started = () => {
      if (!begun) started()
      begun = true
    }
  }

  /** Resolves when every event is settled; rejects with the lease's end. */
  async run(): Promise<void> {
    const { clock, telemetry, sink } = this.#shared
    const { signal } = this.#lease
    const since = clock.monotonic()
    const seconds = (): number => (clock.monotonic() - since) / 1000
    const options: RetryOptions = {
      clock,
      signal,
      delayAfter: async (fault, attempt) => {
        const passes = fault.kind === 'transient' || fault.kind === 'ambiguous'
        if (!passes) throw fault
        telemetry.deliveryFailed(sink, fault, attempt, seconds())
        const tell = (): void => telemetry.deliveryWaits(sink, fault, seconds())
        await whileWaiting(clock, clock.sleep(backoffMs(attempt, RETRY), signal), TOLD_EACH_MS, tell)
        return 0
      },
    }
    for (let next = this.#toSend[0]; next; next = this.#toSend[0]) {
      await this.#rest(next)
      await untilSuccess(() => this.#attempt(), options)
    }
  }

  /** Refused events wait before each round, and not one after the other. */
  async #rest({ refusals, alone }: Part): Promise<void> {
    if (alone || refusals <= this.#rounds) return
    this.#rounds = refusals
    await this.#shared.clock.sleep(backoffMs(refusals, RETRY), this.#lease.signal)
  }

  async #attempt(): Promise<void> {
    const { doubtGate, gate, targets } = this.#shared
    const { signal } = this.#lease
    await doubtGate.through(signal, async (doubt) => {
      try {
        await gate.through(signal, (pass) => targets.using((target) => this.#sendNext(target, [doubt, pass])))
      } catch (error) {
        throw isUnknown(error) && this.#unknown >= MOST_UNKNOWN ? staysUnknown(error) : error
      }
    })
  }

  /** Resolves when the next part is settled, or nothing is left to send. */
  async #sendNext(target: Target, passes: readonly Pass[], isSecond = false): Promise<void> {
    const part = this.#nextAt(target)
    if (part === undefined) return
    const sent: Sent = { ...noneOf(part), confirms: target.confirms }
    try {
      await this.#send(part, target, passes, sent)
    } catch (error) {
      await this.#settle(part, sent, target)
      if (isUnknown(error) && (await this.#failed(part, target, error)) === 'given up') return
      throw error
    }
    sent.confirmed = sent.frames - sent.refused.size
    sent.upTo = part.to
    await this.#settle(part, sent, target)
    const [refusal] = sent.refused.values()
    if (refusal === undefined) return
    // The next session may lead to another collector behind the same address.
    if (!isSecond && this.#isEverythingRefused(target)) await this.#sendNext(target, passes, true)
    else this.#refused(target, part.refusals + 1, refusal)
  }

  #isEverythingRefused(target: Target): boolean {
    const { evidence, evidenceAt } = this.#shared
    return evidence.everythingRefused || evidenceAt(target).everythingRefused
  }

  /** Where everything is refused a single event goes, another one each time. */
  #nextAt(target: Target): Part | undefined {
    const [part] = this.#toSend
    if (part === undefined || isSingle(part) || !this.#isEverythingRefused(target)) return part
    const one = { ...part, to: part.from + 1, inDoubt: Math.min(1, part.inDoubt), seen: new Map(part.seen) }
    part.from++
    part.inDoubt -= one.inDoubt
    this.#toSend.unshift(one)
    return one
  }

  async #send(part: Part, target: Target, passes: readonly Pass[], sent: Sent): Promise<void> {
    const { telemetry, sink, clock } = this.#shared
    let movedAt = clock.monotonic()
    const oversized = ({ index, length }: Oversized) => sent.oversized.set(index, length)
    const pieces: Pieces = (next) => target.framer.pieces(this.#batch, part, oversized, next)
    const resent = part.inDoubt
    part.inDoubt = 0
    const leaving = ({ indexes, cut, asJson }: Piece): void => {
      for (const pass of passes) pass.check()
      this.#lease.assertHeld()
      this.#started()
      movedAt = clock.monotonic()
      sent.frames += indexes.length
      sent.cut.push(...cut)
      sent.asJson.push(...asJson)
      part.inDoubt = Math.max(resent, sent.frames)
    }
    const answered = (index: number, answer: Answer): void => {
      movedAt = clock.monotonic()
      sent.upTo = index + 1
      if (answer.code === '200') sent.confirmed++
      else sent.refused.set(index, answer)
    }
    if (resent > 0) telemetry.framesCounted(sink, 'resent', resent)
    const fault = new Fault('transient', `${target.url} has not confirmed the messages yet`, { code: 'no_answer_yet' })
    // Only a standstill is told of: a slow collector confirms nothing before the whole part.
    const tell = (): void => {
      const stillMs = clock.monotonic() - movedAt
      if (stillMs >= TOLD_EACH_MS / 2) telemetry.deliveryWaits(sink, fault, stillMs / 1000)
    }
    const sending = target.send(pieces, { leaving, answered, alone: part.alone, signal: this.#lease.signal })
    await whileWaiting(clock, sending, TOLD_EACH_MS, tell)
  }

  /** The events up to `upTo` are confirmed, refused or too long. What is confirmed after the lease ended settles nothing. */
  async #settle(part: Part, sent: Sent, target: Target): Promise<void> {
    const { upTo, confirms, confirmed, cut, asJson, oversized, refused } = sent
    this.#lease.signal.throwIfAborted()
    if (upTo === part.from && upTo < part.to) return
    const { telemetry, sink, evidence, evidenceAt, consistency } = this.#shared
    await this.#buryOversized([...oversized].filter(([index]) => index < upTo))
    for (const _ of refused) evidenceAt(target).refused()
    if (confirmed > 0) {
      evidence.accepted()
      evidenceAt(target).accepted()
      if (!part.alone) consistency.taken(part.refusals)
    }
    const again: Part[] = []
    for (const [index, answer] of refused) {
      const refusals = part.refusals + 1
      const isSure = refusals >= consistency.refusalsNeeded
      if (isSure && evidence.mayGiveUp()) await this.#giveUp(index, `refused: ${answer.text}`, answer.code)
      else if (again.at(-1)?.to === index) (again.at(-1) as Part).to++
      else again.push({ ...wholeOf(this.#batch), from: index, to: index + 1, refusals })
    }
    this.#toSend.push(...again)
    part.from = upTo
    part.inDoubt = Math.max(0, part.inDoubt - confirmed - refused.size)
    part.ends = part.unknown = 0
    if (part.from === part.to) this.#toSend.splice(this.#toSend.indexOf(part), 1)
    if (confirmed === 0) return
    if (confirms) telemetry.framesCounted(sink, 'confirmed', confirmed)
    if (part.witness) return
    this.#lastConfirmed = upTo - 1
    telemetry.delivered(sink, confirmed)
    const counted = (result: FrameResult, indexes: readonly number[]): void => {
      const frames = indexes.filter((index) => index < upTo).length
      if (frames > 0) telemetry.framesCounted(sink, result, frames)
    }
    counted('truncated', cut)
    counted('as_json', asJson)
  }

  /** If nothing is accepted between ten refusals, the target pauses, or the sink. */
  #refused(target: Target, times: number, { code, text }: Answer): void {
    const { telemetry, sink } = this.#shared
    const kind = this.#isEverythingRefused(target) && this.#toSend.length > 0 ? 'configuration' : 'event'
    const advice = 'Look into the log of the collector. After three refusals a message goes to the dead letter.'
    const fault = new Fault(kind, `${target.url} refused a message: ${code} ${text}`, { code: `relp_${code}`, advice })
    if (kind === 'configuration') throw fault
    telemetry.deliveryFailed(sink, fault, times, 0)
  }

  /** Learns from a part of which nothing is known. */
  async #failed(part: Part, target: Target, fault: Fault): Promise<'given up' | 'to send'> {
    const isProven = target.confirmations > (part.seen.get(target) ?? Number.POSITIVE_INFINITY)
    part.seen.set(target, target.confirmations)
    part.unknown = isProven ? 1 : part.unknown + 1
    this.#unknown = part.unknown
    part.ends++
    const mayBeFrame = fault.kind === 'ambiguous' && MAY_BE_FRAMES.has(fault.code) && !part.witness
    if (!mayBeFrame || !(part.alone || part.ends >= SUSPICIOUS)) return 'to send'
    const isAlone = part.alone && isSingle(part)
    if (isAlone && isProven) part.refusals++
    const isOver = part.refusals >= REFUSALS && this.#shared.evidence.mayGiveUp()
    if (isOver) {
      await this.#giveUp(
        part.from,
        `${fault.message}. It did so each time it got this message alone, and took others meanwhile`,
        fault.code,
      )
    }
    this.#toSend.shift()
    if (isOver) return 'given up'
    if (isAlone && this.#toSend.length === 0) this.#toSend.push(...this.#witness())
    this.#toSend.push(...piecesOf(this.#batch, part))
    return 'to send'
  }

  /** Nobody else may be there to prove that the collector takes messages: an event that it confirmed is sent again. */
  #witness(): Part[] {
    const confirmed = this.#lastConfirmed
    if (confirmed === undefined) return []
    return [{ ...wholeOf(this.#batch), from: confirmed, to: confirmed + 1, inDoubt: 1, alone: true, witness: true }]
  }

  async #giveUp(index: number, text: string, code: string): Promise<void> {
    await this.#bury([deadLetterOf(this.#batch, index, { code, text, status: null })], code)
  }

  /** Nothing is sent of an event that is too long and may not, or cannot, be shortened. */
  async #buryOversized(oversized: readonly [index: number, length: number][]): Promise<void> {
    const entries = oversized.map(([index, length]) => {
      const text = `the message would have ${length} bytes, and SYSLOG_MAX_BYTES is ${this.#shared.maxBytes}`
      return deadLetterOf(this.#batch, index, { code: 'event_too_large', text, status: null })
    })
    if (entries.length > 0) await this.#bury(entries, 'event_too_large')
    this.#started()
  }

  async #bury(entries: readonly DeadLetterEntry[], code: string): Promise<void> {
    const { deadLetter, deadLetterGate, telemetry, sink } = this.#shared
    await deadLetterGate.through(this.#lease.signal, () => {
      this.#lease.assertHeld()
      return deadLetter.write(entries)
    })
    telemetry.deadLettered(sink, code, entries.length)
  }
}

/** The results of the messages of one send. */
interface Sent {
  frames: number
  /** Events before this one are settled. */
  upTo: number
  /** Whether the target says what arrived. */
  readonly confirms: boolean
  confirmed: number
  /** Those that were shortened. */
  readonly cut: number[]
  /** Those that are JSON because they have no field for `raw`. */
  readonly asJson: number[]
  /** Lengths of messages that are too long, by the number of their event. */
  readonly oversized: Map<number, number>
  readonly refused: Map<number, Answer>
}

function noneOf({ from }: Part): Omit<Sent, 'confirms'> {
  return { frames: 0, upTo: from, confirmed: 0, cut: [], asJson: [], oversized: new Map(), refused: new Map() }
}

/** Also of a connection that ended before anything was written: it was opened for what had ended others. */
function isUnknown(error: unknown): error is Fault {
  return error instanceof Fault && (error.kind === 'ambiguous' || MAY_BE_FRAMES.has(error.code))
}

function staysUnknown(last: Fault): Fault {
  const message = `the outcome of one batch was unknown ${MOST_UNKNOWN} times in a row: ${last.message}`
  return new Fault('configuration', message, {
    code: last.code,
    cause: last,
    ...(last.advice !== undefined && { advice: last.advice }),
  })
}
