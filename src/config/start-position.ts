import type { StartPosition } from '../core/start-position.ts'
import type { Parsed, Parser } from './parsers.ts'

/** The year 5138 in seconds, or March 1973 in milliseconds. A larger number was meant as milliseconds. */
const LARGEST_SECONDS = 99_999_999_999

const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/

/** `begin`, `end`, a time in ISO 8601 (UTC unless it has a time zone; fractions of a second are cut off), or unix seconds. */
export const startPosition: Parser<StartPosition> = {
  allowed: 'begin, end, ISO 8601 time (UTC unless it has a time zone), or unix seconds',
  parse(text) {
    const word = text.toLowerCase()
    if (word === 'begin' || word === 'end') return { value: { kind: word } }
    if (/^\d+$/.test(text)) return unixSeconds(Number(text))
    return isoTime(text)
  },
}

function unixSeconds(value: number): Parsed<StartPosition> {
  if (value > LARGEST_SECONDS) return { refused: 'is too large for unix seconds (milliseconds?)' }
  return { value: { kind: 'time', unixSeconds: value } }
}

function isoTime(text: string): Parsed<StartPosition> {
  const match = ISO_8601.exec(text)
  if (match === null) return { refused: 'is neither begin, end, an ISO 8601 time nor unix seconds' }
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
  return value < 0 ? { refused: 'is before 1970' } : { value: { kind: 'time', unixSeconds: value } }
}

function offsetSeconds(zone: string | undefined): number | undefined {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || 0)
  if (hours > 14 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60)
}
