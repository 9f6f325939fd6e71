import { constants, readFileSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { Reader, validate } from 'maxmind'
import { assertPlain } from '../core/plain-file.ts'
import type { GeoDatabase, GeoRecord } from '../routing/step.ts'

/** How often the file is looked at, at most. */
const LOOK_MS = 10_000
/** Between the tree of addresses and the records. */
const SEPARATOR_BYTES = 16
const LONGEST_ADDRESS = 64

/** Not blocking: a FIFO that comes there after the look has no end. */
const FLAG = constants.O_RDONLY | constants.O_NONBLOCK

/** By path, so that two steps share the memory. */
const open = new Map<string, WeakRef<MaxMindDatabase>>()

/** Opens a MaxMind database (`.mmdb`), or looks at it again. Throws if it cannot be used. */
export function openGeoDatabase(path: string): MaxMindDatabase {
  const known = open.get(path)?.deref()
  const found = statSync(path)
  if (known?.isOf(identityOf(found))) return known
  assertPlain(found)
  const reader = readerOf(readFileSync(path, { flag: FLAG }))
  const database = new MaxMindDatabase(path, reader, identityOf(found))
  open.set(path, new WeakRef(database))
  return database
}

/** An open database. It looks at its file from time to time, and reads it again when it was replaced. */
class MaxMindDatabase implements GeoDatabase {
  readonly path: string
  changed: (error: unknown) => void = () => {}
  #reader: Reader<GeoRecord>
  #identity: string
  #lookedAt = performance.now()
  #problem: string | undefined

  constructor(path: string, reader: Reader<GeoRecord>, identity: string) {
    this.path = path
    this.#reader = reader
    this.#identity = identity
  }

  isOf(identity: string): boolean {
    return this.#identity === identity
  }

  lookUp(address: string): GeoRecord | undefined {
    if (performance.now() - this.#lookedAt >= LOOK_MS) void this.renew()
    if (address.length > LONGEST_ADDRESS || !validate(address)) throw new Error('no address')
    const unfolded = address.replace(/^::ffff:(?=\d+\.)/i, '')
    // A tree of IPv4 has no place for the others, and would take their first bits for one.
    if (this.#reader.metadata.ipVersion === 4 && unfolded.includes(':')) return undefined
    return this.#reader.get(unfolded) ?? undefined
  }

  /** Reads the file again if it was replaced. One that cannot be used leaves the data as they are. */
  async renew(): Promise<void> {
    this.#lookedAt = performance.now()
    try {
      const found = await stat(this.path)
      const identity = identityOf(found)
      if (identity !== this.#identity) {
        assertPlain(found)
        const bytes = await readFile(this.path, { flag: FLAG })
        this.#identity = identity
        this.#reader = readerOf(bytes)
        this.changed(undefined)
      }
      this.#problem = undefined
    } catch (error) {
      const problem = String(error)
      if (problem !== this.#problem) this.changed(error)
      this.#problem = problem
    }
  }
}

function readerOf(bytes: Buffer): Reader<GeoRecord> {
  try {
    const reader = new Reader<GeoRecord>(bytes)
    const { searchTreeSize, databaseType } = reader.metadata
    const isWhole = searchTreeSize + SEPARATOR_BYTES <= bytes.length && typeof databaseType === 'string'
    if (!isWhole) throw new Error('it is not whole')
    return reader
  } catch (error) {
    throw new Error('it is no MaxMind database, or is not whole', { cause: error })
  }
}

/** Differs once the file is replaced or written again. */
function identityOf({ dev, ino, size, mtimeMs }: Awaited<ReturnType<typeof stat>>): string {
  return [dev, ino, size, mtimeMs].join()
}
