import { fdatasync, fstatSync, write, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'
import type { Clock } from '../../core/clock.ts'
import { withoutWaiting } from '../../core/descriptor.ts'
import { Fault, systemCodeOf } from '../../core/errors.ts'
import { escapedJson } from '../../core/text.ts'

const writeLater = promisify(write)
const syncLater = promisify(fdatasync)

/** How long a reader that is slow is left alone. It grows while nothing is taken. Milliseconds. */
const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 64
const LINE_END = 0x0a
const NONE: Buffer = Buffer.alloc(0)

/** Takes bytes, or the beginning of them, and returns how many. Throws EAGAIN when it takes none now. */
type Take = (bytes: Buffer) => Promise<number>

/**
 * The standard output of the process. A file behind it is synced; a pipe or a terminal has taken what the kernel took. A reader
 * that is slow makes the lines wait, and blocks nothing else.
 */
export class StandardOutput {
  readonly #clock: Clock
  readonly #fd: number
  readonly #isFile: boolean
  readonly #isTerminal: boolean
  readonly #take: Take
  readonly #signal: AbortSignal
  /** The end of a line of which the beginning was written before a failure. */
  #unfinished: Buffer = NONE

  /** `signal` ends the wait for a reader; `fd` is a descriptor that the process was given. */
  constructor({ clock, signal, fd = 1 }: { clock: Clock; signal: AbortSignal; fd?: number }) {
    this.#clock = clock
    this.#signal = signal
    this.#isFile = fstatSync(fd).isFile()
    this.#isTerminal = isatty(fd)
    this.#fd = withoutWaiting(fd)
    // A disk may be slow, so a file is written in another thread; anything else takes what it has room for.
    this.#take = this.#isFile
      ? async (bytes) => (await writeLater(this.#fd, bytes)).bytesWritten
      : async (bytes) => writeSync(this.#fd, bytes)
  }

  /** Each run ends with a line end. After an error, the system's or a Fault about a reader that has ended, none of them counts. */
  async append(runs: readonly Buffer[]): Promise<void> {
    try {
      const given = this.#isTerminal ? runs.map(harmless) : runs
      for (const run of [this.#unfinished, ...given]) await this.#write(run)
      if (this.#isFile) await syncLater(this.#fd)
    } catch (error) {
      if (systemCodeOf(error) === 'EPIPE') throw readerEnded(error)
      throw error
    }
  }

  /** The descriptor belongs to the process. */
  async close(): Promise<void> {}

  async #write(run: Buffer): Promise<void> {
    let from = 0
    try {
      while (from < run.length) from += await this.#taken(run.subarray(from))
      this.#unfinished = NONE
    } catch (error) {
      // The line is finished before the next one begins, or its reader would find two in one.
      if (from > 0) this.#unfinished = restOfLine(run, from)
      throw error
    }
  }

  /** Waits until some of the bytes are taken, and returns how many. */
  async #taken(bytes: Buffer): Promise<number> {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, 2 * waitMs)) {
      try {
        return await this.#take(bytes)
      } catch (error) {
        if (systemCodeOf(error) !== 'EAGAIN') throw error
        await this.#clock.sleep(waitMs, this.#signal)
      }
    }
  }
}

/** The same JSON without what a terminal would obey. */
function harmless(run: Buffer): Buffer {
  return Buffer.from(run.toString().split('\n').map(escapedJson).join('\n'))
}

/** A copy, because the memory of a run is used again. Empty where a line has just ended. */
function restOfLine(run: Buffer, from: number): Buffer {
  if (run[from - 1] === LINE_END) return NONE
  return Buffer.from(run.subarray(from, run.indexOf(LINE_END, from) + 1))
}

function readerEnded(cause: unknown): Fault {
  return new Fault('configuration', 'nobody reads the standard output any more: its reader has ended', {
    code: 'reader_ended',
    cause,
    advice: 'Start the bridge again, with a reader that stays. The logs wait in Log Service.',
  })
}
