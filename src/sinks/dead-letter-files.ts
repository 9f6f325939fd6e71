import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { lstat, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault, messageOf, systemCodeOf } from '../core/errors.ts'
import { exposureOf } from '../core/exposure.ts'
import { assertPlain, NotPlainFile } from '../core/plain-file.ts'
import type { DeadLetterLine } from './dead-letter-line.ts'
import { decodeDeadLetter } from './dead-letter-line.ts'

/** A file of dead letters is named `dead-letter-….jsonl`. */
export const PREFIX = 'dead-letter-'
export const SUFFIX = '.jsonl'

/**
 * One line of the dead letter, or what is wrong with it (`problem`). It is damaged, half of it, after a crash or a full
 * disk; a line that is too long may be whole.
 */
export type DeadLetterRecord = { readonly file: string; readonly line: number; readonly tooLong?: true } & (
  | { readonly letter: DeadLetterLine; readonly problem?: undefined }
  | { readonly letter?: undefined; readonly problem: string }
)

/** More than any event has: Log Service takes 10 MB, and JSON writes six characters for a control character. */
const LONGEST_LINE_BYTES = 64 << 20

/** A file in the directory that bears the name of one of ours. */
export interface FoundFile {
  readonly path: string
  /** User id. */
  readonly owner: number
  /** Why it may not be ours: it is not read then. */
  readonly odd?: string
}

/** A file is not ours, though its name is. */
export class OddFile extends Fault {
  constructor(path: string, why: string) {
    super('configuration', `${path} is not read: ${why}`, { code: 'odd_file', advice: ODD_ADVICE })
  }
}

export const ODD_ADVICE =
  'If it is yours, give it to the user of the replica, with mode 600 (copy it, where modes do not exist); otherwise remove it.'

/** All dead letters of a directory, oldest file first. A directory that does not exist holds none. */
export async function* readDeadLetters(dir: string): AsyncGenerator<DeadLetterRecord> {
  for (const file of await deadLetterFiles(dir)) yield* readDeadLetterFile(file)
}

/** The dead letters of one file, in order. Throws OddFile. */
export async function* readDeadLetterFile(file: string): AsyncGenerator<DeadLetterRecord> {
  let line = 0
  for await (const { text, whole } of linesOf(file)) {
    line++
    if (text === undefined) {
      yield { file, line, problem: `is longer than ${LONGEST_LINE_BYTES >> 20} MiB`, tooLong: true }
      continue
    }
    if (!whole) {
      yield { file, line, problem: 'cut off: its process ended, or the disk was full, while it was written' }
      continue
    }
    try {
      yield { file, line, letter: decodeDeadLetter(text) }
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      yield { file, line, problem: error.message }
    }
  }
}

/** Paths of the dead-letter files in a directory, oldest first. */
export async function deadLetterFiles(dir: string): Promise<string[]> {
  return (await filesIn(dir)).filter(({ odd }) => odd === undefined).map(({ path }) => path)
}

/**
 * Everything in a directory with the name of a dead-letter file, oldest first. Those are included that a replay has taken
 * (`….replaying-…`), and links to files elsewhere.
 */
export async function filesIn(dir: string): Promise<FoundFile[]> {
  try {
    const { uid } = await stat(dir)
    const names = (await readdir(dir))
      .filter((name) => name.startsWith(PREFIX) && (name.endsWith(SUFFIX) || name.includes(`${SUFFIX}.replaying-`)))
      .sort()
    const found = await Promise.all(names.map((name) => fileAt(join(dir, name), uid)))
    return found.filter((file) => file !== undefined)
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return []
    throw new Fault('configuration', `cannot read the dead letters: ${messageOf(error)}`, {
      code: 'dead_letter',
      cause: error,
      advice: 'Run this as the user of the replica, or as root.',
    })
  }
}

/** `undefined` if it is gone. */
async function fileAt(path: string, ownerOfFolder: number): Promise<FoundFile | undefined> {
  try {
    // A link has an owner, too, who chose the file.
    const [named, file] = [await lstat(path), await stat(path)]
    const owner = named.uid
    const why =
      oddity(file, ownerOfFolder) ?? exposureOf({ uid: owner, gid: file.gid, mode: file.mode }, [ownerOfFolder])
    return { path, owner, ...(why !== undefined && { odd: why }) }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    return { path, owner: -1, odd: messageOf(error) }
  }
}

/** A folder's owner may do with its files as he likes. */
function oddity(found: Stats, ownerOfFolder: number): string | undefined {
  try {
    assertPlain(found)
  } catch (error) {
    if (error instanceof NotPlainFile) return error.message
    throw error
  }
  return exposureOf(found, [ownerOfFolder])
}

/** Not blocking: a FIFO has no end. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** Whoever may write the folder may have put another file there since it was looked at. */
async function opened(path: string): Promise<FileHandle> {
  const { uid } = await stat(dirname(path))
  const file = await open(path, FLAGS)
  const odd = oddity(await file.stat(), uid)
  if (odd === undefined) return file
  await file.close()
  throw new OddFile(path, odd)
}

/**
 * Splits at `\n` only, and tells a line that lacks it: JSON text may hold U+2028 and lone `\r`, at which other readers break
 * lines. A line that is too long has no text.
 */
async function* linesOf(path: string): AsyncGenerator<{ text: string | undefined; whole: boolean }> {
  let parts: Buffer[] = []
  let bytes = 0
  const add = (part: Buffer): void => {
    bytes += part.length
    if (bytes > LONGEST_LINE_BYTES) parts = []
    else parts.push(part)
  }
  const take = (): string | undefined => {
    const text = bytes > LONGEST_LINE_BYTES ? undefined : Buffer.concat(parts).toString('utf8')
    parts = []
    bytes = 0
    return text
  }
  for await (const chunk of (await opened(path)).createReadStream() as AsyncIterable<Buffer>) {
    let from = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      add(chunk.subarray(from, end))
      yield { text: take(), whole: true }
      from = end + 1
    }
    if (from < chunk.length) add(chunk.subarray(from))
  }
  if (bytes > 0) yield { text: take(), whole: false }
}
