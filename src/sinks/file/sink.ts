import { abortable } from '../../core/abortable.ts'
import type { Batch } from '../../core/batch.ts'
import type { Clock } from '../../core/clock.ts'
import { whileWaiting } from '../../core/clock.ts'
import { Fault, messageOf } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import { NotPlainFile } from '../../core/plain-file.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { Pass } from '../pause-gate.ts'
import { PauseGate } from '../pause-gate.ts'
import type { Sink } from '../sink.ts'
import { Archive } from './archive.ts'
import { ForeignLastLine } from './last-line.ts'
import { StandardOutput } from './standard-output.ts'

/** The path that means the standard output. */
export const STANDARD_OUTPUT = '-'

const TOLD_EACH_MS = 15_000

export interface FileSinkOptions {
  /** The sink's configured name. */
  readonly sink: string
  /** A file, or `-` for the standard output. */
  readonly path: string
  readonly maxBytes: number
  readonly keep: number
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'delivered' | 'deliveryWaits' | 'paused' | 'resumed' | 'notice'>
  /** The reader of the standard output has ended. Nothing can be delivered until the process starts again. */
  readonly readerEnded?: (fault: Fault) => void
}

/** Where lines go. */
interface Output {
  /**
   * Resolves when the runs of lines are as safe as they get there. After an error none of them counts. Without any it only makes
   * sure that lines could be written.
   */
  append(runs: readonly Buffer[]): Promise<void>
  close(): Promise<void>
}

interface Job {
  /** Lines, or nothing: a look whether some could be written. */
  readonly run: Buffer | undefined
  /** Called right before the lines are written. Throws if they may not be written any more. */
  readonly leaving: () => void
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

/**
 * One envelope a line, into a file or to the standard output. What everybody delivers while a write is on its way to disk goes
 * into the next one, so one sync serves many deliveries.
 */
export class FileSink implements Sink {
  readonly name: string
  readonly #options: FileSinkOptions
  readonly #output: Output
  readonly #gate: PauseGate
  readonly #closing = new AbortController()
  readonly #jobs: Job[] = []
  #writing: Promise<void> | undefined

  /** Opens the file at once, so that a fault shows before the first log. */
  constructor(options: FileSinkOptions) {
    const { sink, path, clock, telemetry } = options
    this.name = sink
    this.#options = options
    this.#output =
      path === STANDARD_OUTPUT ? new StandardOutput({ clock, signal: this.#closing.signal }) : new Archive(options)
    this.#gate = new PauseGate({
      key: { reason: 'file_not_written', scope: { of: 'sink', sink } },
      clock,
      telemetry,
      probe: () => this.#look(),
    })
    void this.#look().then((fault) => fault && this.#gate.trip(fault))
  }

  async deliver(batch: Batch, lease: Lease, started: () => void): Promise<void> {
    let begun = false
    const leaving = (pass: Pass): void => {
      pass.check()
      lease.assertHeld()
      if (!begun) started()
      begun = true
    }
    const { signal } = lease
    await this.#gate.through(signal, (pass) =>
      this.#tellWhileWaiting(
        abortable(
          this.#write(batch.bytes, () => leaving(pass)),
          signal,
        ),
      ),
    )
    this.#options.telemetry.delivered(this.name, batch.count)
  }

  async close(): Promise<void> {
    this.#gate.close()
    this.#closing.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
    await this.#writing
    await this.#output.close()
  }

  /** A disk or a reader that hangs gives no error, and would not be seen otherwise. */
  #tellWhileWaiting(task: Promise<void>): Promise<void> {
    const { clock, telemetry } = this.#options
    const since = clock.monotonic()
    const fault = new Fault('transient', `${this.#place} has not taken the events yet`, { code: 'not_written_yet' })
    return whileWaiting(clock, task, TOLD_EACH_MS, () =>
      telemetry.deliveryWaits(this.name, fault, (clock.monotonic() - since) / 1000),
    )
  }

  /** In words. */
  get #place(): string {
    const { path } = this.#options
    return path === STANDARD_OUTPUT ? 'the standard output' : path
  }

  async #look(): Promise<Fault | undefined> {
    try {
      await this.#write(undefined, () => {})
      return undefined
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  #write(run: Buffer | undefined, leaving: () => void): Promise<void> {
    return new Promise((done, failed) => {
      this.#jobs.push({ run, leaving, done, failed })
      this.#writing ??= this.#work()
    })
  }

  async #work(): Promise<void> {
    await Promise.resolve() // whoever comes in the same turn is written with the first one
    while (this.#jobs.length > 0) {
      const jobs = this.#jobs.splice(0).filter(mayLeave)
      if (jobs.length === 0) continue
      try {
        await this.#output.append(jobs.flatMap(({ run }) => run ?? []))
        for (const { done } of jobs) done()
      } catch (error) {
        const fault = this.#faultOf(error)
        for (const job of jobs) job.failed(fault)
      }
    }
    this.#writing = undefined // in the same turn as the look at the queue, or a job could be left behind
  }

  /** Only what the file system says is a fault; anything else is a bug and is told as it is. */
  #faultOf(error: unknown): unknown {
    if (error instanceof Fault) {
      if (error.code !== 'reader_ended') return error
      this.#gate.trip(error)
      this.#options.readerEnded?.(error)
      return error
    }
    const { sink } = this.#options
    const message = `cannot write ${this.#place}: ${messageOf(error)}`
    if (error instanceof NotPlainFile) {
      const advice = `Give the sink ${sink} the path of a file, or "-" for the standard output.`
      return new Fault('configuration', message, { code: 'no_file', cause: error, advice })
    }
    if (error instanceof ForeignLastLine) {
      const advice = `Give the sink ${sink} the path of a file of its own, or move that file away. It goes on by itself then.`
      return new Fault('configuration', message, { code: 'not_our_file', cause: error, advice })
    }
    const { syscall, code = '' } = error as NodeJS.ErrnoException
    if (syscall === undefined) return error
    const advice = `The sink ${sink} needs room on the disk and a folder that this user may write. It goes on by itself then.`
    return new Fault('configuration', message, { code: code.toLowerCase(), cause: error, advice })
  }
}

function mayLeave(job: Job): boolean {
  try {
    job.leaving()
    return true
  } catch (error) {
    job.failed(error)
    return false
  }
}
