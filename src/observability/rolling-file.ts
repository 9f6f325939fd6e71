import type { Stats } from 'node:fs'
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, unlinkSync, writeSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { exposureOf } from '../core/exposure.ts'
import { makeFolderSync } from '../core/folder.ts'
import type { Output } from './line-writer.ts'

export interface RollingFileOptions {
  /** `x/bridge.log` makes `x/bridge.1.log`, `x/bridge.2.log`, … */
  file: string
  /** Size in bytes at which the next file begins. */
  bytes: number
  /** Files that are kept, the current one included. */
  kept: number
  /** Nothing can be written, the next file cannot be begun, or an old one not be removed. It is tried again. */
  failed: (error: unknown) => void
  /** The file of this path is written from now on. */
  begun: (path: string) => void
}

/**
 * Numbered files, of which the newest are kept. It begins with the newest that is there. A link or a folder of such a name
 * belongs to somebody else, perhaps another replica: `bridge.1.log` may be its LOG_FILE. It is neither written nor removed. Nor
 * is a file written that others may change, or that has a second name.
 * (pino-roll waits in a loop, for ever, when the process ends while the disk is full.)
 */
export class RollingFile implements Output {
  readonly #options: RollingFileOptions
  readonly #directory: string
  readonly #before: string
  readonly #after: string
  #fd: number
  #number: number
  #size: number

  /** Creates the directory. Throws when the file cannot be opened. */
  constructor(options: RollingFileOptions) {
    this.#options = options
    const extension = extname(options.file)
    this.#directory = dirname(options.file)
    this.#before = `${basename(options.file, extension)}.`
    this.#after = extension || '.log'
    makeFolderSync(this.#directory)
    this.#number = this.#free(Math.max(1, ...this.#numbers()))
    this.#fd = open(this.file)
    this.#size = fstatSync(this.#fd).size
    this.#begun()
  }

  /** Path of the current file. */
  get file(): string {
    return this.#path(this.#number)
  }

  write(bytes: Buffer): number {
    const written = this.#write(bytes)
    this.#size += written
    // A line that was cut goes on in the same file.
    if (written === bytes.length && this.#size >= this.#options.bytes) this.#roll()
    return written
  }

  /** Goes on in a file of the same name, which is a new one if the old one was moved away. */
  reopen(): void {
    this.#openNumber(this.#number)
  }

  #write(bytes: Buffer): number {
    try {
      return writeSync(this.#fd, bytes)
    } catch (error) {
      this.#options.failed(error)
      throw error
    }
  }

  #roll(): void {
    this.#openNumber(this.#number + 1)
  }

  #openNumber(wanted: number): void {
    const before = this.#fd
    try {
      const number = this.#free(wanted)
      const fd = open(this.#path(number))
      this.#fd = fd
      this.#number = number
      this.#size = fstatSync(fd).size
    } catch (error) {
      this.#options.failed(error)
      return
    }
    try {
      closeSync(before)
    } catch (error) {
      // The file is closed all the same: the next connection gets its descriptor.
      this.#options.failed(error)
    }
    this.#begun()
  }

  /** Only the file itself must be there. Its link and the removal of old files are done as far as they can be. */
  #begun(): void {
    try {
      this.#options.begun(this.file)
      const old = this.#numbers().sort((a, b) => a - b)
      for (const number of old.slice(0, -this.#options.kept)) unlinkSync(this.#path(number))
    } catch (error) {
      this.#options.failed(error)
    }
  }

  #numbers(): number[] {
    return readdirSync(this.#directory, { withFileTypes: true }).flatMap((entry) => {
      const { name } = entry
      if (!entry.isFile()) return []
      const number = name.slice(this.#before.length, -this.#after.length)
      return /^[1-9]\d*$/.test(number) && basename(this.#path(number)) === name ? [Number(number)] : []
    })
  }

  /** The first number from this one on whose name nobody else has. */
  #free(number: number): number {
    const found = lstatSync(this.#path(number), { throwIfNoEntry: false })
    return found === undefined || isOurs(found) ? number : this.#free(number + 1)
  }

  #path(number: number | string): string {
    return join(this.#directory, `${this.#before}${number}${this.#after}`)
  }
}

function isOurs(found: Stats): boolean {
  return found.isFile() && found.nlink === 1 && exposureOf(found) === undefined
}

const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOFOLLOW

/** Not blocking, so that a FIFO that came there meanwhile is an error without a reader. A link is one, too. */
function open(path: string): number {
  return openSync(path, FLAGS, 0o600)
}
