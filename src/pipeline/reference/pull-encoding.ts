import type { Batch, EncodeCounts, PullPosition } from '../../core/batch.ts'
import { originOf } from '../../core/batch.ts'
import type { WorkingBuffers } from '../batch-builder.ts'
import { BatchBuilder } from '../batch-builder.ts'
import type { TopicSelection } from '../select.ts'
import type { Scratch } from './bytes.ts'
import { Bytes, WORD_SLACK } from './bytes.ts'
import { hasInvalidUtf8 } from './escape.ts'
import { groupHash, HASH_DIGITS, logHash } from './event-id.ts'
import type { EnvelopeConstants } from './group-head.ts'
import { GroupHead } from './group-head.ts'
import type { KeyTable } from './keys.ts'
import { LogGroupView, LogView } from './log-view.ts'
import { PairReader, PairTape } from './pairs.ts'
import { EventPairs } from './slow-path.ts'
import { FieldCursor } from './wire.ts'
import { Piece, put, putPiece, writeDecimal, writeDigits } from './write.ts'

/** `number * 8 + wire type` of the log groups in a LogGroupList. */
const LOG_GROUPS = 0x0a

const TIME_OPEN = new Piece('{"time":')
const ID_OPEN = '"},"fields":{"sls_event_id":"'
const CLOSE = new Piece('"}}\n')
const DOT = 0x2e
/** At most: `{"time":4294967299.123456789`, the end of the id, `"}}\n`, and what is written too much. */
const FIXED_BYTES = TIME_OPEN.length + 20 + HASH_DIGITS + CLOSE.length + WORD_SLACK

/** What the pulls of one process share. Nothing in it belongs to a pull while that is not being worked on. */
export interface EncoderState {
  readonly project: string
  readonly logstore: string
  readonly topics: TopicSelection
  readonly envelope: EnvelopeConstants
  readonly contentKeys: KeyTable
  readonly tagKeys: KeyTable
  readonly buffers: WorkingBuffers
  readonly scratch: Scratch
}

/** A log of a body: where it and its group lie, and their numbers. */
export interface LogPlace {
  groupIndex: number
  groupStart: number
  groupEnd: number
  logIndex: number
  logStart: number
  logEnd: number
}

/** The walk over one body, which can be left after any batch. */
export class PullEncoding {
  readonly counts: EncodeCounts = { groups: 0, logs: 0, filteredLogs: 0, events: 0 }
  readonly #state: EncoderState
  readonly #at: PullPosition
  readonly #body: Buffer
  readonly #groups: FieldCursor
  readonly #group: LogGroupView
  readonly #head: GroupHead
  readonly #log: LogView
  readonly #contents: PairTape
  readonly #pair: PairReader
  readonly #batches: BatchBuilder
  /** Of the current group: all of an event's tail up to the part of the id that differs from log to log. */
  #idHead: Piece
  #groupHash: Buffer | undefined
  #finished = false

  constructor(state: EncoderState, body: Buffer, at: PullPosition) {
    const source = new Bytes(body)
    this.#state = state
    this.#at = at
    this.#body = body
    this.#groups = new FieldCursor(body)
    this.#groups.open(0, body.length)
    this.#group = new LogGroupView(body)
    this.#head = new GroupHead(source, this.#group, state.envelope, new PairTape(source, state.tagKeys))
    this.#log = new LogView(body)
    this.#contents = new PairTape(source, state.contentKeys)
    this.#pair = new PairReader(body)
    this.#batches = new BatchBuilder(originOf(at), state.buffers)
    this.#idHead = this.#idHeadOf('h')
  }

  /** Works until a batch is full. `undefined` when the body is done; `counts` are final then. */
  nextBatch(): Batch | undefined {
    for (;;) {
      const batch = this.#batches.shift()
      if (batch !== undefined || this.#finished) return batch
      if (this.#nextLog()) this.#encodeLog()
      else {
        this.#finished = true
        this.#batches.finish()
      }
    }
  }

  #nextLog(): boolean {
    while (!this.#group.nextLog()) if (!this.#nextGroup()) return false
    return true
  }

  /** Moves to the next group with logs that are wanted. */
  #nextGroup(): boolean {
    const groups = this.#groups
    const group = this.#group
    while (groups.next()) {
      if (groups.tag !== LOG_GROUPS) continue
      const index = this.counts.groups++
      group.open(groups.start, groups.stop)
      this.counts.logs += group.logCount
      if (!this.#state.topics.wants(this.#body, group.topicStart, group.topicEnd)) {
        this.counts.filteredLogs += group.logCount
      } else if (group.logCount > 0) {
        this.#beginGroup(index)
        return true
      }
    }
    return false
  }

  #beginGroup(index: number): void {
    this.#head.write()
    this.#groupHash = undefined
    if (this.#at.firstGroup !== undefined) this.#idHead = this.#idHeadOf(`${this.#at.firstGroup + BigInt(index)}`)
  }

  #idHeadOf(groupPart: string): Piece {
    return new Piece(`${idPrefix(this.#state.logstore, this.#at.shard)}${groupPart}:`)
  }

  /** The event of one log of a well-formed body, for an engine that leaves it to this one. Good until the next is written. */
  eventOf({ groupIndex, groupStart, groupEnd, logIndex, logStart, logEnd }: LogPlace): Buffer {
    const group = this.#group
    if (group.start !== groupStart || group.end !== groupEnd) {
      group.open(groupStart, groupEnd)
      this.#beginGroup(groupIndex)
    }
    group.logIndex = logIndex
    this.#log.open(logStart, logEnd, this.#contents)
    const target = this.#state.scratch.reserve(this.#bound)
    const end = this.#contents.plain ? this.#writePlain(target, 0) : -1
    return end < 0 ? this.#slowEvent() : target.buffer.subarray(0, end)
  }

  get #bound(): number {
    return FIXED_BYTES + this.#head.bytes.length + this.#contents.bound + this.#idHead.length
  }

  #encodeLog(): void {
    const batches = this.#batches
    this.#log.open(this.#group.logStart, this.#group.logEnd, this.#contents)
    this.counts.events++
    const bound = this.#bound
    const inPlace = batches.hasRoom(bound)
    const target = inPlace ? batches.target : this.#state.scratch.reserve(bound)
    const end = this.#contents.plain ? this.#writePlain(target, inPlace ? batches.position : 0) : -1
    if (end < 0) batches.append(this.#slowEvent())
    else if (inPlace) batches.commit(end)
    else batches.append(target.buffer.subarray(0, end))
  }

  /** The end of the event; -1 when a value is not UTF-8, and nothing counts as written then. */
  #writePlain(target: Bytes, start: number): number {
    let at = this.#writeTime(target, start)
    at = put(target, at, this.#head.bytes)
    const from = at
    target.seen = 0
    at = this.#contents.write(target, at)
    if (hasInvalidUtf8(target, from, at)) return -1
    return this.#writeTail(target, at)
  }

  #slowEvent(): Buffer {
    const pair = this.#pair
    const pairs = new EventPairs(this.#head.pairs)
    this.#log.eachContent((start, end) => {
      pair.read(start, end)
      pairs.set(pair.key.toString(), pair.value)
    })
    const { envelope } = this.#head
    const target = this.#state.scratch.reserve(FIXED_BYTES + envelope.length + pairs.bound + this.#idHead.length)
    let at = this.#writeTime(target, 0)
    at = put(target, at, envelope)
    at = pairs.write(target, at)
    at = this.#writeTail(target, at)
    return target.buffer.subarray(0, at)
  }

  #writeTime(target: Bytes, start: number): number {
    let at = putPiece(target, start, TIME_OPEN)
    at = writeDecimal(target.buffer, at, this.#log.seconds)
    target.buffer[at++] = DOT
    return writeDigits(target.buffer, at, this.#log.nanos, 9)
  }

  #writeTail(target: Bytes, start: number): number {
    let at = putPiece(target, start, this.#idHead)
    if (this.#at.firstGroup !== undefined) at = writeDecimal(target.buffer, at, this.#group.logIndex)
    else {
      this.#groupHash ??= groupHash(this.#at.shard, this.#body, this.#group, this.#pair)
      at += target.buffer.write(logHash(this.#groupHash, this.#log, this.#pair), at, 'latin1')
    }
    return putPiece(target, at, CLOSE)
  }
}

/** What stands between the contents of an event and the part of its id that differs from group to group. */
export function idPrefix(logstore: string, shard: number): string {
  return ID_OPEN + JSON.stringify(`${logstore}:${shard}:`).slice(1, -1)
}
