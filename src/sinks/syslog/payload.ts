import type { Envelope } from './envelope.ts'
import { Extension } from './extension.ts'
import type { Kind } from './kind.ts'
import { membersOf } from './members.ts'
import { cutText, longestValue, shortenedJson } from './shorten.ts'

export interface PayloadOptions {
  readonly format: 'json' | 'kv' | 'raw' | 'cef' | 'leef'
  readonly rawField: string
  readonly kvSeparator: string
}

/** The part of a message behind its header. */
export interface Payload {
  readonly bytes: Buffer
  /** The log lacks the one content that was asked for, and this is all of it. */
  readonly standsIn?: boolean
  /** It says itself that it was shortened; otherwise the header does. */
  readonly marksItself: boolean
  /** At most `limit` bytes, in the same form and marked, or `undefined` if that is impossible. */
  shortened(limit: number, whole: number): Buffer | undefined
}

/**
 * `hasId`: whether the header carries the event id. CEF and LEEF always have it. `kind` is made only by the formats that need
 * it.
 */
export function payloadOf(
  { event, id, time }: Envelope,
  hasId: boolean,
  kind: () => Kind,
  options: PayloadOptions,
): Payload {
  const { format, rawField, kvSeparator } = options
  if (format === 'cef' || format === 'leef') return new Extension(kind(), { time, id }, format)
  const ownId = hasId ? undefined : id
  const members = format === 'json' ? undefined : membersOf(event.toString())
  if (format === 'kv' && members !== undefined) {
    return new KeyValues(hasId ? members : [...members, ['sls_event_id', id]], kvSeparator)
  }
  const line = format === 'raw' ? members?.findLast(([key]) => key === rawField)?.[1] : undefined
  return line === undefined ? new Json(event, ownId, format === 'raw') : new Line(line)
}

class Json implements Payload {
  readonly marksItself = true
  readonly bytes: Buffer
  readonly standsIn: boolean
  readonly #event: Buffer
  readonly #id: string | undefined

  constructor(event: Buffer, id: string | undefined, standsIn: boolean) {
    this.standsIn = standsIn
    this.#event = event
    this.#id = id
    this.bytes = id === undefined ? event : withMember(event, 'sls_event_id', id)
  }

  shortened(limit: number, whole: number): Buffer | undefined {
    const added = withMember(this.bytes, 'slsTruncated', String(whole)).length - this.#event.length
    const short = shortenedJson(this.#event, limit - added)
    if (short === undefined) return undefined
    const done = withMember(short, 'slsTruncated', String(whole))
    return this.#id === undefined ? done : withMember(done, 'sls_event_id', this.#id)
  }
}

/** As the vendor's sample writes them: a separator before each, nothing escaped. */
class KeyValues implements Payload {
  readonly marksItself = true
  readonly bytes: Buffer
  readonly #members: ReadonlyArray<readonly [string, Buffer]>
  readonly #separator: string

  constructor(members: ReadonlyArray<readonly [string, string]>, separator: string) {
    this.#members = members.map(([key, value]) => [onOneLine(key), Buffer.from(onOneLine(value))])
    this.#separator = separator
    this.bytes = this.#joined(this.#members)
  }

  shortened(limit: number, whole: number): Buffer | undefined {
    const mark: readonly [string, Buffer] = ['slsTruncated', Buffer.from(String(whole))]
    const marked = this.#joined([...this.#members, mark])
    const isId = (key: string): boolean => key === 'sls_event_id'
    const lengths = this.#members.map(([key, value]) => (isId(key) ? 0 : value.length))
    const most = longestValue(lengths, marked.length - limit)
    if (most === undefined) return undefined
    const cut = this.#members.map(([key, value]) => [key, isId(key) ? value : cutText(value, most)] as const)
    return this.#joined([...cut, mark])
  }

  #joined(members: ReadonlyArray<readonly [string, Buffer]>): Buffer {
    return Buffer.concat(members.flatMap(([key, value]) => [Buffer.from(`${this.#separator}${key}=`), value]))
  }
}

/** One content as it is. Its mark stands in the structured data. */
class Line implements Payload {
  readonly marksItself = false
  readonly bytes: Buffer

  constructor(text: string) {
    this.bytes = Buffer.from(onOneLine(text))
  }

  shortened(limit: number): Buffer | undefined {
    return limit < 0 ? undefined : cutText(this.bytes, limit)
  }
}

function onOneLine(text: string): string {
  return text.replace(/[\r\n\0]/g, ' ')
}

/** A JSON object with one more member. Other values have no room for one. */
function withMember(json: Buffer, key: string, text: string): Buffer {
  if (json[0] !== 0x7b) return json
  const inside = json.subarray(0, -1)
  const comma = json.length > 2 ? ',' : ''
  return Buffer.concat([inside, Buffer.from(`${comma}${JSON.stringify(key)}:${JSON.stringify(text)}}`)])
}
