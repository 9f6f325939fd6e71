import type { Batch, Span } from '../../core/batch.ts'
import { FRAMES } from './binary.ts'
import { numberAfter } from './command-number.ts'
import { LegacyTime } from './legacy-time.ts'
import type { Pupil } from './lessons.ts'
import { Lessons } from './lessons.ts'
import type { FramerOptions } from './message.ts'
import { constantTexts } from './message.ts'

interface Exports extends Pupil {
  freeFrom(): number
  /** Addresses of the texts. */
  middleAt(): number
  finishAt(): number
  /** Header, eight times the facility, severity, lengths of both texts, format, framing, most bytes of a message. */
  configure(...numbers: number[]): void
  /** Addresses of the separator of `kv` and of the name of the one content, and their lengths. */
  separatorAt(): number
  fieldAt(): number
  configureContents(separator: number, field: number): void
  frame(from: number, base: number, ends: number, count: number, out: number, stop: number, number: number): number
  framesEnd(): number
  /** Whether it stopped because a frame might not have fitted. */
  isFull(): number
  /** The word that it needs to go on; a space of 0 if it needs none. */
  spaceAsked(): number
  wordAsked(): number
  lengthAsked(): number
  /** The time of the event that it is at, unix seconds. */
  timeAsked(): number
  /** Where the text of its minute goes. */
  minuteAt(): number
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
const HEADERS: readonly FramerOptions['header'][] = ['none', 'rfc5424', 'rfc3164']
const FORMATS: readonly FramerOptions['format'][] = ['json', 'cef', 'leef', 'kv', 'raw']
type Format = FramerOptions['format']
const AUTO = 8
/** Bytes of a configured text that the kernel has room for. */
const LONGEST_TEXT = 200
/** The space of a word that is a minute. */
const MINUTE = 5
/** An event that asks for more words is the host's. */
const MOST_WORDS = 2_000
/** An envelope has more bytes than this. */
const LEAST_ENVELOPE = 32
const SLACK = 64
const PAGE = 65_536

/**
 * The WebAssembly that frames envelopes with payloads of one format. All syslog sinks of that format share it and its memory. Only
 * the words that it has learned outlive a call.
 */
export class FrameKernel {
  readonly #exports: Exports
  readonly #bytes: Buffer
  readonly #input: number
  readonly #ends: Uint32Array
  readonly #output: number
  readonly #lessons: Lessons
  readonly #format: Format
  /** For which the texts are in place. */
  #configured: { readonly options: FramerOptions; readonly shard: number; readonly time: LegacyTime } | undefined

  private constructor(format: Format) {
    const module = new WebAssembly.Module(Buffer.from(FRAMES, 'base64'))
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES })
    this.#exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports
    this.#format = format
    this.#bytes = Buffer.from(memory.buffer)
    this.#input = Math.ceil(this.#exports.freeFrom() / SLACK + 1) * SLACK
    this.#output = this.#input + MOST_BYTES + SLACK
    this.#ends = new Uint32Array(memory.buffer, this.#output + MOST_BYTES + SLACK, MOST_BYTES / LEAST_ENVELOPE)
    this.#lessons = new Lessons(this.#exports, this.#bytes, format === 'leef' ? 'leef' : 'cef')
    this.#lessons.begin()
  }

  /** `null` where it cannot run, or does not make messages like these. */
  static for({ format, kvSeparator, rawField }: FramerOptions): FrameKernel | null {
    if ([kvSeparator, rawField].some((text) => Buffer.byteLength(text) > LONGEST_TEXT)) return null
    try {
      const kernel = shared.get(format) ?? new FrameKernel(format)
      shared.set(format, kernel)
      return kernel
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
    const base = input - startOf(batch, span)
    let count = 0
    let end = output
    for (let asked = 0; asked < MOST_WORDS; asked++) {
      const from = count === 0 ? input : base + (this.#ends[count - 1] as number)
      const ends = this.#ends.byteOffset + count * Uint32Array.BYTES_PER_ELEMENT
      const more = frame(from, base, ends, copied - count, end, output + most, numberAfter(next, count))
      if (more > 0) asked = 0
      count += more
      end = framesEnd()
      if (!this.#answers()) break
    }
    this.#bytes.copy(room, 0, output, end)
    const isHost = count < copied && isFull() === 0
    return { count, end: end - output, isFull: !isHost && count < span.to - span.from }
  }

  /** Teaches the word that the kernel asks for. False if it asks for none. */
  #answers(): boolean {
    const { spaceAsked, wordAsked, lengthAsked, timeAsked, minuteAt } = this.#exports
    const space = spaceAsked()
    if (space === 0) return false
    const at = wordAsked()
    if (space !== MINUTE) return this.#lessons.answer(space, this.#bytes.subarray(at, at + lengthAsked()), at)
    const text = this.#configured?.time.minuteOf(timeAsked())
    if (text === undefined) return false
    this.#bytes.write(text, minuteAt())
    return true
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
    const { middleAt, finishAt, separatorAt, fieldAt, configure, configureContents } = this.#exports
    const { middle, finish } = constantTexts(options, shard)
    const put = (text: string, at: number): number => this.#bytes.write(text, at)
    const lengths = [put(middle, middleAt()), put(finish, finishAt())] as const
    const { header, framing, maxBytes, facility, severity, timezone, kvSeparator, rawField } = options
    configureContents(put(kvSeparator, separatorAt()), put(rawField, fieldAt()))
    const numbers = [HEADERS.indexOf(header), facility * 8, severity === 'auto' ? AUTO : severity] as const
    configure(...numbers, ...lengths, FORMATS.indexOf(this.#format), FRAMINGS.indexOf(framing), maxBytes)
    const time = this.#configured?.options === options ? this.#configured.time : new LegacyTime(timezone)
    this.#configured = { options, shard, time }
  }
}

/** Everything that the kernel lays out itself, and what is copied into it and out of it. */
const PAGES = Math.ceil((3 * MOST_BYTES + 2_400_000) / PAGE)

function startOf({ ends }: Batch, { from }: Span): number {
  return from === 0 ? 0 : (ends[from - 1] as number)
}

/** Made for the first sinks that can use them. */
const shared = new Map<Format, FrameKernel>()
