import { hash } from 'node:crypto'
import type { EncodeCounts, PullPosition } from '../../core/batch.ts'
import type { BatchMemory } from '../batch-memory.ts'
import { eventIdPrefix } from '../event-id.ts'
import type { Program } from '../program.ts'
import { KERNEL } from './binary.ts'
import {
  BODY,
  BODY_END,
  CONFIG_SIZE,
  COUNT_FILTERED,
  COUNT_LOGS,
  FIRST_GROUP,
  GROUP,
  GROUP_COUNT,
  GROUP_INDEX,
  GROUP_SIZE,
  GROUP_START,
  GROUP_STOP,
  HASHED,
  ID_PREFIX,
  ID_PREFIX_BYTES,
  ID_PREFIX_LENGTH,
  LOG,
  LOG_END,
  LOG_INDEX,
  LOGS_AT,
  MAX_COPIES,
  MAX_GROUPS,
  MAX_OUTPUTS,
  MAX_REASONS,
  MAX_ROUTES,
  OUTPUT_ENDS,
  OUTPUT_EVENTS,
  OUTPUT_MAX_BATCH,
  OUTPUT_ROUTES,
  OUTPUT_SIZE,
  OUTPUT_START,
  OUTPUT_STOP,
  OUTPUT_USED,
  PROGRAM,
  SHARD,
  WALK_SIZE,
} from './memory-layout.ts'
import type { KernelProgram } from './program.ts'
import { kernelProgramOf, PROGRAM_BYTES } from './program.ts'
import { SLACK, Slots } from './slots.ts'

interface Exports {
  configAt(): number
  walkAt(): number
  groupsAt(): number
  freeFrom(): number
  inflate(from: number, fromEnd: number, start: number, to: number, toEnd: number, pause: number): number
  inflatePausedFrom(): number
  inflatePausedTo(): number
  outputsAt(): number
  filteredAt(): number
  routedAt(): number
  enterProgram(): number
  examine(): number
  resume(): void
  encode(): number
}

export interface KernelOptions {
  /** The largest limit of a batch that a program may have, bytes. */
  readonly maxBatchBytes: number
  readonly memory: BatchMemory
}

/** Where a pull stands. */
export interface Position {
  readonly program: KernelProgram
  readonly counts: Counts
  readonly walk: Int32Array
  readonly groups: Int32Array
  readonly idPrefix: Buffer
  /** Takes what the outputs still have before another pull enters. */
  release?: () => void
}

/** Counts that grow with the walk. */
interface Counts extends EncodeCounts {
  logs: number
  readonly filtered: Map<string, number>
  readonly routed: Map<string, number>
  readonly failures: Map<string, number>
  reservedKeys?: number
}

/** What the walk wrote into one output. The views hold until the next event is written. */
export interface Written {
  readonly bytes: Buffer
  readonly ends: Uint32Array
  /** Number of the route of each event. */
  readonly routes: Uint16Array
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
  readonly #outputs: Int32Array
  readonly #filtered: Uint32Array
  readonly #routed: Uint32Array
  readonly #idPrefix: number
  readonly #image: number
  readonly #programs = new WeakMap<Program, KernelProgram | string>()
  /** The program that is in the memory. */
  #program: KernelProgram | undefined
  /** The pull whose walk is in the memory. */
  #current: Position | undefined

  private constructor(options: KernelOptions, bodyBytes: number) {
    const { maxBatchBytes } = options
    this.options = options
    const mostEvents = Math.ceil(maxBatchBytes / MIN_EVENT_BYTES) + MAX_COPIES
    const outputBytes = 6 * mostEvents + maxBatchBytes + HEADROOM + 4 * SLACK
    const own = STATIC_BYTES + ID_PREFIX_BYTES + PROGRAM_BYTES + MAX_OUTPUTS * outputBytes + 16 * SLACK
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
    this.#outputs = new Int32Array(buffer, this.exports.outputsAt(), MAX_OUTPUTS * OUTPUT_SIZE)
    this.#filtered = new Uint32Array(buffer, this.exports.filteredAt(), MAX_REASONS)
    this.#routed = new Uint32Array(buffer, this.exports.routedAt(), MAX_ROUTES)

    let free = this.exports.freeFrom()
    const reserve = (size: number): number => {
      const at = Math.ceil(free / SLACK) * SLACK
      free = at + size + SLACK
      return at
    }
    this.#idPrefix = reserve(ID_PREFIX_BYTES)
    this.#image = reserve(PROGRAM_BYTES)
    for (let number = 0; number < MAX_OUTPUTS; number++) {
      const at = number * OUTPUT_SIZE
      this.#outputs[at + OUTPUT_ENDS] = reserve(4 * mostEvents)
      this.#outputs[at + OUTPUT_ROUTES] = reserve(2 * mostEvents)
      const start = reserve(maxBatchBytes + HEADROOM)
      this.#outputs[at + OUTPUT_START] = start
      this.#outputs[at + OUTPUT_STOP] = start + maxBatchBytes + HEADROOM
    }
    const config = this.#config
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
    const program = this.translated(ofLogstore)
    if (typeof program === 'string' || !this.holds(body)) return undefined
    if (firstGroup !== undefined && (firstGroup < 0n || firstGroup >= MAX_FIRST_GROUP)) return undefined
    const idPrefix = Buffer.concat([BEFORE_ID, insideOf(eventIdPrefix(ofLogstore.idScope, at))])
    if (idPrefix.length > ID_PREFIX_BYTES) return undefined
    this.#release()
    const walk = this.#walk
    walk.fill(0)
    walk[BODY] = body.byteOffset
    walk[BODY_END] = body.byteOffset + body.length
    walk[HASHED] = firstGroup === undefined ? 1 : 0
    walk[SHARD] = shard
    this.#firstGroup[0] = firstGroup ?? 0n
    this.#setProgram(program)
    const counts: Counts = { logs: 0, filtered: new Map(), routed: new Map(), failures: new Map() }
    const isExamined = this.exports.examine() !== 0
    this.#takeCounts(program, counts)
    if (!isExamined) return undefined
    this.#setIdPrefix(idPrefix)
    const [logs, filteredLogs] = [this.#in(COUNT_LOGS), this.#in(COUNT_FILTERED)]
    counts.logs = logs
    add(counts.filtered, 'topic', filteredLogs)
    // The kernel does not count what it writes by a plain route.
    if (program.isPlain) add(counts.routed, program.routes[0] as string, logs - filteredLogs)
    this.#current = {
      program,
      counts,
      walk: walk.slice(),
      groups: this.#groups.slice(0, GROUP_SIZE * this.#in(GROUP_COUNT)),
      idPrefix,
    }
    return this.#current
  }

  /** Continues a pull. */
  enter(position: Position): void {
    if (this.#current === position) return
    this.#release()
    this.#current = position
    this.#setProgram(position.program)
    this.#setIdPrefix(position.idPrefix)
    this.#walk.set(position.walk)
    this.#groups.set(position.groups)
    this.exports.resume()
  }

  /** Makes room for another pull. */
  #release(): void {
    this.#current?.release?.()
    this.#current = undefined
  }

  /** Saves the place of the pull, since another may enter next. */
  leave(position: Position): void {
    position.walk.set(this.#walk)
    if (!position.program.isPlain) this.#takeCounts(position.program, position.counts)
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

  /** Whether an output has nothing, or so few bytes that the event fits into a batch with them. */
  fits(output: number, bytes: number): boolean {
    return (
      this.#of(output, OUTPUT_EVENTS) === 0 ||
      this.#of(output, OUTPUT_USED) + bytes <= this.#of(output, OUTPUT_MAX_BATCH)
    )
  }

  /** Adds an event from elsewhere to an output. False when the memory has no room for it. */
  append(event: Buffer, output: number): boolean {
    const [used, events] = [this.#of(output, OUTPUT_USED), this.#of(output, OUTPUT_EVENTS)]
    const end = used + event.length
    const start = this.#of(output, OUTPUT_START)
    if (start + end > this.#of(output, OUTPUT_STOP)) return false
    this.bytes.set(event, start + used)
    this.bytes.writeUInt32LE(end, this.#of(output, OUTPUT_ENDS) + 4 * events)
    this.#outputs[output * OUTPUT_SIZE + OUTPUT_USED] = end
    this.#outputs[output * OUTPUT_SIZE + OUTPUT_EVENTS] = events + 1
    return true
  }

  /** The output that has most of a batch: after FULL one has a whole batch. */
  fullest(outputs: number): number {
    let fullest = 0
    let most = 0
    for (let output = 0; output < outputs; output++) {
      const share = this.#of(output, OUTPUT_USED) / this.#of(output, OUTPUT_MAX_BATCH)
      if (share > most) [fullest, most] = [output, share]
    }
    return fullest
  }

  /** Takes what an output has. All outputs must be taken before another pull enters. */
  take(output: number): Written {
    const [events, start] = [this.#of(output, OUTPUT_EVENTS), this.#of(output, OUTPUT_START)]
    const { buffer } = this.bytes
    const written = {
      bytes: this.bytes.subarray(start, start + this.#of(output, OUTPUT_USED)),
      ends: new Uint32Array(buffer, this.#of(output, OUTPUT_ENDS), events),
      routes: new Uint16Array(buffer, this.#of(output, OUTPUT_ROUTES), events),
    }
    this.#outputs[output * OUTPUT_SIZE + OUTPUT_USED] = 0
    this.#outputs[output * OUTPUT_SIZE + OUTPUT_EVENTS] = 0
    return written
  }

  #of(output: number, place: number): number {
    return this.#outputs[output * OUTPUT_SIZE + place] as number
  }

  #in(place: number): number {
    return this.#walk[place] as number
  }

  /** A text says why the kernel cannot run the program. */
  translated(program: Program): KernelProgram | string {
    let known = this.#programs.get(program)
    if (known === undefined) {
      known = kernelProgramOf(program, {
        ...{ base: this.#image, bytes: PROGRAM_BYTES, maxBatchBytes: this.options.maxBatchBytes },
      })
      this.#programs.set(program, known)
    }
    return known
  }

  #setProgram(program: KernelProgram): void {
    if (this.#program === program) return
    this.#program = program
    this.bytes.set(program.image, this.#image)
    this.#config[PROGRAM] = program.header
    for (const [number, { destination }] of program.outputs.entries()) {
      this.#outputs[number * OUTPUT_SIZE + OUTPUT_MAX_BATCH] = destination.maxBatchBytes
    }
    this.exports.enterProgram()
  }

  /** Adds what the kernel counted, and sets its counts back. */
  #takeCounts({ routes, reasons }: KernelProgram, counts: Counts): void {
    for (const [number, reason] of reasons.entries()) add(counts.filtered, reason, this.#filtered[number] as number)
    for (const [number, route] of routes.entries()) add(counts.routed, route, this.#routed[number] as number)
    this.#filtered.fill(0, 0, reasons.length)
    this.#routed.fill(0, 0, routes.length)
  }

  #setIdPrefix(prefix: Buffer): void {
    this.bytes.set(prefix, this.#idPrefix)
    this.#config[ID_PREFIX_LENGTH] = prefix.length
  }
}

function add(counts: Map<string, number>, key: string, count: number): void {
  if (count > 0) counts.set(key, (counts.get(key) ?? 0) + count)
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
