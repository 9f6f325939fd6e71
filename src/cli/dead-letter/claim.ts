import { createHash } from 'node:crypto'
import { rename, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { systemCodeOf } from '../../core/errors.ts'
import { numberingOfProcesses, processOf, wordsOf } from '../../core/processes.ts'

/** A claim that was not touched for so long has lost its owner. Clocks of two hosts may differ by minutes. */
const LASTS_MS = 10 * 60_000
const TOUCHED_EVERY_MS = 30_000

/**
 * `<file>.replaying-<host>-n<numbering>-s<start>-<pid>`: a replay has taken the file. Process ids mean something only within
 * one `numbering`: two containers may share a host's name and a volume, and each has a process 7. `start` is the instant at
 * which the kernel started the process, so another process that gets its number later is not taken for the owner. Older
 * versions left both out.
 */
const CLAIM = /\.replaying-([^/]+?)(?:-n([0-9a-f]{12}))?(?:-s(\d+))?-(\d+)$/
const DONE = '.replayed'

/** A file of dead letters that this process replays. Others leave it alone while its owner lives. */
export class Claim {
  readonly #original: string
  readonly path: string
  readonly #touching: NodeJS.Timeout

  private constructor(original: string, path: string) {
    this.#original = original
    this.path = path
    // If it cannot be touched, another host takes the file over after a while, and events arrive twice.
    this.#touching = setInterval(() => void touch(path).catch(() => {}), TOUCHED_EVERY_MS).unref()
  }

  /** Takes the file, also over from an owner that is gone; otherwise says why it can't. Rejects with the system's error. */
  static async take(file: string): Promise<Claim | string> {
    const original = file.replace(CLAIM, '')
    try {
      const owner = await ownerOf(file)
      if (owner !== undefined) return owner
      const path = `${original}.replaying-${await ourName()}`
      // Before the rename, or another host could find the claim too old.
      await touch(file)
      await rename(file, path)
      return new Claim(original, path)
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error
      return 'another replay has just taken it'
    }
  }

  /** All of its events are settled. */
  finish(): Promise<void> {
    return this.#release(`${this.#original}${DONE}`)
  }

  /** The next replay sends the whole file again. */
  giveBack(): Promise<void> {
    return this.#release(this.#original)
  }

  async #release(path: string): Promise<void> {
    clearInterval(this.#touching)
    await rename(this.path, path)
  }
}

/** The process that replays the file, in words; `undefined` if there is none. */
async function ownerOf(file: string): Promise<string | undefined> {
  const [, host, numbering, start, pid] = CLAIM.exec(file) ?? []
  if (host === undefined || pid === undefined) return undefined
  const visible = host === hostname() && (numbering === undefined || numbering === (await shortNumbering()))
  const lives = visible ? await isReplay(Number(pid), start) : undefined
  if (lives === false) return undefined
  const age = Date.now() - (await stat(file)).mtimeMs
  // A claim from the future is as wrong as an old one.
  if (lives === undefined && Math.abs(age) > LASTS_MS) return undefined
  const later = lives
    ? ''
    : `; if it is gone, a replay takes the file over ${LASTS_MS / 60_000} minutes after its claim`
  return `process ${pid} on ${host} replays it${later}`
}

async function ourName(): Promise<string> {
  const [numbering, us] = await Promise.all([shortNumbering(), processOf(process.pid)])
  const known = [hostname(), numbering && `n${numbering}`, us && `s${us.start}`, process.pid]
  return known.filter((part) => part !== undefined).join('-')
}

/** `numberingOfProcesses`, short enough for the name of a file. */
async function shortNumbering(): Promise<string | undefined> {
  const numbering = await numberingOfProcesses()
  return numbering && createHash('sha256').update(numbering).digest('hex').slice(0, 12)
}

/** Whether a process of this host is the replay that took a file; `undefined` if this user cannot see it. */
async function isReplay(pid: number, start: string | undefined): Promise<boolean | undefined> {
  // Our own process has taken nothing yet: a process before it had the same number.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') return false
  }
  const found = await processOf(pid)
  if (found === undefined) return undefined
  // A zombie has ended, and waits for its parent to ask.
  if (found.state === 'Z') return false
  if (start !== undefined) return start === found.start
  const words = await wordsOf(pid)
  return words?.includes('dead-letter') && words.includes('replay')
}

async function touch(path: string): Promise<void> {
  const now = new Date()
  await utimes(path, now, now)
}
