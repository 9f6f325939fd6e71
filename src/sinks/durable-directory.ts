import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder } from '../core/folder.ts'

/** A directory whose files must survive a power cut by name too: the names of its parents then have to be on disk as well. */
export class DurableDirectory {
  /** Absolute. */
  readonly path: string
  /** Directories in which a name was made that may not be on disk yet, the uppermost first. */
  readonly #unsynced = new Set<string>()

  constructor(path: string) {
    this.path = path
  }

  /** Makes the directory, and the parents that are missing. */
  async make(): Promise<void> {
    await makeFolder(this.path, 0o700, (folder) => this.#unsynced.add(dirname(folder)))
  }

  /** Brings the names in the directory to disk, and those of the directories that `make` made. */
  async sync(): Promise<void> {
    for (const path of [...this.#unsynced]) {
      await syncDirectory(path)
      this.#unsynced.delete(path)
    }
    await syncDirectory(this.path)
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
