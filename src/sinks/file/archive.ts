import { constants } from 'node:fs'
import { open, readdir, realpath, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { messageOf, systemCodeOf } from '../../core/errors.ts'
import { exposureOf } from '../../core/exposure.ts'
import { assertPlain } from '../../core/plain-file.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import type { AppendedFile } from '../appended-file.ts'
import { appendAll, isInPlace } from '../appended-file.ts'
import { DurableDirectory } from '../durable-directory.ts'
import { finishLastLine } from './last-line.ts'
import { FileLock } from './lock.ts'

export interface ArchiveOptions {
  readonly path: string
  /** Size at which the next file begins. Only a single run of lines may be longer. */
  readonly maxBytes: number
  /** So many full files are kept beside the one being written; at least 1. */
  readonly keep: number
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'notice'>
}

/** Its path has no links. */
interface OpenFile extends AppendedFile {
  /** Bytes that are known to be whole lines on disk. */
  size: number
  /** Bytes written, on disk or not. */
  written: number
}

/** Not blocking, so that a FIFO that takes the file's place is an error and not a wait; a link is one, too. Read, for its last line. */
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOFOLLOW

/**
 * Appends lines to a file, on disk (fdatasync) before `append` resolves. A full file is renamed to `<path>.<UTC time>` and not
 * touched again, so that programs that ship or tail it see no line twice.
 */
export class Archive {
  readonly #options: ArchiveOptions
  #lock: { readonly path: string; readonly lock: FileLock } | undefined
  #file: OpenFile | undefined

  constructor(options: ArchiveOptions) {
    this.#options = options
  }

  /**
   * Each run ends with a line end and stays in one file. Throws a Fault about the lock, NotPlainFile, ForeignLastLine, or the
   * system's error; none of the runs counts then.
   */
  async append(runs: readonly Buffer[]): Promise<void> {
    let file = await this.#current()
    try {
      for (const run of runs) {
        if (file.written > 0 && file.written + run.length > this.#options.maxBytes) {
          await this.#retire(file)
          file = await this.#current()
        }
        await appendAll(file, run)
        file.written += run.length
      }
      await this.#sync(file)
    } catch (error) {
      await this.#abandon()
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#file?.handle.close()
    this.#file = undefined
    await this.#unlock()
  }

  /** The file under the configured name. Another program may have moved it, as logrotate does. */
  async #current(): Promise<OpenFile> {
    const path = await withoutLinks(resolve(this.#options.path))
    await (await this.#lockOf(path)).hold()
    if (this.#file && (this.#file.path !== path || !(await isInPlace(this.#file)))) {
      const { handle } = this.#file
      this.#file = undefined
      await handle.close()
    }
    this.#file ??= await this.#open(path)
    return this.#file
  }

  async #lockOf(path: string): Promise<FileLock> {
    if (this.#lock?.path !== path) {
      await this.#unlock()
      this.#lock = { path, lock: lockOf(path, this.#options.clock) }
    }
    return this.#lock.lock
  }

  async #unlock(): Promise<void> {
    try {
      await this.#lock?.lock.release()
    } catch (error) {
      const { telemetry } = this.#options
      telemetry.notice('warn', `the lock of ${this.#lock?.path} may be left beside it: ${messageOf(error)}`)
    }
  }

  async #open(path: string): Promise<OpenFile> {
    // Opening a device may do something to it, so it is looked at first.
    await assertFileOrNothing(path)
    const handle = await open(path, FLAGS, 0o640)
    try {
      const found = await handle.stat()
      assertPlain(found)
      const exposure = exposureOf(found)
      if (exposure !== undefined)
        this.#options.telemetry.notice('warn', `${path}: others may change the events in it: ${exposure}`)
      const done = await finishLastLine(handle)
      if (done !== undefined) this.#options.telemetry.notice('warn', `${path}: ${done}`)
      await new DurableDirectory(dirname(path)).sync()
      const { ino: inode, size } = await handle.stat()
      return { path, handle, inode, size, written: size }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async #sync(file: OpenFile): Promise<void> {
    await file.handle.datasync()
    file.size = file.written
  }

  /** The next file begins. */
  async #retire(file: OpenFile): Promise<void> {
    await this.#sync(file)
    const folder = dirname(file.path)
    const prefix = `${basename(file.path)}.`
    const full = await fullFiles(folder, prefix)
    // A clock that was set back must not change the order of the names, nor make one of them twice.
    const after = full.length === 0 ? 0 : timeOf(full.at(-1)?.slice(prefix.length) ?? '') + 1
    const name = `${prefix}${stamp(Math.max(this.#options.clock.wall(), after))}`
    await rename(file.path, join(folder, name))
    this.#file = undefined
    await file.handle.close()
    const old = [...full, name].slice(0, -this.#options.keep)
    for (const each of old) await this.#remove(join(folder, each))
  }

  async #remove(path: string): Promise<void> {
    try {
      await unlink(path)
    } catch (error) {
      this.#options.telemetry.notice('warn', `an old file is left: ${messageOf(error)}`)
    }
  }

  /**
   * After a failure it is unknown how much of the last write is on disk. The file is cut back to its last line that counts, so
   * that half a line can never swallow the next one, and is opened again for the next try. Once another process has taken the
   * lock, its lines may be behind ours, and nothing is cut.
   */
  async #abandon(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    if (!file) return
    const { handle, size } = file
    try {
      const isOurs = this.#lock?.path === file.path && (await this.#lock.lock.isOurs())
      // A file that another program has made shorter must not grow.
      if (isOurs && (await handle.stat()).size > size) await handle.truncate(size)
    } catch {
      // The failure that brought us here is the one to report. The next one who opens the file looks at its last line.
    }
    await handle.close().catch(() => {})
  }
}

/**
 * Looks whether an archive could be written there, and opens nothing. Returns the process that writes it now, in words. Throws
 * NotPlainFile or the system's error.
 */
export async function writerOf(path: string, clock: Clock): Promise<string | undefined> {
  const real = await withoutLinks(resolve(path))
  await assertFileOrNothing(real)
  return await lockOf(real, clock).owner()
}

function lockOf(path: string, clock: Clock): FileLock {
  return new FileLock({ path: join(dirname(path), `.${basename(path)}.lock`), of: path, clock })
}

async function assertFileOrNothing(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (systemCodeOf(error) !== 'ENOENT') throw error
  })
  if (found) assertPlain(found)
}

/** Two names of one file must have one lock, so links are followed. The file itself need not exist. */
async function withoutLinks(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error
    return join(await realpath(dirname(path)), basename(path))
  }
}

/** Names of the full files, oldest first. */
async function fullFiles(folder: string, prefix: string): Promise<string[]> {
  const names = await readdir(folder)
  return names.filter((name) => name.startsWith(prefix) && timeOf(name.slice(prefix.length)) > 0).sort()
}

/** `20261130T220301123Z`, in the order of time. */
function stamp(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/[-:.]/g, '')
}

/** Unix milliseconds; 0 if it is not such a time. */
function timeOf(text: string): number {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/, '$1-$2-$3T$4:$5:$6.$7Z')
  return iso === text ? 0 : Date.parse(iso) || 0
}
