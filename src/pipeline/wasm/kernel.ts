import { hash } from 'node:crypto'
import type { EncodeCounts, PullPosition } from '../../core/batch.ts'
import type { BatchMemory } from '../batch-memory.ts'
import { eventIdPrefix } from '../event-id.ts'
import { constantMembers } from '../hec-layout.ts'
import type { PlainRoute, Program } from '../program.ts'
import { plainRouteOf } from '../program.ts'
import type { TopicSelection } from '../select.ts'
import { KERNEL } from './binary.ts'
import {
  AFTER_HOST,
  AFTER_HOST_LENGTH,
  BODY,
  BODY_END,
  CONFIG_SIZE,
  COUNT_FILTERED,
  COUNT_LOGS,
  ENDS,
  EVENTS,
  FIRST_GROUP,
  GROUP,
  GROUP_COUNT,
  GROUP_INDEX,
  GROUP_SIZE,
  GROUP_START,
  GROUP_STOP,
  HASHED,
  HOST,
  HOST_LENGTH,
  ID_PREFIX,
  ID_PREFIX_BYTES,
  ID_PREFIX_LENGTH,
  LOG,
  LOG_END,
  LOG_INDEX,
  LOGS_AT,
  MAX_BATCH,
  MAX_GROUPS,
  OUTPUT,
  OUTPUT_END,
  SHARD,
  TOPIC_COUNT,
  TOPIC_IS_PREFIX,
  TOPICS,
  USED,
  WALK_SIZE,
} from './memory-layout.ts'
import { SLACK, Slots } from './slots.ts'

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

export interface KernelOptions {
  /** The largest limit of a batch that a program may have, bytes. */
  readonly maxBatchBytes: number
  readonly memory: BatchMemory
}

/** A program as the kernel knows it: all of its logs take one route to one sink. */
interface KernelProgram {
  readonly route: PlainRoute
  /** Wanted topics, each behind its length. */
  readonly topics: Buffer
  readonly topicCount: number
  /** Inside of the host string; absent if it comes from the log group. */
  readonly host: Buffer | undefined
  readonly afterHost: Buffer
}

/** Where a pull stands. */
export interface Position {
  readonly program: KernelProgram
  readonly counts: EncodeCounts
  readonly walk: Int32Array
  readonly groups: Int32Array
  readonly idPrefix: Buffer
}

/** A log that the kernel hands over to the host: bytes in the kernel's memory, and indexes in the pull and in the group. */
export interface HandedOverLog {
  readonly group: Buffer
  readonly groupIndex: number
  readonly log: Buffer
  readonly logIndex: number
}

const PAGE = 65_536
/** The kernel's static memory is smaller. */
const STATIC_BYTES = 3 << 20
/** The kernel begins an event only when it is sure to fit, and an event can be six times its log. */
const HEADROOM = 8 << 20
/** Larger batches would block the event loop too long in one call. */
const MAX_BATCH_BYTES = 16 << 20
/** For the texts of a program. */
const PROGRAM_BYTES = 256 << 10
/** Every event is longer. */
const MIN_EVENT_BYTES = 64
/** Positions of log groups from here on may not fit into 64 bits. */
const MAX_FIRST_GROUP = 2n ** 63n

/**
 * The WebAssembly module (engine/): LZ4, the walk over a body and the writing of events, in a memory of fixed size that also
 * holds the bodies.
 */
export class Kernel {
  readonly options: KernelOptions
  readonly exports: Exports
  /** All of its memory. */
  readonly bytes: Buffer
  readonly slots: Slots
  readonly #walk: Int32Array
  readonly #firstGroup: BigInt64Array
  readonly #groups: Int32Array
  readonly #config: Int32Array
  readonly #output: number
  readonly #outputEnd: number
  readonly #ends: number
  readonly #idPrefix: number
  readonly #texts: number
  readonly #programs = new WeakMap<Program, KernelProgram | 'too much'>()
  /** The program whose texts are in the memory. */
  #program: KernelProgram | undefined
  /** The pull whose walk is in the memory. */
  #current: Position | undefined

  private constructor(options: KernelOptions, bodyBytes: number) {
    const { maxBatchBytes } = options
    this.options = options
    const endsBytes = 4 * (Math.ceil(maxBatchBytes / MIN_EVENT_BYTES) + 1)
    const own = STATIC_BYTES + ID_PREFIX_BYTES + PROGRAM_BYTES + endsBytes + maxBatchBytes + HEADROOM + 16 * SLACK
    const pages = Math.ceil((own + bodyBytes) / PAGE)
    // The memory never grows: growing would detach the bodies in it.
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    const { buffer } = memory
    this.bytes = Buffer.from(buffer)
    this.exports = new WebAssembly.Instance(compiled(), {
      env: { memory },
      // Node's SHA-256 uses the processor's own instructions, which WebAssembly cannot.
      digest: {
        digest: (from: number, to: number, out: number): void => {
          this.bytes.write(hash('sha256', new Uint8Array(buffer, from, to - from), 'binary'), out, 'latin1')
        },
      },
    }).exports as Exports
    this.#walk = new Int32Array(buffer, this.exports.walkAt(), WALK_SIZE)
    this.#firstGroup = new BigInt64Array(buffer, this.#walk.byteOffset + 4 * FIRST_GROUP, 1)
    this.#groups = new Int32Array(buffer, this.exports.groupsAt(), MAX_GROUPS * GROUP_SIZE)
    this.#config = new Int32Array(buffer, this.exports.configAt(), CONFIG_SIZE)

    let free = this.exports.freeFrom()
    const reserve = (size: number): number => {
      const at = Math.ceil(free / SLACK) * SLACK
      free = at + size + SLACK
      return at
    }
    this.#idPrefix = reserve(ID_PREFIX_BYTES)
    this.#texts = reserve(PROGRAM_BYTES)
    this.#ends = reserve(endsBytes)
    this.#output = reserve(maxBatchBytes + HEADROOM)
    this.#outputEnd = this.#output + maxBatchBytes + HEADROOM
    const config = this.#config
    config[OUTPUT] = this.#output
    config[OUTPUT_END] = this.#outputEnd
    config[ENDS] = this.#ends
    config[ID_PREFIX] = this.#idPrefix
    this.slots = new Slots(reserve(0), this.bytes.length)
  }

  /** `undefined` where WebAssembly cannot run or the batches are too large. Bodies get `bodyBytes` of the memory. */
  static open(options: KernelOptions, bodyBytes: number): Kernel | undefined {
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

  /**
   * Examines a body and begins its walk. Returns `undefined` for a body it may not handle, for example a malformed one. The
   * reference engine then takes the body, and finds the fault. Also for a program that it cannot run.
   */
  begin(body: Buffer, at: PullPosition, ofLogstore: Program): Position | undefined {
    const { shard, firstGroup } = at
    const program = this.#known(ofLogstore)
    if (program === undefined || !this.holds(body)) return undefined
    if (firstGroup !== undefined && (firstGroup < 0n || firstGroup >= MAX_FIRST_GROUP)) return undefined
    const idPrefix = Buffer.concat([BEFORE_ID, insideOf(eventIdPrefix(ofLogstore.idScope, at))])
    if (idPrefix.length > ID_PREFIX_BYTES) return undefined
    this.#current = undefined
    const walk = this.#walk
    walk.fill(0)
    walk[BODY] = body.byteOffset
    walk[BODY_END] = body.byteOffset + body.length
    walk[HASHED] = firstGroup === undefined ? 1 : 0
    walk[SHARD] = shard
    this.#firstGroup[0] = firstGroup ?? 0n
    this.#setProgram(program)
    if (this.exports.examine() === 0) return undefined
    this.#setIdPrefix(idPrefix)
    const [logs, filtered] = [this.#in(COUNT_LOGS), this.#in(COUNT_FILTERED)]
    this.#current = {
      program,
      counts: {
        logs,
        filtered: new Map(filtered === 0 ? [] : [['topic', filtered]]),
        routed: new Map(filtered === logs ? [] : [[program.route.name, logs - filtered]]),
        failures: new Map(),
      },
      walk: walk.slice(),
      groups: this.#groups.slice(0, GROUP_SIZE * this.#in(GROUP_COUNT)),
      idPrefix,
    }
    return this.#current
  }

  /** Continues a pull. */
  enter(position: Position): void {
    if (this.#current === position) return
    this.#current = position
    this.#setProgram(position.program)
    this.#setIdPrefix(position.idPrefix)
    this.#walk.set(position.walk)
    this.#groups.set(position.groups)
    this.exports.resume()
  }

  /** Saves the place of the pull, since another may enter next. */
  leave(position: Position): void {
    position.walk.set(this.#walk)
  }

  /** Writes events and returns DONE, FULL or HANDED_OVER. */
  encode(): number {
    return this.exports.encode()
  }

  /** The log that `encode` handed over. */
  get handedOver(): HandedOverLog {
    const group = (this.#in(GROUP) - 1) * GROUP_SIZE
    const ofGroup = (field: number): number => this.#groups[group + field] as number
    return {
      group: this.bytes.subarray(ofGroup(GROUP_START), ofGroup(GROUP_STOP)),
      groupIndex: ofGroup(GROUP_INDEX),
      log: this.bytes.subarray(this.#in(LOG), this.#in(LOG_END)),
      logIndex: this.#in(LOG_INDEX),
    }
  }

  /** Moves past the log that `encode` handed over. */
  passHandedOver(): void {
    this.#walk[LOGS_AT] = this.#in(LOG_END)
    this.#walk[LOG_INDEX] = this.#in(LOG_INDEX) + 1
  }

  /** Whether the batch that is being filled may take an event of so many bytes. */
  fits(bytes: number): boolean {
    return this.#in(EVENTS) === 0 || this.#in(USED) + bytes <= (this.#config[MAX_BATCH] as number)
  }

  /** Adds an event from elsewhere. False when the memory has no room for it. */
  append(event: Buffer): boolean {
    const [used, events] = [this.#in(USED), this.#in(EVENTS)]
    const end = used + event.length
    if (this.#output + end > this.#outputEnd) return false
    this.bytes.set(event, this.#output + used)
    this.bytes.writeUInt32LE(end, this.#ends + 4 * events)
    this.#walk[USED] = end
    this.#walk[EVENTS] = events + 1
    return true
  }

  /** Takes the batch as it is. The views hold until the next event is written. */
  takeBatch(): { bytes: Buffer; ends: Uint32Array } {
    const bytes = this.bytes.subarray(this.#output, this.#output + this.#in(USED))
    const ends = new Uint32Array(this.bytes.buffer, this.#ends, this.#in(EVENTS))
    this.#walk[USED] = 0
    this.#walk[EVENTS] = 0
    return { bytes, ends }
  }

  #in(place: number): number {
    return this.#walk[place] as number
  }

  /** `undefined` for a program that the kernel cannot run. */
  #known(program: Program): KernelProgram | undefined {
    let known = this.#programs.get(program)
    if (known === undefined) {
      known = kernelProgramOf(program, this.options.maxBatchBytes) ?? 'too much'
      this.#programs.set(program, known)
    }
    return known === 'too much' ? undefined : known
  }

  #setProgram(program: KernelProgram): void {
    if (this.#program === program) return
    this.#program = program
    const { route, topics, topicCount, host, afterHost } = program
    let free = this.#texts
    const put = (text: Buffer): number => {
      const at = free
      this.bytes.set(text, at)
      free += text.length
      return at
    }
    const config = this.#config
    config[MAX_BATCH] = route.destination.maxBatchBytes
    config[TOPICS] = put(topics)
    config[TOPIC_COUNT] = topicCount
    config[HOST] = host === undefined ? 0 : put(host)
    config[HOST_LENGTH] = host?.length ?? 0
    config[AFTER_HOST] = put(afterHost)
    config[AFTER_HOST_LENGTH] = afterHost.length
  }

  #setIdPrefix(prefix: Buffer): void {
    this.bytes.set(prefix, this.#idPrefix)
    this.#config[ID_PREFIX_LENGTH] = prefix.length
  }
}

function kernelProgramOf(program: Program, maxBatchBytes: number): KernelProgram | undefined {
  const route = plainRouteOf(program)
  if (route === undefined || route.destination.maxBatchBytes > maxBatchBytes) return undefined
  const { layout } = route
  if (program.shape.length > 0 || layout.sourcetype === 'auto') return undefined
  const texts = {
    topics: topicList(program.topics),
    host: layout.host === undefined ? undefined : insideOf(layout.host),
    afterHost: Buffer.from(`",${constantMembers(layout, '')},"event":{`),
  }
  const bytes = texts.topics.length + (texts.host?.length ?? 0) + texts.afterHost.length
  return bytes > PROGRAM_BYTES ? undefined : { route, ...texts, topicCount: program.topics.topics.length }
}

/** Stands between the contents and the id of an event. */
const BEFORE_ID = Buffer.from('"},"fields":{"sls_event_id":"')

/** The inside of a JSON string. */
function insideOf(text: string): Buffer {
  return Buffer.from(JSON.stringify(text).slice(1, -1))
}

let module: WebAssembly.Module | undefined

function compiled(): WebAssembly.Module {
  module ??= new WebAssembly.Module(Buffer.from(KERNEL, 'base64'))
  return module
}

function topicList({ topics }: TopicSelection): Buffer {
  return Buffer.concat(
    topics.flatMap(({ bytes, isPrefix }) => {
      const length = Buffer.allocUnsafe(4)
      length.writeUInt32LE(bytes.length + (isPrefix ? TOPIC_IS_PREFIX : 0))
      return [length, bytes]
    }),
  )
}
