import type { Stats } from 'node:fs'
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'

/** Settings, keys and certificates are small. A longer file is not the one that the user meant. */
const LONGEST_BYTES = 1 << 20
/** A FIFO that takes the file's place after the first look must not make the open wait for its writer. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** The path leads to something that is never read. The message has no path, because the path may be a secret. */
export class NotPlainFile extends Error {}

/**
 * UTF-8 text of a file that the configuration names. It must be a regular file, or a link to one, of at most 1 MiB: reading a
 * FIFO, a terminal or a device could take for ever. Throws NotPlainFile, or the system's error.
 */
export function readPlainFile(path: string): string {
  return readPlainBytes(path).toString('utf8')
}

/** The same, as bytes. */
export function readPlainBytes(path: string): Buffer {
  // Opening a device may do something to it, so it is looked at first.
  assertPlain(statSync(path))
  const file = openSync(path, FLAGS)
  try {
    assertPlain(fstatSync(file))
    const bytes = room()
    let size = 0
    for (let read = -1; read !== 0; size += read) read = readSync(file, bytes, size, bytes.length - size, null)
    return contentOf(bytes, size)
  } finally {
    closeSync(file)
  }
}

/** The same while the process works: a file system that does not answer holds up no one else. */
export async function readPlainFileLater(path: string): Promise<string> {
  assertPlain(await stat(path))
  const file = await open(path, FLAGS)
  try {
    assertPlain(await file.stat())
    const bytes = room()
    let size = 0
    for (let read = -1; read !== 0; size += read) {
      read = (await file.read(bytes, size, bytes.length - size, null)).bytesRead
    }
    return contentOf(bytes, size).toString('utf8')
  } finally {
    await file.close()
  }
}

/** Throws NotPlainFile if something else than a regular file is there; nothing at all is no error. */
export function assertPlainFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found) assertPlain(found)
}

/** Throws NotPlainFile. */
export function assertPlain(found: Stats): void {
  if (!found.isFile()) throw new NotPlainFile(`it is ${kindOf(found)}, not a regular file`)
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a directory'
  // A shell's <(…) is one as well.
  if (found.isFIFO()) return 'a FIFO (as <(…) of a shell is)'
  return found.isSocket() ? 'a socket' : 'a device'
}

/** One byte more than allowed, so that a longer file is told from one that just fits. */
function room(): Buffer {
  return Buffer.alloc(LONGEST_BYTES + 1)
}

function contentOf(bytes: Buffer, size: number): Buffer {
  if (size > LONGEST_BYTES) throw new NotPlainFile('it is larger than 1 MiB')
  return bytes.subarray(0, size)
}
