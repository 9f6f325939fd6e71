import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Clock } from '../../core/clock.ts'
import { Fault, systemCodeOf } from '../../core/errors.ts'
import { NotPlainFile, readPlainFileLater } from '../../core/plain-file.ts'
import { numberingOfProcesses, processOf } from '../../core/processes.ts'
import { onOneLine } from '../../core/text.ts'
import { isInPlace } from '../appended-file.ts'

const TOUCHED_EVERY_MS = 5_000
/** A lock that nobody touched for so long, by the clock of the one who waits, has lost its owner. */
const LASTS_MS = 30_000
/** Of two that take over at the same time, the second is seen by the first after this long. */
const SETTLES_MS = 200

/** Locks that this process wants, and has not released since. */
const LIVING = new Set<string>()

/** The content of the lock. */
interface Owner {
  /** Tells the locks of one process apart. */
  readonly lock: string
  readonly host: string
  readonly pid: number
  readonly start: string | null
  /** Where the number means something; `null` where this cannot be known. */
  readonly numbering: string | null
}

export interface FileLockOptions {
  /** The lock file. Its folder must exist. */
  readonly path: string
  /** The file that the lock is about, for messages. */
  readonly of: string
  readonly clock: Clock
}

/**
 * The right to append to a file, kept in a file beside it. Two processes that rotate one file, or cut it after a failure, would
 * lose lines. A process that ended leaves its lock, which the next one takes over: at once where it can see that the owner is
 * gone, and otherwise when the lock was not touched for half a minute.
 */
export class FileLock {
  readonly #options: FileLockOptions
  readonly #id = randomUUID()
  /** Our lock, while we believe that we hold it. It stays open, so that no other file gets its inode. */
  #ours: OpenLock | undefined
  #touching: NodeJS.Timeout | undefined
  #isTouching = false
  /** The lock of another, as it was when it was last seen to change. */
  #watched: { readonly seen: string; readonly since: number } | undefined

  constructor(options: FileLockOptions) {
    this.#options = options
  }

  /** Makes sure that the lock is ours. Throws a `configuration` Fault, code `file_locked`, or the system's error. */
  async hold(): Promise<void> {
    if (await this.isOurs()) return
    await this.#forget()
    const us = await this.#us()
    LIVING.add(this.#id)
    this.#ours = (await this.#create(us)) ?? (await this.#takeOver(us))
    this.#touching = setInterval(() => void this.#touch(), TOUCHED_EVERY_MS).unref()
  }

  /** The process that holds the lock, in words; `undefined` if there is none, or it is known to be gone. */
  async owner(): Promise<string | undefined> {
    return await this.#livingOwner(await this.#us())
  }

  /** Whether it still is; another process may have taken it over. Throws the system's error. */
  async isOurs(): Promise<boolean> {
    return this.#ours !== undefined && (await this.#isInPlace(this.#ours))
  }

  /** Throws the system's error; the lock is no longer touched then, so another takes it over. */
  async release(): Promise<void> {
    try {
      if (await this.isOurs()) await rm(this.#options.path, { force: true })
    } finally {
      LIVING.delete(this.#id)
      await this.#forget()
    }
  }

  async #us(): Promise<Owner> {
    const [numbering = null, us] = await Promise.all([numberingOfProcesses(), processOf(process.pid)])
    return { lock: this.#id, host: hostname(), pid: process.pid, start: us?.start ?? null, numbering }
  }

  async #forget(): Promise<void> {
    clearInterval(this.#touching)
    const ours = this.#ours
    this.#ours = undefined
    await ours?.handle.close()
  }

  /** `undefined` if there is a lock already. */
  async #create(us: Owner): Promise<OpenLock | undefined> {
    try {
      return await written(this.#options.path, us)
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST') return undefined
      throw error
    }
  }

  async #takeOver(us: Owner): Promise<OpenLock> {
    const { path, clock } = this.#options
    const owner = await this.#livingOwner(us)
    if (owner !== undefined) throw this.#locked(owner)
    this.#watched = undefined
    // A name that nobody can know before, and put a link there.
    const fresh = `${path}.${randomUUID()}`
    const lock = await written(fresh, us)
    try {
      await rename(fresh, path)
      await clock.sleep(SETTLES_MS)
      if (await this.#isInPlace(lock)) return lock
      throw this.#locked('another process that has just taken it over')
    } catch (error) {
      await lock.handle.close()
      await rm(fresh, { force: true })
      throw error
    }
  }

  /** The owner in words; `undefined` if it is gone. */
  async #livingOwner(us: Owner): Promise<string | undefined> {
    const { path, clock } = this.#options
    let seen: string
    let text: string
    try {
      const { ino, mtimeMs } = await stat(path)
      seen = `${ino} ${mtimeMs}`
      text = await readPlainFileLater(path)
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined
      if (error instanceof NotPlainFile) throw new NotPlainFile(`its lock ${path} is odd: ${error.message}`)
      throw error
    }
    const owner = ownerIn(text)
    const named = owner ? onOneLine(`process ${owner.pid} on ${owner.host}`) : 'another process'
    if (owner && owner.numbering !== null && owner.numbering === us.numbering) {
      if (owner.pid === us.pid && owner.start === us.start) {
        // A disk that comes back may bring a lock of our own back, which could not be removed while it was away.
        const isLiving = owner.lock !== us.lock && LIVING.has(owner.lock)
        return isLiving ? 'another sink of this configuration' : undefined
      }
      return (await isGone(owner)) ? undefined : named
    }
    const now = clock.monotonic()
    if (this.#watched?.seen !== seen) this.#watched = { seen, since: now }
    return now - this.#watched.since < LASTS_MS ? named : undefined
  }

  #locked(owner: string): Fault {
    const { path, of } = this.#options
    return new Fault('configuration', `${of} is being written by ${owner}, as ${path} says`, {
      code: 'file_locked',
      advice:
        'Give each replica and each sink a path of its own, for example with the name of its host in it. This sink goes on by itself when the other has ended.',
    })
  }

  #isInPlace({ inode }: OpenLock): Promise<boolean> {
    return isInPlace({ path: this.#options.path, inode })
  }

  /** One at a time: each holds a thread, and a disk that hangs would soon hold all of them. */
  async #touch(): Promise<void> {
    if (this.#isTouching) return
    this.#isTouching = true
    try {
      const now = new Date(this.#options.clock.wall())
      await this.#ours?.handle.utimes(now, now)
    } catch {
      // If it cannot be touched, another may take over. `hold` finds that before the next line.
    } finally {
      this.#isTouching = false
    }
  }
}

interface OpenLock {
  readonly handle: FileHandle
  readonly inode: number
}

async function written(path: string, owner: Owner): Promise<OpenLock> {
  const handle = await open(path, 'wx', 0o640)
  try {
    await handle.writeFile(`${JSON.stringify(owner)}\n`)
    return { handle, inode: (await handle.stat()).ino }
  } catch (error) {
    await handle.close()
    // On a full disk, say: a lock without an owner would have to be waited for.
    await rm(path, { force: true })
    throw error
  }
}

async function isGone({ pid, start }: Owner): Promise<boolean> {
  const found = await processOf(pid)
  if (found) return found.state === 'Z' || found.start !== start
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return systemCodeOf(error) === 'ESRCH'
  }
}

/** `undefined` for a lock that was not written to its end, or by somebody else. */
function ownerIn(text: string): Owner | undefined {
  try {
    const { lock, host, pid, start, numbering } = Object(JSON.parse(text)) as Owner
    return typeof host === 'string' && Number.isSafeInteger(pid) ? { lock, host, pid, start, numbering } : undefined
  } catch {
    return undefined
  }
}
