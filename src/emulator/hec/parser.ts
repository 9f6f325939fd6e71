import type { Kind } from './json.ts'
import { JsonScanner, KIND } from './json.ts'

/** Metadata an envelope may carry, as bits, so that "which defaults are missing" is one number. */
export const META = { time: 1, host: 2, source: 4, sourcetype: 8, index: 16 } as const
export const ALL_META = 31

type Key = keyof typeof META | 'event' | 'fields'
const KEYS: readonly Key[] = ['event', 'time', 'host', 'source', 'sourcetype', 'index', 'fields']
const KEY_BYTES = KEYS.map((name) => ({ name, bytes: Buffer.from(name) }))
const EVENT_ID = Buffer.from('sls_event_id')
const METRIC_NAME = Buffer.from('metric_name')

/**
 * One object of an `/event` body: byte offsets and facts, no values. The reader owns it and fills it again for each
 * object. A `…Kind` of `KIND.malformed` (0) means the key is absent.
 */
export class Envelope {
  start = 0
  /** Just past the closing brace. */
  end = 0
  /** There are line ends between its tokens. */
  folded = false
  eventKind: Kind = 0
  eventStart = 0
  eventEnd = 0
  timeKind: Kind = 0
  timeStart = 0
  timeEnd = 0
  indexStart = 0
  indexEnd = 0
  fieldsKind: Kind = 0
  /** `fields` holds an object, or an array of anything but scalars. */
  fieldsNested = false
  /** `fields` carries a measurement (`metric_name` or `metric_name:<name>`). */
  metric = false
  /** The text inside the quotes of `fields.sls_event_id`; empty range when there is none. */
  idStart = 0
  idEnd = 0
  /** `META` bits of the metadata the sender gave (a JSON null counts as not given). */
  meta = 0
  /** host, source, sourcetype or index is neither a string nor null. */
  metaMistyped = false

  reset(start: number): void {
    this.start = start
    this.eventKind = this.timeKind = this.fieldsKind = KIND.malformed
    this.indexStart = this.indexEnd = this.idStart = this.idEnd = 0
    this.fieldsNested = this.metric = this.metaMistyped = false
    this.meta = 0
  }
}

/** `unknown_key`: HEC stops reading there, behind a 200, so the rest of the body is not looked at either. */
export type Step = 'envelope' | 'unknown_key' | 'malformed' | 'end'

/**
 * Reads the envelope stream of an `/event` body: objects back to back or separated by white space, and also a JSON
 * array of them, which real versions accept against their documentation.
 */
export class EnvelopeReader {
  readonly envelope = new Envelope()
  readonly #scanner: JsonScanner
  #array: 'none' | 'first' | 'later' = 'none'

  constructor(body: Buffer) {
    this.#scanner = new JsonScanner(body)
  }

  /** After anything but `envelope` there is nothing more to read. */
  next(): Step {
    const scanner = this.#scanner
    if (this.#array === 'none' && scanner.peek() === 0x5b) {
      scanner.at += 1
      this.#array = 'first'
    }
    if (this.#array !== 'none') {
      if (scanner.take(0x5d)) {
        this.#array = 'none'
        return this.next()
      }
      if (this.#array === 'later' && !scanner.take(0x2c)) return 'malformed'
      this.#array = 'later'
    }
    const byte = scanner.peek()
    if (byte === 0x7b) return this.#object()
    return byte === -1 && this.#array === 'none' ? 'end' : 'malformed'
  }

  #object(): Step {
    const { envelope } = this
    const scanner = this.#scanner
    envelope.reset(scanner.at)
    scanner.at += 1
    scanner.lineEnd = false
    if (!scanner.take(0x7d)) {
      do {
        if (scanner.peek() !== 0x22) return 'malformed'
        const keyStart = scanner.at + 1
        if (!scanner.string()) return 'malformed'
        const key = envelopeKey(scanner.bytes, keyStart, scanner.at - 1)
        if (!key) return 'unknown_key'
        if (!scanner.take(0x3a) || !this.#member(key)) return 'malformed'
      } while (scanner.take(0x2c))
      if (!scanner.take(0x7d)) return 'malformed'
    }
    envelope.end = scanner.at
    envelope.folded = scanner.lineEnd
    return 'envelope'
  }

  #member(key: Key): boolean {
    const { envelope } = this
    const scanner = this.#scanner
    if (key === 'fields') return this.#fields()
    scanner.peek()
    const start = scanner.at
    const kind = scanner.value(1)
    if (kind === KIND.malformed) return false
    if (key === 'event') {
      envelope.eventKind = kind
      envelope.eventStart = start
      envelope.eventEnd = scanner.at
      return true
    }
    if (kind === KIND.null) envelope.meta &= ~META[key]
    else envelope.meta |= META[key]
    if (key === 'time') {
      envelope.timeKind = kind
      envelope.timeStart = start
      envelope.timeEnd = scanner.at
    } else if (kind !== KIND.string && kind !== KIND.null) {
      envelope.metaMistyped = true
    } else if (key === 'index') {
      envelope.indexStart = start
      envelope.indexEnd = scanner.at
    }
    return true
  }

  #fields(): boolean {
    const { envelope } = this
    const scanner = this.#scanner
    if (scanner.peek() !== 0x7b) {
      envelope.fieldsKind = scanner.value(1)
      return envelope.fieldsKind !== KIND.malformed
    }
    envelope.fieldsKind = KIND.object
    scanner.at += 1
    if (scanner.take(0x7d)) return true
    do {
      if (!this.#field()) return false
    } while (scanner.take(0x2c))
    return scanner.take(0x7d)
  }

  #field(): boolean {
    const { envelope } = this
    const scanner = this.#scanner
    if (scanner.peek() !== 0x22) return false
    const keyStart = scanner.at + 1
    if (!scanner.string()) return false
    const keyEnd = scanner.at - 1
    if (!scanner.take(0x3a)) return false
    if (scanner.peek() === 0x5b) return this.#fieldArray()
    const start = scanner.at
    const kind = scanner.value(2)
    if (kind === KIND.object) envelope.fieldsNested = true
    if (kind === KIND.string && sameBytes(scanner.bytes, keyStart, keyEnd, EVENT_ID)) {
      envelope.idStart = start + 1
      envelope.idEnd = scanner.at - 1
    }
    if (isMetricName(scanner.bytes, keyStart, keyEnd)) envelope.metric = true
    return kind !== KIND.malformed
  }

  #fieldArray(): boolean {
    const scanner = this.#scanner
    scanner.at += 1
    if (scanner.take(0x5d)) return true
    do {
      const kind = scanner.value(3)
      if (kind === KIND.malformed) return false
      if (kind === KIND.object || kind === KIND.array) this.envelope.fieldsNested = true
    } while (scanner.take(0x2c))
    return scanner.take(0x5d)
  }
}

function envelopeKey(bytes: Buffer, start: number, end: number): Key | undefined {
  for (const key of KEY_BYTES) if (sameBytes(bytes, start, end, key.bytes)) return key.name
  if (bytes.subarray(start, end).includes(0x5c)) {
    const name: unknown = JSON.parse(bytes.toString('utf8', start - 1, end + 1))
    return KEYS.find((key) => key === name)
  }
  return undefined
}

function sameBytes(bytes: Buffer, start: number, end: number, wanted: Buffer): boolean {
  if (end - start !== wanted.length) return false
  for (let i = 0; i < wanted.length; i += 1) if (bytes[start + i] !== wanted[i]) return false
  return true
}

function isMetricName(bytes: Buffer, start: number, end: number): boolean {
  const nameEnd = start + METRIC_NAME.length
  return sameBytes(bytes, start, Math.min(end, nameEnd), METRIC_NAME) && (end <= nameEnd || bytes[nameEnd] === 0x3a)
}

/** The verdict on a well-formed envelope: index it, skip it silently, or refuse it with a code. */
export type Verdict = 'index' | 'skip' | 6 | 12 | 13 | 15

/**
 * The token judges the permission for an index (code 7), not this function. Some answers were never measured, such as a
 * metadata value that is not a string or a `time` that is no number. They get the nearest documented code.
 */
export function judge(body: Buffer, envelope: Envelope, maxEventSize: number): Verdict {
  if (envelope.metaMistyped) return 6
  if (envelope.eventKind === KIND.malformed) {
    if (envelope.fieldsKind !== KIND.object) return 12
  } else {
    if (envelope.eventKind === KIND.null) return 12
    if (envelope.eventKind === KIND.string && envelope.eventEnd - envelope.eventStart === 2) return 13
    if (isLonger(body, envelope, maxEventSize)) return 6
  }
  if (!timeIsDecimal(body, envelope)) return 15
  if (envelope.fieldsKind > KIND.null) {
    if (envelope.fieldsKind !== KIND.object) return 6
    if (envelope.fieldsNested) return 15
  }
  return envelope.eventKind === KIND.malformed && !envelope.metric ? 'skip' : 'index'
}

/** Measures the event as Splunk would store it: a string without its quotes and escapes. */
function isLonger(body: Buffer, { eventKind, eventStart, eventEnd }: Envelope, limit: number): boolean {
  const length = eventEnd - eventStart
  if (length <= limit) return false
  // An escape is at most six times as long as its character.
  if (eventKind !== KIND.string || length > 6 * limit + 2) return true
  return Buffer.byteLength(JSON.parse(body.toString('utf8', eventStart, eventEnd)) as string) > limit
}

const DECIMAL = /^"?-?\d+(\.\d+)?"?$/

function timeIsDecimal(body: Buffer, { timeKind, timeStart, timeEnd }: Envelope): boolean {
  if (timeKind <= KIND.null) return true
  return (
    (timeKind === KIND.number || timeKind === KIND.string) && DECIMAL.test(body.toString('latin1', timeStart, timeEnd))
  )
}
