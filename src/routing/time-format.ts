/** How a time is written. A format matches a whole value. */
export type TimeFormat =
  | { readonly name: (typeof NAMED_FORMATS)[number] }
  /** Written as a pattern of letters. */
  | { readonly name: 'pattern'; readonly text: string; readonly parts: readonly PatternPart[] }

/** Formats that have a name; the others are patterns. */
export const NAMED_FORMATS = ['iso8601', 'apache', 'apache_error', 'syslog', 'klog', 'epoch'] as const

/** A part of a pattern: a text that stands there, or a field of the time. */
export type PatternPart =
  | { readonly literal: string }
  | { readonly field: (typeof FIELDS)[keyof typeof FIELDS]; readonly digits: Digits }

/** Digits of a number, at least and at most. */
type Digits = readonly [least: number, most: number]

export interface FormatProblem {
  readonly problem: string
  /** Place in the text, from 0. */
  readonly offset: number
}

/** The letters of Joda-Time (and Logstash) that we know. */
const FIELDS = {
  yyyy: 'year',
  M: 'month',
  MM: 'month',
  MMM: 'month name',
  d: 'day',
  dd: 'day',
  EEE: 'weekday name',
  H: 'hour',
  HH: 'hour',
  h: 'hour of half day',
  hh: 'hour of half day',
  a: 'half day',
  m: 'minute',
  mm: 'minute',
  s: 'second',
  ss: 'second',
  S: 'fraction',
  Z: 'offset',
  ZZ: 'offset',
  ZZZ: 'zone',
} as const

const LETTERS = 'yyyy, M, MM, MMM, d, dd, EEE, H, HH, h, hh, a, m, mm, s, ss, S to SSSSSSSSS, Z, ZZ, ZZZ'
const NANO_DIGITS = 9

/** A name of `NAMED_FORMATS`, or a pattern such as `yyyy-MM-dd'T'HH:mm:ss.SSSZ`. Text between quotes stands for itself. */
export function parseTimeFormat(text: string): TimeFormat | FormatProblem {
  const name = NAMED_FORMATS.find((known) => known === text)
  if (name !== undefined) return { name }
  const parts: PatternPart[] = []
  let at = 0
  for (const token of text.match(/'(?:[^']|'')*'?|([A-Za-z])\1*|[^A-Za-z']+/g) ?? []) {
    const part = partOf(token)
    if (typeof part === 'string') return { problem: part, offset: at }
    parts.push(part)
    at += token.length
  }
  const problem = lacking(parts)
  return problem === undefined ? { name: 'pattern', text, parts } : { problem, offset: 0 }
}

function partOf(token: string): PatternPart | string {
  if (token.startsWith("'")) {
    if (token === "''") return { literal: "'" }
    if (token.length === 1 || !token.endsWith("'")) return 'quote is not closed'
    return { literal: token.slice(1, -1).replaceAll("''", "'") }
  }
  if (!/^[A-Za-z]/.test(token)) return { literal: token }
  if (/^S+$/.test(token) && token.length <= NANO_DIGITS) return numberOf('fraction', token.length, token.length)
  if (!Object.hasOwn(FIELDS, token))
    return `unknown letters '${token}'; known are ${LETTERS}, and the names ${NAMED_FORMATS.join(', ')}`
  const field = FIELDS[token as keyof typeof FIELDS]
  return numberOf(field, token.length, Math.max(token.length, 2))
}

function numberOf(field: (typeof FIELDS)[keyof typeof FIELDS], least: number, most: number): PatternPart {
  return { field, digits: [least, most] }
}

/** A pattern without a date takes the day that is nearest to the log; without a year, the year that is. */
function lacking(parts: readonly PatternPart[]): string | undefined {
  const fields = parts.flatMap((part) => ('field' in part ? [part.field] : []))
  const has = (...names: string[]): boolean => fields.some((field) => names.includes(field))
  const twice = fields.find((field, index) => fields.indexOf(field) !== index)
  if (twice !== undefined) return `the ${twice} stands twice`
  if (has('month') && has('month name')) return 'the month stands twice'
  const [month, day] = [has('month', 'month name'), has('day')]
  if (month !== day || (has('year') && !month)) return 'a date needs month and day'
  if (!has('hour', 'hour of half day')) return 'a time needs the hour'
  if (has('hour of half day') !== has('half day')) return 'h and hh need a (AM or PM), and a needs h or hh'
  return undefined
}

/**
 * Whether this is a zone: `UTC`, an offset such as `+08:00`, or a name of the tz database. Other names of three letters are
 * none, since they mean several: `CST` is a zone of America, of China and of Cuba.
 */
export function isZone(name: string): boolean {
  if (/^[a-z]{3}$/i.test(name) && !/^(utc|gmt)$/i.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
