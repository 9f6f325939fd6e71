import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { inTurns } from '../../core/turns.ts'
import { DEFLATE } from './binary.ts'

/** The engine never gives its memory back, so longer bodies go to zlib, in its threads. */
const LONGEST = 2 << 20
/**
 * Bytes deflated in one turn of the event loop. A MB takes 2 to 4 ms, and up to 12 on logs made to be slow: short repetitions
 * between a few letters in random order.
 */
const PIECE_BYTES = 512 << 10
/** More than what the engine has of its own. */
const TABLES = 1 << 20
const PAGE = 65_536
const SLACK = 64
/** A repetition reaches back this far; below it an address means "none" (engine/deflate.ts). */
const WINDOW = 32_768
/** RFC 1952, 2.3: deflate, fastest, unknown system. Without a time, so that the same body always gives the same bytes. */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255])
const TAIL_BYTES = 8
/** About what audit logs shrink to (measured: 6.7 to 14 times); a chunk is memory held until the garbage collector comes. */
const ZLIB_RATIO = 6
const ZLIB_CHUNK_LEAST = 16 * 1024

const inThreads = promisify(zlib.gzip)

/**
 * The gzip of `body`. On JSON events our own deflate takes two thirds of the CPU that zlib's fastest level does, or less, and
 * compresses as well (docs/performance.md). Bodies that it cannot take go to zlib.
 */
export async function gzip(body: Buffer): Promise<Buffer> {
  if (engine === undefined) engine = Deflate.open()
  if (body.length > LONGEST || engine === null) {
    const chunkSize = Math.max(ZLIB_CHUNK_LEAST, Math.ceil(body.length / ZLIB_RATIO))
    return await inThreads(body, { level: 1, memLevel: 9, chunkSize })
  }
  return await inTurns(engine.gzip(body))
}

interface Exports {
  freeFrom(): number
  begin(to: number): void
  deflate(from: number, start: number, pause: number, end: number): number
  finish(): number
}

/** The WebAssembly engine, in a memory of fixed size that becomes resident as far as it is used. */
class Deflate {
  readonly #exports: Exports
  readonly #bytes: Buffer
  readonly #input: number

  private constructor() {
    const room = TABLES + LONGEST + LONGEST + (LONGEST >> 2)
    const pages = Math.ceil(room / PAGE)
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#exports = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(DEFLATE, 'base64')), {
      env: { memory },
    }).exports as Exports
    this.#bytes = Buffer.from(memory.buffer)
    this.#input = Math.ceil(Math.max(this.#exports.freeFrom(), WINDOW) / SLACK + 1) * SLACK
  }

  /** `null` where it cannot run: no WebAssembly, no SIMD, no memory of that size, or a Node without crc32. */
  static open(): Deflate | null {
    try {
      return typeof zlib.crc32 === 'function' ? new Deflate() : null
    } catch {
      return null
    }
  }

  /** To be run `inTurns`: it has the memory to itself. */
  *gzip(body: Buffer): Generator<void, Buffer> {
    const { begin, deflate, finish } = this.#exports
    const from = this.#input
    const bodyEnd = from + body.length
    const to = bodyEnd + SLACK
    this.#bytes.set(body, from)
    const crc = zlib.crc32(body)
    begin(to)
    let at = deflate(from, from, from + PIECE_BYTES, bodyEnd)
    while (at < bodyEnd) {
      yield
      at = deflate(from, at, at + PIECE_BYTES, bodyEnd)
    }
    const end = finish()
    const gzipped = Buffer.allocUnsafeSlow(HEAD.length + end - to + TAIL_BYTES)
    gzipped.set(HEAD)
    gzipped.set(this.#bytes.subarray(to, end), HEAD.length)
    gzipped.writeUInt32LE(crc, gzipped.length - TAIL_BYTES)
    gzipped.writeUInt32LE(body.length, gzipped.length - 4)
    return gzipped
  }
}

/** `undefined` until the first body. */
let engine: Deflate | null | undefined
