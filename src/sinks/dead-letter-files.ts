import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, messageOf, systemCodeOf } from '../core/errors.ts'
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

/** All dead letters of a directory, oldest file first. A directory that does not exist holds none. */
export async function* readDeadLetters(dir: string): AsyncGenerator<DeadLetterRecord> {
  for (const file of await deadLetterFiles(dir)) yield* readDeadLetterFile(file)
}

/** The dead letters of one file, in order. */
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

/**
 * Paths of the dead-letter files in a directory, oldest first, those included that a replay has taken (`….replaying-…`), and
 * links to files elsewhere.
 */
export async function deadLetterFiles(dir: string): Promise<string[]> {
  try {
    const names = (await readdir(dir))
      .filter((name) => name.startsWith(PREFIX) && (name.endsWith(SUFFIX) || name.includes(`${SUFFIX}.replaying-`)))
      .sort()
    const paths = names.map((name) => join(dir, name))
    const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)))
    return paths.filter((_, i) => found[i]?.isFile())
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return []
    throw new Fault('configuration', `cannot read the dead letters: ${messageOf(error)}`, {
      code: 'dead_letter',
      cause: error,
      advice: 'Run this as the user of the replica, or as root.',
    })
  }
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
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
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
