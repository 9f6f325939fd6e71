import { randomBytes } from 'node:crypto'
import { open, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { systemClock } from '../core/clock.ts'
import { Fault, messageOf } from '../core/errors.ts'
import { nameOf } from '../core/text.ts'
import type { AppendedFile } from './appended-file.ts'
import { appendAll, isInPlace } from './appended-file.ts'
import { PREFIX, SUFFIX } from './dead-letter-files.ts'
import type { DeadLetterEntry, DeadLetterLine } from './dead-letter-line.ts'
import { encodeDeadLetter, sameLine } from './dead-letter-line.ts'
import { DurableDirectory } from './durable-directory.ts'

export interface DeadLetterOptions {
  readonly dir: string
  /** Consumer name: becomes part of the file names. */
  readonly consumer: string
  /** Lines name route and sink. Without a configuration file they don't. */
  readonly namesSink?: boolean
  readonly maxFileBytes?: number
  readonly clock?: Pick<Clock, 'wall'>
}

interface OpenFile extends AppendedFile {
  /** Bytes that are known to be whole lines on disk. */
  size: number
}

interface Job {
  readonly lines: readonly Buffer[]
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

/**
 * Events the SIEM refused for good, as JSON lines. What was written is on disk (fsync) before `write` resolves, because
 * the checkpoint moves past it then. Each process appends to a file of its own, so several may share the directory.
 */
export class DeadLetter {
  readonly #dir: DurableDirectory
  readonly #consumer: string
  readonly #namesSink: boolean
  readonly #maxFileBytes: number
  readonly #clock: Pick<Clock, 'wall'>
  readonly #jobs: Job[] = []
  #file: OpenFile | undefined
  #writing: Promise<void> | undefined

  constructor(options: DeadLetterOptions) {
    const { dir, consumer, namesSink = false, maxFileBytes = 64 * 1024 * 1024, clock = systemClock } = options
    this.#namesSink = namesSink
    this.#dir = new DurableDirectory(resolve(dir))
    this.#consumer = nameOf(consumer, 80, '_')
    this.#maxFileBytes = maxFileBytes
    this.#clock = clock
  }

  /** Throws a `configuration` Fault, code `dead_letter`, when the directory cannot be written. No entry counts then. */
  async write(entries: readonly DeadLetterEntry[]): Promise<void> {
    const at = new Date(this.#clock.wall())
    await this.#store(entries.map((entry) => encodeDeadLetter(entry, at, this.#namesSink)))
  }

  /** Keeps lines of another file as they are. Throws as `write` does. */
  async keep(letters: readonly DeadLetterLine[]): Promise<void> {
    await this.#store(letters.map(sameLine))
  }

  #store(lines: readonly Buffer[]): Promise<void> {
    return new Promise((done, failed) => {
      this.#jobs.push({ lines, done, failed })
      this.#writing ??= this.#work()
    })
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#file?.handle.close()
    this.#file = undefined
  }

  /** One fsync for everything that came while the last one ran. */
  async #work(): Promise<void> {
    while (this.#jobs.length > 0) {
      const jobs = this.#jobs.splice(0)
      try {
        await this.#append(jobs.flatMap(({ lines }) => lines))
        for (const { done } of jobs) done()
      } catch (error) {
        const fault = this.#faultOf(error)
        for (const { failed } of jobs) failed(fault)
      }
    }
    this.#writing = undefined // in the same turn as the look at the queue, or a job could be left behind
  }

  /** Only what the file system says is a fault; anything else is a bug and is told as it is. */
  #faultOf(error: unknown): unknown {
    if (!(error instanceof Error && 'syscall' in error)) return error
    return new Fault('configuration', `cannot write the dead letter in ${this.#dir.path}: ${messageOf(error)}`, {
      code: 'dead_letter',
      cause: error,
      advice: 'Make DEAD_LETTER_DIR writable and free space on it; refused events wait until then.',
    })
  }

  async #append(encoded: readonly Buffer[]): Promise<void> {
    const lines = Buffer.concat(encoded)
    for (;;) {
      const file = await this.#fileFor(lines.length)
      try {
        await appendAll(file, lines)
        await file.handle.sync()
      } catch (error) {
        await this.#abandon(file)
        throw error
      }
      file.size += lines.length
      // A replay takes a file by renaming it, and may have read past our place already: then write once more.
      if (await isInPlace(file)) return
    }
  }

  async #fileFor(bytes: number): Promise<OpenFile> {
    const file = this.#file
    const full = file !== undefined && file.size > 0 && file.size + bytes > this.#maxFileBytes
    if (file && (full || !(await isInPlace(file)))) {
      this.#file = undefined
      await file.handle.close()
    }
    this.#file ??= await this.#create()
    return this.#file
  }

  async #create(): Promise<OpenFile> {
    await this.#dir.make()
    const time = new Date(this.#clock.wall()).toISOString().replace(/[-:.]/g, '')
    const name = `${PREFIX}${time}-${this.#consumer}-${process.pid}-${randomBytes(3).toString('hex')}${SUFFIX}`
    const path = join(this.#dir.path, name)
    const handle = await open(path, 'ax', 0o600)
    try {
      const { ino: inode } = await handle.stat()
      await this.#dir.sync()
      return { path, handle, inode, size: 0 }
    } catch (error) {
      await this.#abandon({ path, handle, size: 0 })
      throw error
    }
  }

  /**
   * After a failure it is unknown how much of the last write is on disk: cut back to the last whole line and go on in a new
   * file, so that half a line can never swallow the next one. A file without a line is removed.
   */
  async #abandon({ path, handle, size }: Pick<OpenFile, 'path' | 'handle' | 'size'>): Promise<void> {
    this.#file = undefined
    try {
      try {
        await handle.truncate(size)
        if (size === 0) await unlink(path)
      } finally {
        await handle.close()
      }
    } catch {
      // The failure that brought us here is the one to report; readers cope with half a last line.
    }
  }
}
