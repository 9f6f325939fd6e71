import type { BatchOrigin } from '../../core/batch.ts'
import type { Envelope } from './envelope.ts'
import { cutEnvelope, placesOf } from './envelope.ts'
import { shortenedJson } from './shorten.ts'

export interface MessageOptions {
  readonly header: 'rfc5424' | 'none'
  /** 0–23 and 0–7. */
  readonly facility: number
  readonly severity: number
  readonly appName: string
  /** SD-ID of the structured data. */
  readonly sdId: string
  /** Bytes of a whole message, without its count. */
  readonly maxBytes: number
  readonly oversize: 'truncate' | 'dead-letter'
}

export interface Message {
  readonly head: string
  readonly payload: Buffer
  readonly truncated: boolean
}

/** Lengths by RFC 5424, 6. */
const LONGEST_HOSTNAME = 255
const LONGEST_APP_NAME = 48

/** Turns envelopes into messages: a header and the bytes of the event. A pure function, apart from what it remembers. */
export class Messages {
  readonly #options: MessageOptions
  readonly #beginning: string
  readonly #appName: string
  /** Times of neighbours share their second. */
  #second = ''
  #secondText = ''

  constructor(options: MessageOptions) {
    this.#options = options
    this.#beginning = `<${options.facility * 8 + options.severity}>1 `
    this.#appName = headerText(options.appName, LONGEST_APP_NAME)
  }

  /** The message of an envelope, or how long it is if it is too long and may not, or cannot, be shortened. */
  of(envelope: Buffer, origin: BatchOrigin): Message | { readonly tooLong: number } {
    const cut = cutEnvelope(envelope)
    const head = this.#head(cut, origin)
    const payload = this.#options.header === 'none' ? withMember(cut.event, 'sls_event_id', cut.id) : cut.event
    const length = Buffer.byteLength(head) + payload.length
    if (length <= this.#options.maxBytes) return { head, payload, truncated: false }
    const shortened = this.#options.oversize === 'truncate' ? this.#shortened(head, cut, length) : undefined
    return shortened === undefined ? { tooLong: length } : { head, payload: shortened, truncated: true }
  }

  #shortened(head: string, { event, id }: Envelope, length: number): Buffer | undefined {
    const mark = (json: Buffer): Buffer => {
      const marked = withMember(json, 'slsTruncated', String(length))
      return this.#options.header === 'none' ? withMember(marked, 'sls_event_id', id) : marked
    }
    const added = mark(event).length - event.length
    const short = shortenedJson(event, this.#options.maxBytes - Buffer.byteLength(head) - added)
    return short && mark(short)
  }

  #head(envelope: Envelope, { shard }: BatchOrigin): string {
    const { header, sdId } = this.#options
    if (header === 'none') return ''
    const { time, host, id, event } = envelope
    const { topic, source } = placesOf(event)
    const parameters = `id="${value(id)}" topic="${value(topic)}" source="${value(source)}" shard="${shard}"`
    return `${this.#beginning}${this.#timestamp(time)} ${headerText(host, LONGEST_HOSTNAME)} ${this.#appName} - - [${sdId} ${parameters}] `
  }

  /** Receivers take six digits; the rest is cut, not rounded. */
  #timestamp(time: string): string {
    const [second = '0', decimals = ''] = time.split('.')
    if (second !== this.#second) {
      this.#second = second
      this.#secondText = new Date(Number(second) * 1000).toISOString().slice(0, -'.000Z'.length)
    }
    return `${this.#secondText}.${decimals.slice(0, 6).padEnd(6, '0')}Z`
  }
}

/** A field of the header: printable ASCII, never empty. */
function headerText(text: string, most: number): string {
  return text.replace(/[^\x21-\x7e]/gu, '_').slice(0, most) || '-'
}

/** PARAM-VALUE. A line end would be the end of the message where lines are the framing. */
function value(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to replace
  return text.replace(/["\\\]]/g, '\\$&').replace(/[\u0000-\u001f\u007f]/g, ' ')
}

/** A JSON object with one more member. Other values have no room for one. */
function withMember(json: Buffer, key: string, text: string): Buffer {
  if (json[0] !== 0x7b) return json
  const inside = json.subarray(0, -1)
  const comma = json.length > 2 ? ',' : ''
  return Buffer.concat([inside, Buffer.from(`${comma}${JSON.stringify(key)}:${JSON.stringify(text)}}`)])
}
