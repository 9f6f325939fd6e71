import type { Batch, Span } from '../../core/batch.ts'
import { FRAMES } from './binary.ts'
import type { FramerOptions } from './message.ts'
import { constantTexts } from './message.ts'

interface Exports {
  freeFrom(): number
  /** Addresses of the texts. */
  startAt(): number
  middleAt(): number
  finishAt(): number
  configure(start: number, middle: number, finish: number, hasHeader: number, framing: number, maxBytes: number): void
  frame(from: number, base: number, ends: number, count: number, out: number, stop: number, number: number): number
  framesEnd(): number
  /** Whether it stopped because a frame might not have fitted. */
  isFull(): number
}

interface Framed {
  readonly count: number
  readonly end: number
  readonly isFull: boolean
}

/** Envelopes that are copied into the kernel at once, and frames that it writes at once, bytes. */
const MOST_BYTES = 128 * 1024
/** By their number in the kernel. */
const FRAMINGS: readonly FramerOptions['framing'][] = ['lf', 'octet', 'relp']
/** An envelope has more bytes than this. */
const LEAST_ENVELOPE = 32
const SLACK = 64
const PAGE = 65_536

/**
 * The WebAssembly that frames envelopes with JSON payloads. All syslog sinks share it and its memory, which nobody uses between
 * two calls.
 */
export class FrameKernel {
  readonly #exports: Exports
  readonly #bytes: Buffer
  readonly #input: number
  readonly #ends: Uint32Array
  readonly #output: number
  /** For which the texts are in place. */
  #configured: { readonly options: FramerOptions; readonly shard: number } | undefined

  private constructor() {
    const pages = Math.ceil((3 * MOST_BYTES) / PAGE) + 2
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#exports = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(FRAMES, 'base64')), { env: { memory } })
      .exports as Exports
    this.#bytes = Buffer.from(memory.buffer)
    this.#input = Math.ceil(this.#exports.freeFrom() / SLACK + 1) * SLACK
    this.#output = this.#input + MOST_BYTES + SLACK
    this.#ends = new Uint32Array(memory.buffer, this.#output + MOST_BYTES + SLACK, MOST_BYTES / LEAST_ENVELOPE)
  }

  /** `null` where it cannot run, or does not make messages like these. */
  static for({ format, header, severity }: FramerOptions): FrameKernel | null {
    if (format !== 'json' || header === 'rfc3164' || severity === 'auto') return null
    try {
      shared ??= new FrameKernel()
      return shared
    } catch {
      return null // no WebAssembly, or no SIMD
    }
  }

  /**
   * Frames the first of these events into the room of a piece. Stops before one that the host must make. `isFull`: it stopped
   * because there might be no room for the next. `end`: of the frames in that room.
   */
  frame(batch: Batch, span: Span, options: FramerOptions, { room, next }: { room: Buffer; next: number }): Framed {
    const { frame, framesEnd, isFull } = this.#exports
    const most = Math.min(room.length, MOST_BYTES)
    const copied = this.#copyIn(batch, span, most)
    this.#configure(options, batch.origin.shard)
    const [input, output] = [this.#input, this.#output]
    const count = frame(input, input - startOf(batch, span), this.#ends.byteOffset, copied, output, output + most, next)
    const end = framesEnd()
    this.#bytes.copy(room, 0, output, end)
    const isHost = count < copied && isFull() === 0
    return { count, end: end - output, isFull: !isHost && count < span.to - span.from }
  }

  /** Copies whole envelopes and their ends, of at most so many bytes, and returns their number. */
  #copyIn(batch: Batch, span: Span, most: number): number {
    const { bytes, ends } = batch
    const start = startOf(batch, span)
    const limit = Math.min(span.to, span.from + this.#ends.length)
    let [low, high] = [span.from, limit]
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((ends[middle - 1] as number) - start <= most) low = middle
      else high = middle - 1
    }
    const count = low - span.from
    if (count > 0) this.#bytes.set(bytes.subarray(start, ends[low - 1]), this.#input)
    this.#ends.set(ends.subarray(span.from, low))
    return count
  }

  #configure(options: FramerOptions, shard: number): void {
    if (this.#configured?.options === options && this.#configured.shard === shard) return
    const { startAt, middleAt, finishAt, configure } = this.#exports
    const { start, middle, finish } = constantTexts(options, shard)
    const put = (text: string, at: number): number => this.#bytes.write(text, at)
    const lengths = [put(start, startAt()), put(middle, middleAt()), put(finish, finishAt())] as const
    const { header, framing, maxBytes } = options
    configure(...lengths, header === 'rfc5424' ? 1 : 0, FRAMINGS.indexOf(framing), maxBytes)
    this.#configured = { options, shard }
  }
}

function startOf({ ends }: Batch, { from }: Span): number {
  return from === 0 ? 0 : (ends[from - 1] as number)
}

/** Made for the first sink that can use it. */
let shared: FrameKernel | undefined
