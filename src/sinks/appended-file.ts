import type { FileHandle } from 'node:fs/promises'
import { stat } from 'node:fs/promises'
import { systemCodeOf } from '../core/errors.ts'

/** An open file, and the name that led to it. */
export interface AppendedFile {
  readonly path: string
  readonly handle: FileHandle
  readonly inode: number
}

/** Whether the name still leads to the file: other programs may have renamed or replaced it. */
export async function isInPlace({ path, inode }: Pick<AppendedFile, 'path' | 'inode'>): Promise<boolean> {
  try {
    return (await stat(path)).ino === inode
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** The system may take fewer bytes at once. */
export async function appendAll({ handle }: Pick<AppendedFile, 'handle'>, bytes: Buffer): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    from += (await handle.write(bytes, from, bytes.length - from)).bytesWritten
  }
}
