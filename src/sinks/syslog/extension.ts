import { LONGEST, STANDARD_KEYS } from './keys.ts'
import type { Kind } from './kind.ts'
import type { Column } from './products.ts'
import { read } from './readings.ts'
import { cutText, longestValue } from './shorten.ts'

export type EventFormat = 'cef' | 'leef'

interface Pair {
  readonly key: string
  readonly text: string
  /** It would mean something else if it were shorter. */
  readonly isFixed?: boolean
}

const VENDOR = 'Alibaba Cloud'
const VERSION = '1'
const LONGEST_NAME = 512
export const SEPARATORS = { cef: ' ', leef: '\t' } as const
export const TIME_KEYS = { cef: 'rt', leef: 'devTime' } as const
/** Keys that no content may have. */
export const OWN_KEYS = ['slsEventId', 'slsTruncated'] as const
const LONGEST_CLASS = { cef: 1023, leef: 255 } as const

/**
 * An event in CEF (version 0) or LEEF (version 1.0, with tabs): a header, then keys and values. First what the table of
 * products maps, then everything else under its own name, then the event id.
 */
export class Extension {
  readonly marksItself = true
  readonly bytes: Buffer
  readonly #format: EventFormat
  readonly #head: string
  readonly #pairs: readonly Pair[]

  /** `time`: decimal unix seconds. */
  constructor(kind: Kind, { time, id }: { readonly time: string; readonly id: string }, format: EventFormat) {
    this.#format = format
    this.#head = format === 'cef' ? cefHead(kind) : leefHead(kind)
    this.#pairs = pairsOf(kind, { time, id }, format)
    this.bytes = Buffer.from(this.#joined(this.#pairs.map((pair) => this.#escaped(pair))))
  }

  shortened(limit: number, whole: number): Buffer | undefined {
    const mark = { key: 'slsTruncated', text: String(whole) }
    const values = this.#pairs.map((pair) => this.#escaped(pair))
    const marked = Buffer.byteLength(this.#joined(values, mark))
    const lengths = this.#pairs.map(({ isFixed }, i) => (isFixed ? 0 : Buffer.byteLength(values[i] as string)))
    const most = longestValue(lengths, marked - limit)
    if (most === undefined) return undefined
    const cut = values.map((value, i) => (this.#pairs[i]?.isFixed ? value : this.#cut(Buffer.from(value), most)))
    return Buffer.from(this.#joined(cut, mark))
  }

  #escaped({ text }: Pair): string {
    return escaped(text, this.#format)
  }

  /** Neither a character nor an escape is cut. */
  #cut(value: Buffer, most: number): string {
    if (value.length <= most) return value.toString()
    const text = cutText(value, most).toString()
    const backslashes = /\\*$/.exec(text)?.[0].length ?? 0
    return (backslashes % 2 === 1 ? text.slice(0, -1) : text).trimEnd()
  }

  #joined(values: readonly string[], mark?: Pair): string {
    const separator = SEPARATORS[this.#format]
    let pairs = ''
    for (const [i, value] of values.entries()) if (value !== '') pairs += `${separator}${this.#pairs[i]?.key}=${value}`
    if (mark) pairs += `${separator}${mark.key}=${mark.text}`
    return this.#head + pairs.slice(separator.length)
  }
}

/** The header up to the class of the event. */
export function headOf(product: string, format: EventFormat): string {
  const header = format === 'cef' ? cefHeader : leefHeader
  return `${format === 'cef' ? 'CEF:0' : 'LEEF:1.0'}|${[VENDOR, product, VERSION].map(header).join('|')}|`
}

function cefHead({ product, eventClass, eventName, severity }: Kind): string {
  const [cutClass, name] = [beginning(eventClass, LONGEST_CLASS.cef), beginning(eventName, LONGEST_NAME)]
  return `${headOf(product, 'cef')}${cefHeader(cutClass)}|${cefHeader(name)}|${severity[1]}|`
}

function leefHead({ product, eventClass }: Kind): string {
  return `${headOf(product, 'leef')}${leefHeader(beginning(eventClass, LONGEST_CLASS.leef))}|`
}

export function escaped(text: string, format: EventFormat): string {
  return format === 'cef' ? cefValue(text) : leefValue(text)
}

/** `=` is not escaped there, and a line end cannot be. */
function cefHeader(text: string): string {
  if (!SPECIAL.test(text)) return text
  return text.replace(/[\\|]/g, '\\$&').replace(CONTROL, ' ')
}

function cefValue(text: string): string {
  if (!SPECIAL.test(text)) return text
  const escaped = text.replace(/[\\=]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
  return escaped.replace(CONTROL, ' ').trimEnd()
}

/** LEEF has no escape for its bars and tabs. */
function leefHeader(text: string): string {
  if (!SPECIAL.test(text)) return text
  return text.replaceAll('|', '_').replace(CONTROL, ' ')
}

function leefValue(text: string): string {
  if (!SPECIAL.test(text)) return text
  return text.replaceAll('\n', '\\n').replaceAll('\r', '\\r').replace(CONTROL, ' ').trimEnd()
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to replace
const CONTROL = /[\u0000-\u001f\u007f]/g
/** A text without any of these stays as it is, in each format. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to find
const SPECIAL = /[\\=|\u0000-\u001f\u007f]|\s$/

function pairsOf(kind: Kind, { time, id }: { time: string; id: string }, format: EventFormat): Pair[] {
  const { fields, severity } = kind
  const pairs: Pair[] = []
  const taken = new Set<string>(OWN_KEYS)
  const consumed = new Set<string>()
  const put = (pair: Pair): boolean => {
    if (pair.text === '' || taken.has(pair.key)) return false
    taken.add(pair.key)
    pairs.push(pair)
    return true
  }
  for (const column of kind.columns) {
    const found = kind.find(column.from)
    const value = pairOf(column, format, found?.text)
    if (value === undefined || !put(value)) continue
    if (value.label !== undefined) put({ key: labelKey(value.key), text: value.label, isFixed: true })
    if (found?.content !== undefined && value.text === found.text) consumed.add(found.content)
  }
  const timeKey = TIME_KEYS[format]
  if (!taken.has(timeKey)) pairs.unshift({ key: timeKey, text: millisecondsOf(time), isFixed: true })
  if (format === 'leef') put({ key: 'sev', text: String(severity[2]), isFixed: true })
  taken.add(timeKey)
  for (const [name, text] of fields.members) {
    if (!consumed.has(name)) put({ key: freeKey(name, format, taken), text })
  }
  return [...pairs, { key: 'slsEventId', text: id, isFixed: true }]
}

/** A column's key and text, `text` being what the log has. `undefined` if the log, or the format, has none for it. */
export function pairOf(
  column: Column,
  format: EventFormat,
  text?: string,
): (Pair & { readonly label?: string | undefined }) | undefined {
  const value = read(column, format, text)
  if (value === undefined) return undefined
  const most = mostOf(value.key, format)
  // An id that is cut is another id.
  if (value.text.length > most && value.key === 'externalId') return undefined
  const isFixed = column.as !== undefined && column.as !== 'text'
  return { key: value.key, label: value.label, text: beginning(value.text, most), isFixed }
}

export function labelKey(key: string): string {
  return `${key}Label`
}

/** Characters that a key holds. */
export function mostOf(key: string, format: EventFormat): number {
  return (format === 'cef' ? LONGEST[key] : undefined) ?? Number.POSITIVE_INFINITY
}

/** At most so many units of a text, no surrogate pair cut. */
function beginning(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '')
}

/** Names that logs have had. */
const bases = { cef: new Map<string, string>(), leef: new Map<string, string>() }
const MOST_NAMES = 4_096

/** The key of a content if it is free: letters and digits, not a key that means something else. */
export function baseKey(name: string, format: EventFormat): string {
  const known = bases[format].get(name)
  if (known !== undefined) return known
  const own = name.replace(/[^A-Za-z0-9]/g, '') || 'slsField'
  const base = STANDARD_KEYS[format].has(own) ? `sls${own[0]?.toUpperCase()}${own.slice(1)}` : own
  if (bases[format].size === MOST_NAMES) bases[format].clear()
  bases[format].set(name, base)
  return base
}

function freeKey(name: string, format: EventFormat, taken: ReadonlySet<string>): string {
  const base = baseKey(name, format)
  for (let n = 1; ; n++) {
    const key = nthKey(base, n)
    if (!taken.has(key)) return key
  }
}

/** The key of the nth content of a log whose names have the same letters and digits. */
export function nthKey(base: string, n: number): string {
  return n === 1 ? base : `${base}${n}`
}

function millisecondsOf(time: string): string {
  const [seconds = '0', decimals = ''] = time.split('.')
  return String(Number(seconds) * 1000 + Number(decimals.slice(0, 3).padEnd(3, '0')))
}
