import { writeSync } from 'node:fs'
import { withoutWaiting } from '../core/descriptor.ts'

/** Takes bytes without waiting for anybody. */
export interface Output {
  /** Writes the beginning of `bytes`, and returns how many. Throws when it can write nothing now, EAGAIN if a reader is slow. */
  write(bytes: Buffer): number
}

export interface Losses {
  /** A line is lost. */
  lost(): void
  /** Everything that waited is written, and `lines` are missing after it; `why` is the code of the last error. */
  over(lines: number, why: string): void
}

const WAITING_BYTES = 256 << 10
const RETRY_MS = 100
/** How long the end of the process waits for a reader. */
const FLUSH_MS = 1_000
const LOOK_MS = 10

/**
 * Writes lines in their order and never waits. What cannot be written now waits in memory. When that is full, later lines
 * are lost and counted, until everything that waited has been written.
 */
export class LineWriter {
  readonly #output: Output
  readonly #losses: Losses
  readonly #waiting: Buffer[] = []
  #bytes = 0
  #lost = 0
  #why = ''
  #retry: NodeJS.Timeout | undefined

  constructor(output: Output, losses: Losses) {
    this.#output = output
    this.#losses = losses
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    const isFull = this.#bytes > 0 && this.#bytes + bytes.length > WAITING_BYTES
    if (this.#lost > 0 || isFull) {
      this.#lost++
      this.#losses.lost()
      return
    }
    this.#waiting.push(bytes)
    this.#bytes += bytes.length
    if (this.#retry === undefined) this.#drain()
  }

  /** Writes what still waits. A reader that is slow gets a second; this blocks the process meanwhile. */
  flushSync(): void {
    const deadline = performance.now() + FLUSH_MS
    this.#drain()
    while (this.#retry !== undefined && this.#why === 'EAGAIN' && performance.now() < deadline) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS)
      this.#drain()
    }
  }

  #drain(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        const written = this.#output.write(first)
        this.#bytes -= written
        if (written < first.length) this.#waiting[0] = first.subarray(written)
        else this.#waiting.shift()
      }
    } catch (error) {
      this.#why = (error as NodeJS.ErrnoException).code ?? String(error)
      this.#retry = setTimeout(() => this.#drain(), RETRY_MS).unref()
      return
    }
    if (this.#lost === 0) return
    const lines = this.#lost
    this.#lost = 0
    this.#losses.over(lines, this.#why)
  }
}

/** A descriptor that the process was given, like the standard output. */
export class Descriptor implements Output {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = withoutWaiting(fd)
  }

  write(bytes: Buffer): number {
    return writeSync(this.#fd, bytes)
  }
}
