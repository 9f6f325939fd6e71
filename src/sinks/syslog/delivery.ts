import type { Batch } from '../../core/batch.ts'
import { whileWaiting } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { backoffMs, untilSuccess } from '../../core/retry.ts'
import { deadLetterOf } from '../dead-letter-line.ts'
import type { Pass } from '../pause-gate.ts'
import type { Piece } from './frames.ts'
import type { Shared } from './shared.ts'
import type { Target } from './target.ts'

const RETRY = { minMs: 500, maxMs: 30_000 }
const TOLD_EACH_MS = 15_000
/** An outcome that stays unknown so often, one time after the other, is no accident. */
const MOST_UNKNOWN = 3

/** One batch on its way to being settled: its messages are sent as often as it takes until all of them are confirmed. */
export class Delivery {
  readonly #batch: Batch
  readonly #lease: Lease
  readonly #shared: Shared
  readonly #started: () => void
  /** Messages that were written and not confirmed. */
  #inDoubt = 0
  #unknown = 0

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
    const { clock, telemetry, sink } = this.#shared
    const { signal } = this.#lease
    const since = clock.monotonic()
    const seconds = (): number => (clock.monotonic() - since) / 1000
    await untilSuccess(() => this.#attempt(), {
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
    })
  }

  async #attempt(): Promise<void> {
    const { doubtGate, gate, targets, telemetry, sink } = this.#shared
    const { signal } = this.#lease
    const sent = await doubtGate.through(signal, async (doubt) => {
      try {
        return await gate.through(signal, (pass) => targets.using((target) => this.#send(target, [doubt, pass])))
      } catch (error) {
        if (!(error instanceof Fault && error.kind === 'ambiguous')) throw error
        this.#unknown++
        throw this.#unknown >= MOST_UNKNOWN ? staysUnknown(error) : error
      }
    })
    signal.throwIfAborted() // what is confirmed after the lease ended settles nothing
    await this.#bury(sent.oversized)
    telemetry.delivered(sink, sent.frames)
    telemetry.framesCounted(sink, 'confirmed', sent.frames)
    if (sent.truncated > 0) telemetry.framesCounted(sink, 'truncated', sent.truncated)
  }

  async #send(target: Target, passes: readonly Pass[]): Promise<Sent> {
    const { framer, telemetry, sink } = this.#shared
    const sent: Sent = { frames: 0, truncated: 0, oversized: new Map() }
    const pieces = framer.pieces(this.#batch, ({ index, length }) => sent.oversized.set(index, length))
    const resent = this.#inDoubt
    this.#inDoubt = 0
    const leaving = ({ frames, truncated }: Piece): void => {
      for (const pass of passes) pass.check()
      this.#lease.assertHeld()
      this.#started()
      sent.frames += frames
      sent.truncated += truncated
      this.#inDoubt = Math.max(resent, sent.frames)
    }
    if (resent > 0) telemetry.framesCounted(sink, 'resent', resent)
    await target.send(pieces, leaving, this.#lease.signal)
    return sent
  }

  /** Nothing is sent of an event that is too long and may not, or cannot, be shortened. */
  async #bury(oversized: ReadonlyMap<number, number>): Promise<void> {
    const { deadLetter, deadLetterGate, telemetry, sink, maxBytes } = this.#shared
    if (oversized.size > 0) {
      const entries = [...oversized].map(([index, length]) => {
        const text = `the message would have ${length} bytes, and SYSLOG_MAX_BYTES is ${maxBytes}`
        return deadLetterOf(this.#batch, index, { code: 'event_too_large', text, status: null })
      })
      await deadLetterGate.through(this.#lease.signal, () => {
        this.#lease.assertHeld()
        return deadLetter.write(entries)
      })
      telemetry.deadLettered(sink, 'event_too_large', oversized.size)
    }
    this.#started()
  }
}

interface Sent {
  frames: number
  truncated: number
  /** Lengths of messages that are too long, by the number of their event. */
  readonly oversized: Map<number, number>
}

function staysUnknown(last: Fault): Fault {
  const message = `the outcome of one batch was unknown ${MOST_UNKNOWN} times in a row: ${last.message}`
  return new Fault('configuration', message, {
    code: last.code,
    cause: last,
    ...(last.advice !== undefined && { advice: last.advice }),
  })
}
