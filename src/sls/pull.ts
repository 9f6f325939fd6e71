import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { BufferPool } from '../core/buffer-pool.ts'
import { Fault } from '../core/errors.ts'
import { inTurns, ownTurn } from '../core/turns.ts'
import { cursorNumber, int64, isCursor } from './cursor.ts'
import { serverTime } from './errors.ts'
import { countLogGroups } from './log-group.ts'
import type { Inflate } from './lz4.ts'
import { lz4Pieces } from './lz4.ts'
import type { Answer } from './transport.ts'

/**
 * Hard cap for one pull, raw or compressed: three times what the service sends (about 10 MB). While it is inflated three of
 * that size exist at once, whatever the byte budget says.
 */
export const MAX_RAW_BYTES = 32 * 1024 * 1024

/** Compressed bodies, which are done with as soon as they are inflated. */
const compressed = new BufferPool(16 << 20)

/** One answer to PullLogs. Its body is still on the wire: it must be read or discarded, once. */
export interface Pull {
  /** Where the next pull starts. */
  nextCursor: string
  /** Log groups in the body. With a query this may be 0 although `nextCursor` has moved on. */
  groupCount: number
  /** Bytes `read` returns. */
  rawSize: number
  /** Whether the pull reached the newest log; `undefined` when the server does not say. */
  endOfCursor: boolean | undefined
  /** Position of the last group of the body. */
  readLastCursor: bigint | undefined
  serverTimeMs?: number
  /**
   * The LogGroupList, inflated: exactly `rawSize` bytes and `groupCount` groups. Throws a `transient` Fault for a body
   * that is cut (`und_err_socket` …), late (`timeout`) or damaged (`corrupt_response`, `corrupt_lz4`, `corrupt_zstd`,
   * `corrupt_log_group`), and the caller's reason when its signal was aborted.
   * `allocate` may give the memory for the result, unless the body is zstd.
   * `faster` may do the work of inflating LZ4.
   */
  read(allocate?: (size: number) => Buffer, faster?: Inflate): Promise<Buffer>
  /** Drops the body without reading it. */
  discard(): void
}

/**
 * Reads the headers of a pull from the cursor `from`. Those that the protocol demands are required. Lies about size, and
 * cursors that would have the same logs read without end, are corrupt answers.
 */
export async function pullOf(answer: Answer, { from, idleMs }: { from: string; idleMs: number }): Promise<Pull> {
  const nextCursor = answer.header('x-log-cursor')
  if (!isCursor(nextCursor)) throw answer.corrupt('no x-log-cursor, or one that cannot be')
  const groupCount = wholeNumber(answer, 'x-log-count')
  if (groupCount > 0 && nextCursor === from) {
    throw answer.corrupt(`${groupCount} log groups came and x-log-cursor did not move: they would be read without end`)
  }
  if (isBefore(nextCursor, from)) throw answer.corrupt('x-log-cursor went back: logs would be read again without end')
  const rawSize = wholeNumber(answer, 'x-log-bodyrawsize')
  if (rawSize > MAX_RAW_BYTES) throw answer.corrupt(`${rawSize} bytes announced, at most ${MAX_RAW_BYTES} are taken`)
  if (rawSize === 0 && groupCount > 0) throw answer.corrupt(`${groupCount} log groups announced in 0 bytes`)
  const serverTimeMs = serverTime((name) => answer.header(name))
  const end = answer.header('x-log-end-of-cursor')
  // An empty list may still be sent as an empty compressed block. It is read here, so callers need not.
  if (rawSize === 0) await answer.body(compressedLimit(0))
  else answer.pause()
  return {
    nextCursor,
    groupCount,
    rawSize,
    endOfCursor: end === '1' ? true : end === '0' ? false : undefined,
    readLastCursor: int64(answer.header('x-log-read-last-cursor') ?? ''),
    ...(serverTimeMs !== undefined && { serverTimeMs }),
    read: (allocate = Buffer.allocUnsafe, faster) =>
      readBody(answer, { rawSize, groupCount, idleMs, allocate, faster }),
    discard: () => answer.discard(),
  }
}

interface Body {
  rawSize: number
  groupCount: number
  idleMs: number
  allocate: (size: number) => Buffer
  faster: Inflate | undefined
}

async function readBody(answer: Answer, wanted: Body): Promise<Buffer> {
  const { rawSize, groupCount, idleMs } = wanted
  if (rawSize === 0) return Buffer.alloc(0)
  answer.resume(idleMs)
  let taken: Buffer | undefined
  const take = (size: number): Buffer => {
    taken = compressed.take(size)
    return taken
  }
  try {
    const body = await answer.body(compressedLimit(rawSize), take)
    const raw = await inflate(answer, body, wanted)
    const groups = countLogGroups(raw)
    if (groups !== groupCount) throw answer.corrupt(`${groups} log groups where ${groupCount} were announced`)
    return raw
  } catch (error) {
    answer.discard()
    throw answer.failureOf(error)
  } finally {
    if (taken) compressed.give(taken)
  }
}

async function inflate(answer: Answer, body: Buffer, { rawSize, allocate, faster }: Body): Promise<Buffer> {
  const compression = answer.header('x-log-compresstype') ?? ''
  switch (compression.toLowerCase()) {
    case 'lz4':
      return await inTurns(lz4Pieces(body, rawSize, allocate, faster))
    case 'zstd':
      return sized(answer, await unzstd(body, rawSize), rawSize)
    case '':
      await ownTurn()
      return copied(sized(answer, body, rawSize), allocate(rawSize))
    default:
      throw answer.corrupt(`unknown compression ${JSON.stringify(compression.slice(0, 50))}`)
  }
}

const unzstdInThreads = promisify(zstdDecompress)

async function unzstd(body: Buffer, rawSize: number): Promise<Buffer> {
  try {
    // One chunk of the right size spares node:zlib a quarter of the time.
    return await unzstdInThreads(body, { maxOutputLength: rawSize, chunkSize: Math.max(64, rawSize) })
  } catch (error) {
    throw new Fault('transient', 'the body is not a valid zstd frame of the announced size', {
      code: 'corrupt_zstd',
      cause: error,
    })
  }
}

/** The body's own memory is about to be used again. */
function copied(body: Buffer, into: Buffer): Buffer {
  body.copy(into)
  return into
}

function sized(answer: Answer, raw: Buffer, rawSize: number): Buffer {
  if (raw.length !== rawSize) throw answer.corrupt(`${raw.length} bytes where ${rawSize} were announced`)
  return raw
}

/** No encoder makes a longer body. The limit refuses one while it still arrives. */
function compressedLimit(rawSize: number): number {
  return rawSize + (rawSize >>> 7) + 1024
}

/** False for cursors that are not numbers. */
function isBefore(cursor: string, other: string): boolean {
  const [position, after] = [cursorNumber(cursor), cursorNumber(other)]
  return position !== undefined && after !== undefined && position < after
}

function wholeNumber(answer: Answer, name: string): number {
  const value = answer.header(name)
  if (value === undefined || !/^\d{1,15}$/.test(value)) {
    throw answer.corrupt(`${name} is ${value === undefined ? 'missing' : JSON.stringify(value.slice(0, 50))}`)
  }
  return Number(value)
}

/**
 * The cursor number of a pull's first group, if cursors count single groups here (they do as far as anybody has seen: the
 * official Go client computes per-group cursors from `x-log-read-last-cursor` the same way).
 */
export function firstGroupOf(pull: Pull, cursor: string): bigint | undefined {
  const count = BigInt(pull.groupCount)
  if (pull.readLastCursor !== undefined) return pull.readLastCursor - count + 1n
  const start = cursorNumber(cursor)
  const next = cursorNumber(pull.nextCursor)
  return start !== undefined && next !== undefined && next - start === count ? start : undefined
}
