import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'

/** Much more often than a pipe fills. */
const READ_MS = 25

/** A pipe that a replica writes its log to. Its reader may stall; then it is full at once. */
export class LogPipe implements Disposable {
  /** For the process that writes. */
  readonly fd: number
  readonly #reader: number
  readonly #filler: number
  readonly #reading: NodeJS.Timeout
  #stalled = false

  constructor(path: string, read: (bytes: Buffer) => void) {
    execFileSync('mkfifo', [path])
    // Both ways, so that it waits for no other end and never comes to an end.
    this.fd = openSync(path, constants.O_RDWR)
    this.#reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    this.#filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
    this.#reading = setInterval(() => {
      if (!this.#stalled) this.#drain(read)
    }, READ_MS)
  }

  stall(): void {
    this.#stalled = true
    for (const size of [4096, 1]) while (untilAgain(() => writeSync(this.#filler, '\n'.repeat(size))));
  }

  resume(): void {
    this.#stalled = false
  }

  [Symbol.dispose](): void {
    clearInterval(this.#reading)
    for (const fd of [this.fd, this.#reader, this.#filler]) closeSync(fd)
  }

  #drain(read: (bytes: Buffer) => void): void {
    const bytes = Buffer.alloc(64 << 10)
    for (;;) {
      const length = untilAgain(() => readSync(this.#reader, bytes))
      if (length === 0) return
      read(Buffer.from(bytes.subarray(0, length)))
    }
  }
}

/** 0 when nothing can be read or written now. */
function untilAgain(act: () => number): number {
  try {
    return act()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
}
