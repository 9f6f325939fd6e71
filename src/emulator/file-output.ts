import { closeSync, openSync, writeSync } from 'node:fs'

/**
 * Appends to a file synchronously: what it was given can be read there before a client is told that it arrived. A file that
 * is new may only be read by its user, because events may hold anything.
 */
export class FileOutput {
  readonly #fd: number

  /** Throws when the file can't be opened. */
  constructor(path: string) {
    this.#fd = openSync(path, 'a', 0o600)
  }

  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
