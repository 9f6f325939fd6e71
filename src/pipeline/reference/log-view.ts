import type { PairTape } from './pairs.ts'
import { FieldCursor } from './wire.ts'

// `number * 8 + wire type` of the fields of LogGroup and Log (SLS protocol: protobuf model). The same field with
// another wire type is an unknown field.
const LOGS = 0x0a
const TOPIC = 0x1a
const SOURCE = 0x22
const LOG_TAGS = 0x32
const TIME = 0x08
const CONTENTS = 0x12
const TIME_NS = 0x25

const NANOS = 1_000_000_000

/** Called with the place of a Content or LogTag message: `[start, end)`. */
export type VisitPair = (start: number, end: number) => void

/**
 * A log group where it lies in the body. Topic, source and tags usually stand behind the logs, so `open` hops over all
 * top-level fields before the logs are walked.
 */
export class LogGroupView {
  readonly #logs: FieldCursor
  readonly #fields: FieldCursor
  start = 0
  end = 0
  topicStart = 0
  topicEnd = 0
  sourceStart = 0
  sourceEnd = 0
  logCount = 0
  /** The log the view stands at, and its index in the group. */
  logStart = 0
  logEnd = 0
  logIndex = -1

  constructor(bytes: Buffer) {
    this.#logs = new FieldCursor(bytes)
    this.#fields = new FieldCursor(bytes)
  }

  /** `[start, end)` is the LogGroup message. Of a repeated Topic or Source the last counts. */
  open(start: number, end: number): void {
    this.start = start
    this.end = end
    this.topicStart = this.topicEnd = this.sourceStart = this.sourceEnd = start
    this.logCount = 0
    this.logIndex = -1
    const fields = this.#fields
    fields.open(start, end)
    while (fields.next()) {
      if (fields.tag === LOGS) this.logCount++
      else if (fields.tag === TOPIC) {
        this.topicStart = fields.start
        this.topicEnd = fields.stop
      } else if (fields.tag === SOURCE) {
        this.sourceStart = fields.start
        this.sourceEnd = fields.stop
      }
    }
    this.#logs.open(start, end)
  }

  eachTag(visit: VisitPair): void {
    const fields = this.#fields
    fields.open(this.start, this.end)
    while (fields.next()) if (fields.tag === LOG_TAGS) visit(fields.start, fields.stop)
  }

  /** Moves to the next log; false behind the last one. */
  nextLog(): boolean {
    const logs = this.#logs
    while (logs.next()) {
      if (logs.tag !== LOGS) continue
      this.logStart = logs.start
      this.logEnd = logs.stop
      this.logIndex++
      return true
    }
    return false
  }
}

/** A log where it lies in the body. */
export class LogView {
  readonly #fields: FieldCursor
  #start = 0
  #end = 0
  /** Unix time; whole seconds that a writer put into the nanoseconds are carried over. */
  seconds = 0
  nanos = 0

  constructor(bytes: Buffer) {
    this.#fields = new FieldCursor(bytes)
  }

  /** Reads the Log message in `[start, end)`: the time into this view, the contents onto `contents`. */
  open(start: number, end: number, contents: PairTape): void {
    this.#start = start
    this.#end = end
    let seconds = 0
    let nanos = 0
    contents.begin()
    const fields = this.#fields
    fields.open(start, end)
    for (;;) {
      fields.open(contents.addKnown(CONTENTS, fields.at, end), end)
      if (!fields.next()) break
      if (fields.tag === CONTENTS) contents.add(fields.start, fields.stop)
      else if (fields.tag === TIME) seconds = fields.uint32()
      else if (fields.tag === TIME_NS) nanos = fields.fixed32()
    }
    if (nanos >= NANOS) {
      seconds += Math.floor(nanos / NANOS)
      nanos %= NANOS
    }
    this.seconds = seconds
    this.nanos = nanos
  }

  eachContent(visit: VisitPair): void {
    const fields = this.#fields
    fields.open(this.#start, this.#end)
    while (fields.next()) if (fields.tag === CONTENTS) visit(fields.start, fields.stop)
  }
}
