import type { BatchOrigin } from '../../core/batch.ts'
import type { Envelope } from './envelope.ts'
import { cutEnvelope, placesOf } from './envelope.ts'
import { Fields } from './fields.ts'
import type { Kind } from './kind.ts'
import { kindOf } from './kind.ts'
import { LegacyTime } from './legacy-time.ts'
import type { PayloadOptions } from './payload.ts'
import { payloadOf } from './payload.ts'

export interface MessageOptions extends PayloadOptions {
  readonly header: 'rfc5424' | 'rfc3164' | 'none'
  /** 0–23 and 0–7; `auto` is by what the log says. */
  readonly facility: number
  readonly severity: number | 'auto'
  readonly appName: string
  /** SD-ID of the structured data. */
  readonly sdId: string
  /** IANA name; only RFC 3164 has a time without a zone. */
  readonly timezone: string
  /** Bytes of a whole message, without its count. */
  readonly maxBytes: number
  readonly oversize: 'truncate' | 'dead-letter'
}

export type Framing = 'octet' | 'lf'

export interface FramerOptions extends MessageOptions {
  /** With `relp` each message is a command of RELP. */
  readonly framing: Framing | 'relp'
}

export interface Message {
  readonly head: string
  readonly payload: Buffer
  readonly truncated: boolean
  /** JSON, because the log has no field for `raw`. */
  readonly asJson: boolean
}

/** Lengths by RFC 5424, 6, and of a TAG by RFC 3164. */
const LONGEST_HOSTNAME = 255
const LONGEST_APP_NAME = 48
const LONGEST_TAG = 32

/** The texts that headers share: behind the host, and behind the source. */
export function constantTexts({ header, format, appName, sdId }: MessageOptions, shard: number) {
  if (header === 'none') return { middle: '', finish: '' }
  if (header === 'rfc3164') return { middle: ` ${tagOf(format, appName)}`, finish: '' }
  return { middle: ` ${headerText(appName, LONGEST_APP_NAME)} - - [${sdId} id="`, finish: `" shard="${shard}"] ` }
}

/** Receivers of CEF and LEEF know them by their beginning, and want nothing between it and the host. */
function tagOf(format: MessageOptions['format'], appName: string): string {
  if (format === 'cef' || format === 'leef') return ''
  return `${appName.replace(/[^A-Za-z0-9]/g, '').slice(0, LONGEST_TAG) || 'sls'}: `
}

/** Turns envelopes into messages: a header and a payload. A pure function, apart from what it remembers. */
export class Messages {
  readonly #options: MessageOptions
  readonly #appName: string
  readonly #tag: string
  readonly #legacyTime: LegacyTime
  /** Times of neighbours share their second. */
  #second = ''
  #secondText = ''

  constructor(options: MessageOptions) {
    const { appName, format, timezone } = options
    this.#options = options
    this.#appName = headerText(appName, LONGEST_APP_NAME)
    this.#tag = tagOf(format, appName)
    this.#legacyTime = new LegacyTime(timezone)
  }

  /** The message of an envelope, or how long it is if it is too long and may not, or cannot, be shortened. */
  of(envelope: Buffer, origin: BatchOrigin): Message | { readonly tooLong: number } {
    const { header, maxBytes, oversize } = this.#options
    const cut = cutEnvelope(envelope)
    let known: Kind | undefined
    const kind = (): Kind => {
      known ??= kindOf(new Fields(cut.event))
      return known
    }
    const head = this.#head(cut, origin, kind, '')
    const payload = payloadOf(cut, header === 'rfc5424', kind, this.#options)
    const length = Buffer.byteLength(head) + payload.bytes.length
    const asJson = payload.standsIn ?? false
    if (length <= maxBytes) return { head, payload: payload.bytes, truncated: false, asJson }
    if (oversize !== 'truncate') return { tooLong: length }
    const marked = payload.marksItself ? head : this.#head(cut, origin, kind, ` slsTruncated="${length}"`)
    const shortened = payload.shortened(maxBytes - Buffer.byteLength(marked), length)
    return shortened === undefined ? { tooLong: length } : { head: marked, payload: shortened, truncated: true, asJson }
  }

  #head({ time, host, id, event }: Envelope, { shard }: BatchOrigin, kind: () => Kind, mark: string): string {
    const { header, sdId, facility, severity } = this.#options
    if (header === 'none') return ''
    const priority = `<${facility * 8 + (severity === 'auto' ? kind().severity[0] : severity)}>`
    const name = headerText(host, LONGEST_HOSTNAME)
    if (header === 'rfc3164') {
      return `${priority}${this.#legacyTime.of(time)} ${name} ${this.#tag}`
    }
    const { topic, source } = placesOf(event)
    const parameters = `id="${value(id)}" topic="${value(topic)}" source="${value(source)}" shard="${shard}"${mark}`
    return `${priority}1 ${this.#timestamp(time)} ${name} ${this.#appName} - - [${sdId} ${parameters}] `
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

const PRINTABLE = /^[\x21-\x7e]+$/
/** A text without any of these stays as it is. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to find
const ESCAPED = /["\\\]\u0000-\u001f\u007f]/

/** A field of the header: printable ASCII, never empty. */
function headerText(text: string, most: number): string {
  if (text.length <= most && PRINTABLE.test(text)) return text
  return text.replace(/[^\x21-\x7e]/gu, '_').slice(0, most) || '-'
}

/** PARAM-VALUE. A line end would be the end of the message where lines are the framing. */
function value(text: string): string {
  if (!ESCAPED.test(text)) return text
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to replace
  return text.replace(/["\\\]]/g, '\\$&').replace(/[\u0000-\u001f\u007f]/g, ' ')
}
