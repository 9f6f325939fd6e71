import type { EncoderOptions } from '../encoder.ts'
import { EnvelopeConstants } from '../reference/group-head.ts'
import { KERNEL } from './binary.ts'
import { Slots } from './slots.ts'

/** What `encode` stopped for (engine/index.ts). */
export const DONE = 0
export const FULL = 1
export const LEFT = 2

/** What `inflate` ended with, 0 being neither (engine/lz4.ts). */
export const INFLATED = 1
export const PAUSED = 2

/** Places in the walk, in units of 32 bits (engine/layout.ts). */
export const WALK = {
  body: 0,
  bodyEnd: 1,
  groupCount: 2,
  group: 3,
  logsAt: 4,
  log: 6,
  logEnd: 7,
  logIndex: 8,
  used: 9,
  batchEvents: 10,
  groups: 11,
  logs: 12,
  filteredLogs: 13,
  firstGroup: 14,
} as const
const WALK_INTS = 16
/** The one place in the config that changes. */
const CONFIG_ID_PREFIX_LENGTH = 11
const CONFIG_INTS = 12
/** Places in each of the groups. */
export const GROUP_INTS = 8
export const GROUP = { start: 0, stop: 1, index: 2 } as const
const MAX_GROUPS = 8192

interface Exports {
  configAt(): number
  walkAt(): number
  groupsAt(): number
  freeFrom(): number
  inflate(from: number, fromEnd: number, start: number, to: number, toEnd: number, pause: number): number
  inflatePausedFrom(): number
  inflatePausedTo(): number
  examine(): number
  resume(): void
  encode(): number
}

const PAGE = 65_536
/** An event is only begun when it fits in for certain, and it may be six times its log. */
const HEADROOM = 8 << 20
/** Batches over this are not for us: a call would keep the event loop waiting too long. */
const MAX_BATCH_BYTES = 16 << 20
/** No event is shorter. */
const MIN_EVENT_BYTES = 64
/** Room for what stands before the id of every event of a pull. */
const ID_PREFIX_BYTES = 960
const SLACK = 64

/**
 * The WebAssembly engine: LZ4, the walk over a body and the writing of events, in a memory of fixed size that also holds the
 * bodies. The TypeScript one next door is its reference, and takes over wherever it says no.
 */
export class Kernel {
  readonly exports: Exports
  /** All of its memory. */
  readonly bytes: Buffer
  /** Where the pull stands that has the kernel, and its groups. */
  readonly walk: Int32Array
  readonly groups: Int32Array
  readonly slots: Slots
  readonly maxBatchBytes: number
  readonly #output: number
  readonly #outputEnd: number
  readonly #ends: number
  readonly #idPrefix: number
  readonly #config: Int32Array
  /** The pull whose walk stands in the memory. */
  current: object | undefined

  private constructor(options: EncoderOptions, bodyBytes: number) {
    const { maxBatchBytes, topics } = options
    const endsBytes = 4 * (Math.ceil(maxBatchBytes / MIN_EVENT_BYTES) + 1)
    const { host, afterHost } = new EnvelopeConstants(options)
    const wanted = topics.map((topic) => Buffer.from(topic))
    const texts = wanted.reduce((sum, topic) => sum + topic.length + 4, (host?.length ?? 0) + afterHost.length)
    const own = (1 << 20) + ID_PREFIX_BYTES + texts + endsBytes + maxBatchBytes + HEADROOM + 16 * SLACK
    const pages = Math.ceil((own + bodyBytes) / PAGE)
    // Never grown: that would pull the memory away from under the bodies that are being worked on.
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.exports = new WebAssembly.Instance(compiled(), { env: { memory } }).exports as Exports
    this.bytes = Buffer.from(memory.buffer)
    this.walk = new Int32Array(memory.buffer, this.exports.walkAt(), WALK_INTS)
    this.groups = new Int32Array(memory.buffer, this.exports.groupsAt(), MAX_GROUPS * GROUP_INTS)
    this.#config = new Int32Array(memory.buffer, this.exports.configAt(), CONFIG_INTS)
    this.maxBatchBytes = maxBatchBytes

    let free = this.exports.freeFrom()
    const reserve = (size: number): number => {
      const at = Math.ceil(free / SLACK) * SLACK
      free = at + size + SLACK
      return at
    }
    const put = (text: Buffer): number => {
      const at = reserve(text.length)
      this.bytes.set(text, at)
      return at
    }
    this.#idPrefix = reserve(ID_PREFIX_BYTES)
    this.#ends = reserve(endsBytes)
    this.#output = reserve(maxBatchBytes + HEADROOM)
    this.#outputEnd = this.#output + maxBatchBytes + HEADROOM
    this.#config.set([
      ...[this.#output, this.#outputEnd, maxBatchBytes, this.#ends, put(topicList(wanted)), wanted.length],
      ...(host === undefined ? [0, 0] : [put(host), host.length]),
      ...[put(afterHost), afterHost.length, this.#idPrefix, 0],
    ])
    this.slots = new Slots(reserve(0), this.bytes.length)
  }

  /** `undefined` where it cannot be had; there is always the other engine. Bodies get `bodyBytes` of its memory. */
  static open(options: EncoderOptions, bodyBytes: number): Kernel | undefined {
    if (options.maxBatchBytes > MAX_BATCH_BYTES) return undefined
    try {
      return new Kernel(options, bodyBytes)
    } catch {
      // No WebAssembly, no SIMD, or no memory of that size.
      return undefined
    }
  }

  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.bytes.buffer
  }

  /** Puts the walk before the beginning of a body. False when the kernel is not sure to get through it. */
  examine(body: Buffer): boolean {
    this.walk.fill(0)
    this.walk[WALK.body] = body.byteOffset
    this.walk[WALK.bodyEnd] = body.byteOffset + body.length
    return this.exports.examine() !== 0
  }

  /** False when it is too long. */
  setIdPrefix(prefix: Buffer): boolean {
    if (prefix.length > ID_PREFIX_BYTES) return false
    this.bytes.set(prefix, this.#idPrefix)
    this.#config[CONFIG_ID_PREFIX_LENGTH] = prefix.length
    return true
  }

  /** What has been written of the batch that is being filled, and where its events end. Good until more is written. */
  get written(): Buffer {
    return this.bytes.subarray(this.#output, this.#output + (this.walk[WALK.used] as number))
  }

  get ends(): Uint32Array {
    return new Uint32Array(this.bytes.buffer, this.#ends, this.walk[WALK.batchEvents])
  }

  /** Adds an event that was written elsewhere; false when there is no room for it at all. */
  append(event: Buffer): boolean {
    const used = this.walk[WALK.used] as number
    const end = used + event.length
    if (this.#output + end > this.#outputEnd) return false
    this.bytes.set(event, this.#output + used)
    const events = this.walk[WALK.batchEvents] as number
    this.bytes.writeUInt32LE(end, this.#ends + 4 * events)
    this.walk[WALK.batchEvents] = events + 1
    this.walk[WALK.used] = end
    return true
  }
}

let module: WebAssembly.Module | undefined

function compiled(): WebAssembly.Module {
  module ??= new WebAssembly.Module(Buffer.from(KERNEL, 'base64'))
  return module
}

function topicList(topics: readonly Buffer[]): Buffer {
  return Buffer.concat(
    topics.flatMap((topic) => {
      const length = Buffer.allocUnsafe(4)
      length.writeUInt32LE(topic.length)
      return [length, topic]
    }),
  )
}
