import type { Batch, BatchOrigin, EncodeCounts, PullPosition } from '../../core/batch.ts'
import { originOf } from '../../core/batch.ts'
import type { EncoderState } from '../reference/pull-encoding.ts'
import { idPrefix, PullEncoding } from '../reference/pull-encoding.ts'
import type { Kernel } from './kernel.ts'
import { DONE, GROUP, GROUP_INTS, LEFT, WALK } from './kernel.ts'

/** Numbers of log groups from here on may not fit into 64 bits. */
const MAX_FIRST_GROUP = 2n ** 63n

/** The walk of the kernel over one body, which can be left after any batch. Logs it cannot write are written by `PullEncoding`. */
export class KernelPull {
  readonly #kernel: Kernel
  readonly #state: EncoderState
  readonly #at: PullPosition
  readonly #body: Buffer
  readonly #origin: BatchOrigin
  readonly #idPrefix: Buffer
  /** Where we stand while another pull has the kernel. */
  readonly #walk: Int32Array
  readonly #groups: Int32Array
  readonly counts: EncodeCounts
  #reference: PullEncoding | undefined
  #finished = false

  /** `undefined` for what only the other engine can do, malformed bodies included: it knows what is wrong with them. */
  static of(kernel: Kernel, state: EncoderState, body: Buffer, at: PullPosition): KernelPull | undefined {
    const { firstGroup } = at
    if (firstGroup === undefined || firstGroup < 0n || firstGroup >= MAX_FIRST_GROUP) return undefined
    if (!kernel.holds(body)) return undefined
    kernel.current = undefined
    if (!kernel.examine(body)) return undefined
    const prefix = Buffer.from(idPrefix(state.logstore, at.shard))
    return kernel.setIdPrefix(prefix) ? new KernelPull(kernel, state, { body, at, firstGroup, prefix }) : undefined
  }

  private constructor(
    kernel: Kernel,
    state: EncoderState,
    { body, at, firstGroup, prefix }: { body: Buffer; at: PullPosition; firstGroup: bigint; prefix: Buffer },
  ) {
    const { walk, groups } = kernel
    new BigInt64Array(walk.buffer, walk.byteOffset)[WALK.firstGroup / 2] = firstGroup
    this.#kernel = kernel
    this.#state = state
    this.#at = at
    this.#body = body
    this.#origin = originOf(at)
    this.#idPrefix = prefix
    this.#walk = walk.slice()
    this.#groups = groups.slice(0, GROUP_INTS * (walk[WALK.groupCount] as number))
    this.counts = {
      groups: walk[WALK.groups] as number,
      logs: walk[WALK.logs] as number,
      filteredLogs: walk[WALK.filteredLogs] as number,
      events: (walk[WALK.logs] as number) - (walk[WALK.filteredLogs] as number),
    }
    kernel.current = this
  }

  /** Works until a batch is full. `undefined` when the body is done. */
  nextBatch(): Batch | undefined {
    if (this.#finished) return undefined
    this.#enter()
    const { exports, walk } = this.#kernel
    let stop = exports.encode()
    let alone: Buffer | undefined
    while (stop === LEFT && alone === undefined) {
      const event = this.#leftEvent()
      if (!this.#fits(event)) break
      if (!this.#kernel.append(event)) alone = event
      walk[WALK.logsAt] = walk[WALK.logEnd] as number
      walk[WALK.logIndex] = (walk[WALK.logIndex] as number) + 1
      if (alone === undefined) stop = exports.encode()
    }
    this.#finished = stop === DONE
    const batch = alone === undefined ? this.#close() : this.#batchOf(alone, Uint32Array.of(alone.length))
    this.#walk.set(walk)
    return batch
  }

  /** Puts our walk in place, unless we were the last to use the kernel. */
  #enter(): void {
    const kernel = this.#kernel
    if (kernel.current === this) return
    kernel.current = this
    kernel.setIdPrefix(this.#idPrefix)
    kernel.walk.set(this.#walk)
    kernel.groups.set(this.#groups)
    kernel.exports.resume()
  }

  /** The event of the log the kernel stands at. Made once more when it has to wait for the next batch. */
  #leftEvent(): Buffer {
    const { walk } = this.#kernel
    const group = ((walk[WALK.group] as number) - 1) * GROUP_INTS
    const from = this.#body.byteOffset
    this.#reference ??= new PullEncoding(this.#state, this.#body, this.#at)
    return this.#reference.eventOf({
      groupIndex: this.#groups[group + GROUP.index] as number,
      groupStart: (this.#groups[group + GROUP.start] as number) - from,
      groupEnd: (this.#groups[group + GROUP.stop] as number) - from,
      logIndex: walk[WALK.logIndex] as number,
      logStart: (walk[WALK.log] as number) - from,
      logEnd: (walk[WALK.logEnd] as number) - from,
    })
  }

  #fits(event: Buffer): boolean {
    const { walk, maxBatchBytes } = this.#kernel
    return walk[WALK.batchEvents] === 0 || (walk[WALK.used] as number) + event.length <= maxBatchBytes
  }

  #close(): Batch | undefined {
    const { walk, written, ends } = this.#kernel
    if (ends.length === 0) return undefined
    walk[WALK.used] = 0
    walk[WALK.batchEvents] = 0
    return this.#batchOf(written, ends)
  }

  #batchOf(events: Buffer, ends: Uint32Array): Batch {
    return { origin: this.#origin, ...this.#state.buffers.copyOf(events, ends), count: ends.length }
  }
}
