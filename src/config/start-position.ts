import type { StartPosition } from '../core/start-position.ts'
import type { Parsed, Parser } from './parsers.ts'

/** The year 5138 in seconds, or March 1973 in milliseconds. A larger number was meant as milliseconds. */
const LARGEST_SECONDS = 99_999_999_999

const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/

/** A moment as unix seconds: ISO 8601 (UTC unless it has a time zone; fractions are cut off), or unix seconds. */
export function unixSecondsOf(text: string): Parsed<number> {
  if (!/^\d+$/.test(text)) return isoTime(text)
  const date = dateInDigits(text)
  const seconds = Number(text)
  if (date !== undefined && seconds > LARGEST_SECONDS) return { refused: `is a date without separators: write ${date}` }
  if (seconds > LARGEST_SECONDS) return { refused: 'is too large for unix seconds (milliseconds?)' }
  if (date === undefined) return { value: seconds }
  return { refused: `can be read two ways: write ${date} for the date, or ${spelled(seconds)} for the unix seconds` }
}

/** `begin`, `end`, or a moment. */
export const startPosition: Parser<StartPosition> = {
  allowed: 'begin, end, ISO 8601 time (UTC unless it has a time zone), or unix seconds',
  parse(text) {
    const word = text.toLowerCase()
    if (word === 'begin' || word === 'end') return { value: { kind: word } }
    const parsed = unixSecondsOf(text)
    return 'refused' in parsed ? parsed : { value: { kind: 'time', unixSeconds: parsed.value } }
  },
}

/** Year of this century, then month, day, hour, minute and second, or the first of them. */
const DIGITS = /^(20\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\d\d)?)?)?)?)?$/

/** `20261101` as a date, spelled in a way that has one meaning; `undefined` if it is none. */
function dateInDigits(text: string): string | undefined {
  const parts = DIGITS.exec(text)?.slice(1)
  if (parts === undefined) return undefined
  const [year, month = '01', day = '01', hour = '00', minute = '00', second = '00'] = parts
  const parsed = isoTime(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return 'value' in parsed ? spelled(parsed.value) : undefined
}

function spelled(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().replace('.000Z', 'Z')
}

function isoTime(text: string): Parsed<number> {
  const match = ISO_8601.exec(text)
  if (match === null) return { refused: 'is not a time' }
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0))
  const local = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second))
  // Date.UTC makes 2 March of 30 February. A date that exists comes back unchanged.
  const back = [local.getUTCMonth() + 1, local.getUTCDate(), local.getUTCHours(), local.getUTCMinutes()]
  if (back.join() !== [month, day, hour, minute].join() || local.getUTCSeconds() !== second) {
    return { refused: 'is not a date and time that exists' }
  }
  const offset = offsetSeconds(match[7])
  if (offset === undefined) return { refused: 'has a time zone that does not exist' }
  const value = local.getTime() / 1000 - offset
  return value < 0 ? { refused: 'is before 1970' } : { value }
}

function offsetSeconds(zone: string | undefined): number | undefined {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || 0)
  if (hours > 14 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60)
}
