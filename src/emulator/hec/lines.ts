import type { Envelope } from './parser.ts'
import { ALL_META, META } from './parser.ts'

/** Metadata an envelope gets when it carries none of its own. `time` is a decimal text of epoch seconds. */
export interface EnvelopeDefaults {
  time: string
  host: string
  source: string
  sourcetype: string
  index: string
}

/** Envelopes of one request, one JSON object a line, in order. */
export interface Lines {
  readonly bytes: Buffer
  /** Offset just past line i, its `\n` included. */
  readonly ends: Uint32Array
  /** Where line i spells its `fields.sls_event_id`: start and end at `2i` and `2i + 1`, equal when it has none. */
  readonly ids: Uint32Array
}

/**
 * Collects the envelopes of a body that were accepted and writes each as one line: the sender's own bytes, so that a
 * number keeps its digits, with the missing metadata added before the closing brace.
 */
export class LineBuilder {
  count = 0
  readonly #body: Buffer
  readonly #defaults: EnvelopeDefaults
  readonly #suffixes = new Map<number, Buffer>()
  readonly #parts: { start: number; end: number; suffix: Buffer; folded: boolean; idStart: number; idEnd: number }[] =
    []
  #length = 0

  constructor(body: Buffer, defaults: EnvelopeDefaults) {
    this.#body = body
    this.#defaults = defaults
  }

  add(envelope: Envelope): void {
    const { start, folded, idStart, idEnd } = envelope
    const end = envelope.end - 1
    const suffix = this.#suffix(ALL_META & ~envelope.meta)
    this.#parts.push({ start, end, suffix, folded, idStart: idStart - start, idEnd: idEnd - start })
    this.#length += end - start + suffix.length
    this.count += 1
  }

  build(): Lines {
    const bytes = Buffer.allocUnsafe(this.#length)
    const ends = new Uint32Array(this.count)
    const ids = new Uint32Array(this.count * 2)
    let at = 0
    for (const [i, part] of this.#parts.entries()) {
      if (part.idEnd > 0) {
        ids[2 * i] = at + part.idStart
        ids[2 * i + 1] = at + part.idEnd
      }
      const from = at
      at += this.#body.copy(bytes, at, part.start, part.end)
      if (part.folded) unfold(bytes.subarray(from, at))
      at += part.suffix.copy(bytes, at)
      ends[i] = at
    }
    return { bytes, ends, ids }
  }

  #suffix(missing: number): Buffer {
    let suffix = this.#suffixes.get(missing)
    if (suffix) return suffix
    const { time, ...texts } = this.#defaults
    let text = missing & META.time ? `,"time":${time}` : ''
    for (const [key, value] of Object.entries(texts)) {
      if (missing & META[key as keyof typeof texts]) text += `,"${key}":${JSON.stringify(value)}`
    }
    suffix = Buffer.from(`${text}}\n`)
    this.#suffixes.set(missing, suffix)
    return suffix
  }
}

/** Line ends between the tokens of a pretty-printed envelope become spaces; inside a JSON string there can be none. */
function unfold(bytes: Buffer): void {
  for (const lineEnd of [0x0a, 0x0d]) {
    for (let at = bytes.indexOf(lineEnd); at !== -1; at = bytes.indexOf(lineEnd, at + 1)) bytes[at] = 0x20
  }
}

/** Lines for a `/raw` body: one event a line that is not blank. `undefined` when there is none. */
export function rawLines(body: Buffer, defaults: EnvelopeDefaults): Lines | undefined {
  const { time, ...texts } = defaults
  const prefix = `{"time":${time},${JSON.stringify(texts).slice(1, -1)},"event":`
  const parts: Buffer[] = []
  for (let start = 0; start < body.length; ) {
    const lineEnd = body.indexOf(0x0a, start)
    const end = lineEnd === -1 ? body.length : lineEnd
    const text = body.toString('utf8', start, body[end - 1] === 0x0d && end > start ? end - 1 : end)
    if (text.trim() !== '') parts.push(Buffer.from(`${prefix}${JSON.stringify(text)}}\n`))
    start = end + 1
  }
  if (parts.length === 0) return undefined
  const ends = new Uint32Array(parts.length)
  for (const [i, part] of parts.entries()) ends[i] = (ends[i - 1] ?? 0) + part.length
  return { bytes: Buffer.concat(parts), ends, ids: new Uint32Array(parts.length * 2) }
}
