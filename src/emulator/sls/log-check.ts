/**
 * Checks a PutLogs body without decoding it: well-formed protobuf with all required fields, within the service's
 * limits. It works with offsets instead of views, because writers send gigabytes. It shares no code with the client's
 * encoder, whose bytes it also judges.
 */
import { SlsRefusal } from './refusal.ts'

const MAX_KEY_BYTES = 128
const MAX_VALUE_BYTES = 1_048_576

/** The wire bytes are malformed; becomes PostBodyInvalid. */
class Malformed extends Error {}

export interface LogGroupFacts {
  logs: number
  /** Unix seconds; 0 and 0 without logs. */
  oldest: number
  newest: number
}

/** Refuses with PostBodyInvalid, InvalidKey (empty or over 128 bytes). */
export function checkLogGroup(bytes: Buffer): LogGroupFacts {
  try {
    return new LogGroupCheck(bytes).run()
  } catch (error) {
    if (error instanceof Malformed) throw new SlsRefusal('PostBodyInvalid', `the body is no LogGroup: ${error.message}`)
    throw error
  }
}

class LogGroupCheck {
  readonly #bytes: Buffer
  #at = 0
  readonly #facts: LogGroupFacts = { logs: 0, oldest: 0, newest: 0 }

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  run(): LogGroupFacts {
    const end = this.#bytes.length
    if (end === 0) throw new Malformed('it is empty')
    while (this.#at < end) {
      const tag = this.#varint(end)
      if (tag === tagOf(1, 2)) this.#log(this.#length(end))
      else if (tag === tagOf(6, 2)) this.#pair(this.#length(end), 'LogTag')
      else this.#skip(tag, end)
    }
    return this.#facts
  }

  #log(end: number): void {
    let time: number | undefined
    while (this.#at < end) {
      const tag = this.#varint(end)
      if (tag === tagOf(1, 0)) time = this.#varint(end)
      else if (tag === tagOf(2, 2)) this.#pair(this.#length(end), 'Content')
      else this.#skip(tag, end)
    }
    if (time === undefined) throw new Malformed('a Log has no Time')
    const facts = this.#facts
    facts.oldest = facts.logs === 0 ? time : Math.min(facts.oldest, time)
    facts.newest = Math.max(facts.newest, time)
    facts.logs += 1
  }

  #pair(end: number, what: string): void {
    let key = -1
    let value = -1
    while (this.#at < end) {
      const tag = this.#varint(end)
      if (tag === tagOf(1, 2)) key = this.#text(end)
      else if (tag === tagOf(2, 2)) value = this.#text(end)
      else this.#skip(tag, end)
    }
    if (key < 0 || value < 0) throw new Malformed(`a ${what} has no ${key < 0 ? 'Key' : 'Value'}`)
    if (key === 0 || key > MAX_KEY_BYTES) {
      throw new SlsRefusal('InvalidKey', `a key must have 1 to ${MAX_KEY_BYTES} bytes, this one has ${key}`)
    }
    if (value > MAX_VALUE_BYTES)
      throw new Malformed(`a value of ${value} bytes, at most ${MAX_VALUE_BYTES} are allowed`)
  }

  /** Passes over a string; returns its size in bytes. */
  #text(limit: number): number {
    const end = this.#length(limit)
    const size = end - this.#at
    this.#at = end
    return size
  }

  #skip(tag: number, end: number): void {
    const wire = tag & 7
    if (tag >>> 3 === 0) throw new Malformed('field number 0')
    if (wire === 0) this.#varint(end)
    else if (wire === 1) this.#advance(8, end)
    else if (wire === 2) this.#at = this.#length(end)
    else if (wire === 5) this.#advance(4, end)
    else throw new Malformed(`wire type ${wire}`)
  }

  /** Reads a length; returns where the value ends. */
  #length(limit: number): number {
    const length = this.#varint(limit)
    if (length > limit - this.#at) throw new Malformed('a value runs past the end')
    return this.#at + length
  }

  #advance(size: number, limit: number): void {
    if (size > limit - this.#at) throw new Malformed('a value runs past the end')
    this.#at += size
  }

  /** The low 32 bits, as protobuf has it for a uint32. */
  #varint(limit: number): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= limit) throw new Malformed('a varint runs past the end')
      const byte = this.#bytes[this.#at++] as number
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new Malformed('a varint of more than 10 bytes')
  }
}

function tagOf(field: number, wire: number): number {
  return (field << 3) | wire
}
