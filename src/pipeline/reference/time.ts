import type { PatternPart, TimeFormat } from '../../routing/time-format.ts'
import { zoneNamed } from './zone.ts'

/** Unix time. */
export interface Time {
  readonly seconds: number
  readonly nanos: number
}

/** How to understand what a text leaves open. */
export interface Surroundings {
  /** Name of the zone of a time that tells none. */
  readonly zone: string
  /** When Log Service says that the log was written: a year or date that is not told is the nearest one to it, in seconds. */
  readonly written: number
}

/** The time that the text tells in one of the formats; `undefined` if it is none of them, or before 1970. */
export function timeIn(text: string, formats: readonly TimeFormat[], surroundings: Surroundings): Time | undefined {
  for (const format of formats) {
    const time = format.name === 'epoch' ? epoch(text) : instantOf(clockOf(text, format), surroundings)
    if (time !== undefined && time.seconds >= 0) return time
  }
  return undefined
}

/** What a text tells of a time. */
interface Clock {
  readonly year?: number
  /** From 1. Absent together with the day. */
  readonly month?: number
  readonly day?: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly nanos: number
  /** Seconds, or the name of a zone. */
  readonly zone?: number | string
}

const LONGEST = 200
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const WEEKDAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const CLOCK = String.raw`(?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)`
const FRACTION = String.raw`(?<fraction>\d+)`
const OFFSET = String.raw`(?<offset>[Zz]|[+-]\d\d(?::?\d\d)?)`
const MONTH = '(?<monthName>[A-Za-z]{3})'
/** `05`, ` 5` or `5`. */
const DAY = String.raw`(?<day>\d\d| ?\d)`

const SHAPES = {
  iso8601: new RegExp(
    String.raw`^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)[Tt ]${CLOCK}(?:[.,]${FRACTION})? ?${OFFSET}?$`,
  ),
  apache: new RegExp(String.raw`^(?<day>\d\d)/${MONTH}/(?<year>\d{4}):${CLOCK} ${OFFSET}$`),
  apache_error: new RegExp(String.raw`^${WEEKDAY} ${MONTH} ${DAY} ${CLOCK}(?:\.${FRACTION})? (?<year>\d{4})$`),
  syslog: new RegExp(String.raw`^${MONTH} ${DAY} ${CLOCK}(?:\.${FRACTION})?$`),
  klog: new RegExp(String.raw`^(?<month>\d\d)(?<day>\d\d) ${CLOCK}\.${FRACTION}$`),
} as const

function clockOf(text: string, format: Exclude<TimeFormat, { name: 'epoch' }>): Clock | undefined {
  if (text.length > LONGEST) return undefined
  const shape = format.name === 'pattern' ? shapeOf(format.parts) : SHAPES[format.name as keyof typeof SHAPES]
  const found = shape.exec(text)?.groups
  return found && read(found)
}

function read(found: Readonly<Record<string, string | undefined>>): Clock | undefined {
  const { year, month, monthName, day, hour, halfHour, halfDay, minute, second, fraction, offset, zone } = found
  const clock: Clock = {
    ...(year !== undefined && { year: Number(year) }),
    ...(month !== undefined && { month: Number(month) }),
    ...(monthName !== undefined && { month: MONTHS.indexOf(monthName.toLowerCase()) + 1 }),
    ...(day !== undefined && { day: Number(day) }),
    hour: halfHour === undefined ? Number(hour) : hourOf(Number(halfHour), halfDay),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0),
    nanos: nanosOf(fraction ?? ''),
    ...(offset !== undefined && { zone: secondsOf(offset) }),
    ...(zone !== undefined && { zone }),
  }
  return isPossible(clock) ? clock : undefined
}

/** Of 12 hours, 12 AM is midnight. */
function hourOf(halfHour: number, halfDay: string | undefined): number {
  if (halfHour < 1 || halfHour > 12) return Number.NaN
  return (halfHour % 12) + (halfDay?.toLowerCase() === 'pm' ? 12 : 0)
}

/** Digits behind the ninth are cut off. */
function nanosOf(fraction: string): number {
  return Number(fraction.slice(0, 9).padEnd(9, '0'))
}

function secondsOf(offset: string): number {
  if (/^[Zz]$/.test(offset)) return 0
  const digits = offset.slice(1).replace(':', '')
  const [hours, minutes] = [Number(digits.slice(0, 2)), Number(digits.slice(2) || 0)]
  if (hours > 23 || minutes > 59) return Number.NaN
  return (offset.startsWith('-') ? -60 : 60) * (60 * hours + minutes)
}

function isPossible({ month, day, hour, minute, second, zone }: Clock): boolean {
  // A leap second is 60.
  if (!(hour <= 23 && minute <= 59 && second <= 60) || Number.isNaN(zone)) return false
  return month === undefined || (month >= 1 && month <= 12 && day !== undefined && day >= 1)
}

function instantOf(clock: Clock | undefined, { zone: usualZone, written }: Surroundings): Time | undefined {
  if (clock === undefined) return undefined
  const zone = typeof clock.zone === 'number' ? clock.zone : zoneNamed(clock.zone ?? usualZone)
  if (zone === undefined) return undefined
  let nearest: number | undefined
  for (const day of daysOf(clock, written)) {
    const local = day * 86_400 + clock.hour * 3600 + clock.minute * 60 + clock.second
    const instant = typeof zone === 'number' ? local - zone : zone.instantOf(local)
    // The earlier of two that are equally near, since the days come in order.
    if (nearest === undefined || Math.abs(instant - written) < Math.abs(nearest - written)) nearest = instant
  }
  return nearest === undefined ? undefined : { seconds: nearest, nanos: clock.nanos }
}

/** Days since 1970 that the clock may mean, in order. */
function daysOf({ year, month, day }: Clock, written: number): number[] {
  const writtenDay = Math.floor(written / 86_400)
  if (month === undefined || day === undefined) return [writtenDay - 1, writtenDay, writtenDay + 1]
  const writtenYear = new Date(written * 1000).getUTCFullYear()
  const years = year === undefined ? [writtenYear - 1, writtenYear, writtenYear + 1] : [year]
  return years.filter((each) => hasDay(each, month, day)).map((each) => Date.UTC(each, month - 1, day) / 86_400_000)
}

function hasDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day))
  return date.getUTCFullYear() === year && date.getUTCMonth() === month - 1
}

/** Seconds, milliseconds, microseconds or nanoseconds, by the number of digits: the years 2001 to 2286. */
const EPOCH_DIGITS = [10, 13, 16, 19]

function epoch(text: string): Time | undefined {
  const [, whole, fraction = ''] = /^(\d{10,19})(?:\.(\d{1,100}))?$/.exec(text) ?? []
  if (whole === undefined || !EPOCH_DIGITS.includes(whole.length)) return undefined
  return { seconds: Number(whole.slice(0, 10)), nanos: nanosOf(whole.slice(10) + fraction) }
}

const shapes = new WeakMap<readonly PatternPart[], RegExp>()

/** The pattern as a regular expression: fields of fixed or bounded length, so that it is linear. */
function shapeOf(parts: readonly PatternPart[]): RegExp {
  let shape = shapes.get(parts)
  if (shape === undefined) {
    shape = new RegExp(`^${parts.map(sourceOf).join('')}$`)
    shapes.set(parts, shape)
  }
  return shape
}

function sourceOf(part: PatternPart): string {
  if ('literal' in part) return part.literal.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
  const [least, most] = part.digits
  const digits = String.raw`\d{${least},${most}}`
  switch (part.field) {
    case 'year':
      return String.raw`(?<year>\d{4})`
    case 'month':
      return `(?<month>${digits})`
    case 'month name':
      return MONTH
    case 'day':
      return `(?<day>${digits})`
    case 'weekday name':
      return WEEKDAY
    case 'hour':
      return `(?<hour>${digits})`
    case 'hour of half day':
      return `(?<halfHour>${digits})`
    case 'half day':
      return '(?<halfDay>[AaPp][Mm])'
    case 'minute':
      return `(?<minute>${digits})`
    case 'second':
      return `(?<second>${digits})`
    case 'fraction':
      return `(?<fraction>${digits})`
    case 'offset':
      return OFFSET
    case 'zone':
      return String.raw`(?<zone>[A-Za-z0-9_+\-/]{1,50})`
  }
}
