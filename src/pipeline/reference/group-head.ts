import { Bytes, WORD_SLACK } from './bytes.ts'
import { hasInvalidUtf8, MAX_ESCAPED, writeEscaped } from './escape.ts'
import type { LogGroupView } from './log-view.ts'
import type { PairTape } from './pairs.ts'
import { PairReader } from './pairs.ts'
import { EventPairs, validUtf8 } from './slow-path.ts'
import { put } from './write.ts'

export const TAG_PREFIX = '__tag__:'
const BEFORE_HOST = Buffer.from(',"host":"')
const TOPIC_OPEN = Buffer.from('"__topic__":"')
const SOURCE_OPEN = Buffer.from('","__source__":"')

export interface EnvelopeOptions {
  host?: string
  source: string
  sourcetype: string
  index?: string
}

/** The parts of an envelope that are the same in every event, ready to be copied. */
export class EnvelopeConstants {
  /** Inside of the host string; `undefined` when it comes from the log group. */
  readonly host: Buffer | undefined
  /** From the end of the host up to and including `"event":{`. */
  readonly afterHost: Buffer

  constructor({ host, source, sourcetype, index }: EnvelopeOptions) {
    this.host = host === undefined ? undefined : Buffer.from(JSON.stringify(host).slice(1, -1))
    const rest = JSON.stringify({ source, sourcetype, index }).slice(1, -1)
    this.afterHost = Buffer.from(`",${rest},"event":{`)
  }
}

/** What stands between the time and the contents in every event of a log group: written once per group, then copied. */
export class GroupHead {
  readonly #source: Bytes
  readonly #group: LogGroupView
  readonly #constants: EnvelopeConstants
  readonly #tags: PairTape
  readonly #pair: PairReader
  #target = Bytes.allocate(1024)
  #pairs: EventPairs | undefined
  /** `,"host":"…",…,"event":{"__topic__":"…","__source__":"…","__tag__:k":"v` with the last quote left open. */
  bytes = this.#target.buffer
  /** The same up to and including `"event":{`. */
  envelope = this.#target.buffer

  constructor(source: Bytes, group: LogGroupView, constants: EnvelopeConstants, tags: PairTape) {
    this.#source = source
    this.#group = group
    this.#constants = constants
    this.#tags = tags
    this.#pair = new PairReader(source.buffer)
  }

  /** The group's own pairs, for events that cannot be written as they come. */
  get pairs(): EventPairs {
    this.#pairs ??= this.#collectPairs()
    return this.#pairs
  }

  /** Writes the head of the log group the view stands at. */
  write(): void {
    this.#pairs = undefined
    const tags = this.#tags
    tags.begin()
    this.#group.eachTag((start, end) => tags.add(start, end))
    if (!tags.plain || !this.#writePlain()) this.#writeSlowly()
  }

  /** False when something in it is not UTF-8. */
  #writePlain(): boolean {
    const source = this.#source
    const { topicStart, topicEnd, sourceStart, sourceEnd } = this.#group
    const raw = topicEnd - topicStart + 2 * (sourceEnd - sourceStart)
    const target = this.#reserve(MAX_ESCAPED * raw + this.#tags.bound)
    target.seen = 0
    let at = this.#writeEnvelope(target, source, sourceStart, sourceEnd)
    at = put(target, at, TOPIC_OPEN)
    at = writeEscaped(target, at, source, topicStart, topicEnd)
    at = put(target, at, SOURCE_OPEN)
    at = writeEscaped(target, at, source, sourceStart, sourceEnd)
    at = this.#tags.write(target, at)
    this.bytes = target.buffer.subarray(0, at)
    return !hasInvalidUtf8(target, 0, at)
  }

  #writeSlowly(): void {
    const { sourceStart, sourceEnd } = this.#group
    const host = new Bytes(validUtf8(this.#source.buffer.subarray(sourceStart, sourceEnd)))
    const target = this.#reserve(MAX_ESCAPED * host.buffer.length + this.pairs.bound)
    const at = this.#writeEnvelope(target, host, 0, host.buffer.length)
    this.bytes = target.buffer.subarray(0, this.pairs.write(target, at))
  }

  #writeEnvelope(target: Bytes, host: Bytes, from: number, to: number): number {
    const constants = this.#constants
    let at = put(target, 0, BEFORE_HOST)
    at = constants.host === undefined ? writeEscaped(target, at, host, from, to) : put(target, at, constants.host)
    at = put(target, at, constants.afterHost)
    this.envelope = target.buffer.subarray(0, at)
    return at
  }

  #reserve(variable: number): Bytes {
    const { host, afterHost } = this.#constants
    const fixed = BEFORE_HOST.length + (host?.length ?? 0) + afterHost.length + TOPIC_OPEN.length + SOURCE_OPEN.length
    const size = fixed + variable + WORD_SLACK
    if (size > this.#target.buffer.length) this.#target = Bytes.allocate(size)
    return this.#target
  }

  #collectPairs(): EventPairs {
    const { topicStart, topicEnd, sourceStart, sourceEnd } = this.#group
    const { buffer } = this.#source
    const pairs = new EventPairs()
    pairs.set('__topic__', buffer.subarray(topicStart, topicEnd))
    pairs.set('__source__', buffer.subarray(sourceStart, sourceEnd))
    this.#group.eachTag((start, end) => {
      this.#pair.read(start, end)
      pairs.set(TAG_PREFIX + this.#pair.key.toString(), this.#pair.value)
    })
    return pairs
  }
}
