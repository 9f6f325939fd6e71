import { BYTES, FIXED32, MessageReader, VARINT } from '../../sls/protobuf.ts'

// Field numbers (SLS protocol: protobuf model). A known number with another wire type is an unknown field.
const LOG_GROUPS = 1
const LOGS = 1
const TOPIC = 3
const SOURCE = 4
const LOG_TAGS = 6
const TIME = 1
const CONTENTS = 2
const TIME_NS = 4
const KEY = 1
const VALUE = 2

const NANOS = 1_000_000_000
const EMPTY = Buffer.alloc(0)

/** The log groups of a pulled body. All bytes in this file are views of the body. Malformed ones throw a Fault. */
export function logGroupsOf(body: Buffer): Generator<Buffer> {
  return valuesOf(body, LOG_GROUPS)
}

/** A log group. Its tags and logs are not kept, since there may be millions: each call reads them from the body. */
export class LogGroup {
  readonly #bytes: Buffer
  readonly topic: Buffer = EMPTY
  readonly source: Buffer = EMPTY
  readonly logCount: number = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    const fields = new MessageReader(bytes)
    while (fields.next()) {
      const isBytes = fields.wire === BYTES
      if (isBytes && fields.field === TOPIC) this.topic = fields.bytes()
      else if (isBytes && fields.field === SOURCE) this.source = fields.bytes()
      else {
        if (isBytes && fields.field === LOGS) this.logCount++
        fields.skip()
      }
    }
  }

  tags(): Generator<Pair> {
    return pairsOf(this.#bytes, LOG_TAGS)
  }

  logs(): Generator<Buffer> {
    return valuesOf(this.#bytes, LOGS)
  }
}

export type Pair = readonly [key: Buffer, value: Buffer]

export function contentsOf(log: Buffer): Generator<Pair> {
  return pairsOf(log, CONTENTS)
}

/** Unix time of a log: whole seconds that a writer put into the nanoseconds are carried over. */
export function timeOf(log: Buffer): { seconds: number; nanos: number } {
  let seconds = 0
  let nanos = 0
  const fields = new MessageReader(log)
  while (fields.next()) {
    if (fields.field === TIME && fields.wire === VARINT) seconds = fields.uint32()
    else if (fields.field === TIME_NS && fields.wire === FIXED32) nanos = fields.fixed32()
    else fields.skip()
  }
  return { seconds: seconds + Math.floor(nanos / NANOS), nanos: nanos % NANOS }
}

/** A missing key or value is empty; of several the last counts. */
function* pairsOf(message: Buffer, field: number): Generator<Pair> {
  for (const pair of valuesOf(message, field)) {
    let [key, value]: Pair = [EMPTY, EMPTY]
    const fields = new MessageReader(pair)
    while (fields.next()) {
      if (fields.field === KEY && fields.wire === BYTES) key = fields.bytes()
      else if (fields.field === VALUE && fields.wire === BYTES) value = fields.bytes()
      else fields.skip()
    }
    yield [key, value]
  }
}

function* valuesOf(message: Buffer, field: number): Generator<Buffer> {
  const fields = new MessageReader(message)
  while (fields.next()) {
    if (fields.field === field && fields.wire === BYTES) yield fields.bytes()
    else fields.skip()
  }
}
