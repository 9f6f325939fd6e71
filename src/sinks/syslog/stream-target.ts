import type { Socket } from 'node:net'
import pLimit from 'p-limit'
import { sleepUnlessAborted } from '../../core/clock.ts'
import type { ConnectionEnd } from '../../core/telemetry.ts'
import type { Sending } from './connected-target.ts'
import { ConnectedTarget } from './connected-target.ts'
import { Stream } from './stream.ts'

/** A connection takes batches until one of these, and is drained. More of them keeps checkpoints behind; less wastes ports. */
const ROTATE_BYTES = 8_000_000
const ROTATE_MS = 1_000
const QUIET_MS = 200
/** Connections of a target that drain at the same time. Some collectors take ten from one address. */
const MOST_CLOSING = 7
/**
 * With `written`: more than the kernels on both sides hold at the defaults of Linux. When so much left behind a batch, the collector
 * has read the batch. Where less is sent, only time can tell. One of the two is enough: both would keep a quiet connection
 * unconfirmed for ever, and let a busy one confirm `MAX_IN_FLIGHT_BYTES` a minute at most.
 */
const WINDOW_BYTES = 16_000_000
const WINDOW_MS = 60_000
/** How often a window is looked at. */
const LOOK_EACH_MS = 200

/** One collector that confirms whole connections: each takes batches for a while, and is drained. */
export class StreamTarget extends ConnectedTarget<Stream> {
  readonly #closers = pLimit(MOST_CLOSING)
  readonly #rotated = new WeakSet<Stream>()
  /** They take no more batches. */
  readonly #due = new WeakSet<Stream>()
  #finMs = 0

  protected override async connected(socket: Socket, ended: (end: ConnectionEnd) => void): Promise<Stream> {
    return new Stream(socket, { name: this.url, clock: this.options.clock, ended })
  }

  protected override sending(): Sending<Stream> {
    return {
      put: (stream, { bytes }, left) => stream.write(bytes, left),
      confirmed: async (stream) => {
        const offset = stream.written
        await (this.#drains ? stream.drained : this.#aged(stream, offset))
        if (offset > 0) this.proven()
      },
    }
  }

  protected override written(stream: Stream, alone: boolean): boolean {
    if (!this.#drains) return !alone
    if (alone || stream.written >= ROTATE_BYTES || this.#due.has(stream)) {
      this.#drain(stream)
      return false
    }
    if (!this.#rotated.has(stream)) void this.#rotateInTime(stream)
    return true
  }

  get #drains(): boolean {
    return this.options.confirm === 'drain'
  }

  async #rotateInTime(stream: Stream): Promise<void> {
    this.#rotated.add(stream)
    const { clock } = this.options
    const until = clock.monotonic() + ROTATE_MS
    do {
      if (!(await sleepUnlessAborted(clock, QUIET_MS, stream.over))) return
    } while (clock.monotonic() < until && clock.monotonic() - stream.writtenAt < QUIET_MS)
    this.#due.add(stream)
    // Otherwise somebody writes to it and gives it back, or it drains already.
    if (this.takeIdle(stream)) this.#drain(stream)
  }

  #drain(stream: Stream): void {
    const drained = this.#closers(async () => {
      this.#finMs = await stream.drain(this.#finMs)
    })
    // Everybody who wrote to it is told by the stream itself.
    drained.catch(() => {})
  }

  /** Resolves when the connection has outlived the replay window of what was written up to `offset`. */
  async #aged(stream: Stream, offset: number): Promise<void> {
    const { clock } = this.options
    const until = clock.monotonic() + WINDOW_MS
    for (;;) {
      stream.over.throwIfAborted()
      if (stream.written - offset >= WINDOW_BYTES) return
      if (clock.monotonic() >= until && (await stream.hasSentAll())) {
        stream.over.throwIfAborted()
        return
      }
      await clock.sleep(LOOK_EACH_MS, stream.over)
    }
  }
}
