import { describe, expect, test } from 'vitest'
import { timeIn } from '../../../src/pipeline/reference/time.ts'
import type { TimeFormat } from '../../../src/routing/time-format.ts'
import { isZone, NAMED_FORMATS, parseTimeFormat } from '../../../src/routing/time-format.ts'
import { cpuMillisOf } from '../../support/cpu-time.ts'

const JULY = '2026-07-15T12:00:00Z'

function format(text: string): TimeFormat {
  const parsed = parseTimeFormat(text)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed
}

/** `2026-07-15T10:00:00.000000042`, or nothing. */
function timeOf(text: string, formats: string | string[], { zone = 'UTC', written = JULY } = {}): string | undefined {
  const all = [formats].flat().map(format)
  const time = timeIn(text, all, { zone, written: Date.parse(written) / 1000 })
  if (time === undefined) return undefined
  return `${new Date(time.seconds * 1000).toISOString().slice(0, 19)}.${String(time.nanos).padStart(9, '0')}`
}

describe('iso8601', () => {
  test.each([
    ['2026-07-15T10:00:00Z', '2026-07-15T10:00:00.000000000'],
    ['2026-07-15t10:00:00z', '2026-07-15T10:00:00.000000000'],
    ['2026-07-15 10:00:00', '2026-07-15T10:00:00.000000000'],
    ['2026-07-15T10:00:00.1Z', '2026-07-15T10:00:00.100000000'],
    ['2026-07-15T10:00:00,123', '2026-07-15T10:00:00.123000000'],
    ['2026-07-15T10:00:00.123456789Z', '2026-07-15T10:00:00.123456789'],
    ['2026-07-15T10:00:00.1234567899Z', '2026-07-15T10:00:00.123456789'],
    ['2026-07-15T10:00:00+08:00', '2026-07-15T02:00:00.000000000'],
    ['2026-07-15T10:00:00-0930', '2026-07-15T19:30:00.000000000'],
    ['2026-07-15 10:00:00 +08', '2026-07-15T02:00:00.000000000'],
    ['2024-02-29T23:59:60Z', '2024-03-01T00:00:00.000000000'],
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000000000'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000000000'],
  ])('%s', (text, expected) => expect(timeOf(text, 'iso8601')).toBe(expected))

  test.each([
    ...['', '2026-07-15', '2026-07-15T10:00', '2026-7-15T10:00:00Z', '2026-02-29T10:00:00Z', '2026-13-01T10:00:00Z'],
    ...['2026-00-01T10:00:00Z', '2026-07-00T10:00:00Z', '2026-07-32T10:00:00Z', '2026-07-15T24:00:00Z'],
    ...['2026-07-15T10:60:00Z', '2026-07-15T10:00:61Z', '2026-07-15T10:00:00.Z', '2026-07-15T10:00:00+24:00'],
    ...['2026-07-15T10:00:00+08:60', ' 2026-07-15T10:00:00Z', '2026-07-15T10:00:00Z ', '2026-07-15T10:00:00Z\n'],
    ...['1969-12-31T23:59:59Z', '0026-07-15T10:00:00Z', '2026-07-15T10:00:00 PST', '١٩٧٠-01-01T00:00:00Z'],
  ])('refuses %j', (text) => expect(timeOf(text, 'iso8601')).toBe(undefined))

  test('without an offset the zone counts, with one it does not', () => {
    expect(timeOf('2026-07-15 10:00:00', 'iso8601', { zone: 'Asia/Shanghai' })).toBe('2026-07-15T02:00:00.000000000')
    expect(timeOf('2026-07-15 10:00:00Z', 'iso8601', { zone: 'Asia/Shanghai' })).toBe('2026-07-15T10:00:00.000000000')
  })
})

test.each([
  ['apache', '10/Oct/2000:13:55:36 -0700', '2000-10-10T20:55:36.000000000'],
  ['apache', '10/oct/2000:13:55:36 +0000', '2000-10-10T13:55:36.000000000'],
  ['apache', '10/Oct/2000:13:55:36', undefined],
  ['apache', '[10/Oct/2000:13:55:36 -0700]', undefined],
  ['apache', '10/Okt/2000:13:55:36 -0700', undefined],
  ['apache_error', 'Wed Oct 11 14:32:52 2000', '2000-10-11T14:32:52.000000000'],
  ['apache_error', 'Fri Sep  9 10:42:29.902022 2011', '2011-09-09T10:42:29.902022000'],
  ['apache_error', 'Fri Sep 09 10:42:29.902022 2011', '2011-09-09T10:42:29.902022000'],
  ['apache_error', 'Oct 11 14:32:52 2000', undefined],
  ['syslog', 'Jul 15 09:30:00', '2026-07-15T09:30:00.000000000'],
  ['syslog', 'Jul  5 09:30:00', '2026-07-05T09:30:00.000000000'],
  ['syslog', 'Jul 5 09:30:00', '2026-07-05T09:30:00.000000000'],
  ['syslog', 'Jul 05 09:30:00.25', '2026-07-05T09:30:00.250000000'],
  ['syslog', 'Jul 32 09:30:00', undefined],
  ['syslog', 'Jul   5 09:30:00', undefined],
  ['klog', '0715 15:04:05.000007', '2026-07-15T15:04:05.000007000'],
  ['klog', '0715 15:04:05', undefined],
  ['klog', 'I0715 15:04:05.000007', undefined],
  ['epoch', '1790000000', '2026-09-21T14:13:20.000000000'],
  ['epoch', '1790000000.123456789', '2026-09-21T14:13:20.123456789'],
  ['epoch', '1790000000123', '2026-09-21T14:13:20.123000000'],
  ['epoch', '1790000000123.5', '2026-09-21T14:13:20.123500000'],
  ['epoch', '1790000000123456', '2026-09-21T14:13:20.123456000'],
  ['epoch', '1790000000123456789', '2026-09-21T14:13:20.123456789'],
  ['epoch', '1790000000123456789.9', '2026-09-21T14:13:20.123456789'],
  ['epoch', '179000000', undefined],
  ['epoch', '17900000001', undefined],
  ['epoch', '-1790000000', undefined],
  ['epoch', '1.79e9', undefined],
  ['epoch', '1790000000.', undefined],
])('%s of %s is %s', (name, text, expected) => expect(timeOf(text, name)).toBe(expected))

describe('a year that is not told', () => {
  test.each([
    ['Dec 31 23:59:58', '2027-01-01T00:00:05Z', '2026-12-31T23:59:58.000000000'],
    ['Jan  1 00:00:03', '2026-12-31T23:59:58Z', '2027-01-01T00:00:03.000000000'],
    ['Feb 29 12:00:00', '2026-07-01T00:00:00Z', undefined],
    ['Jul 15 12:00:00', '2026-12-31T00:00:00Z', '2026-07-15T12:00:00.000000000'],
    ['Feb 29 12:00:00', '2027-07-01T00:00:00Z', '2028-02-29T12:00:00.000000000'],
    // Half a year of a year with 366 days: the past of two that are equally near.
    ['Jan  1 00:00:00', '2024-07-02T00:00:00Z', '2024-01-01T00:00:00.000000000'],
  ])('%s in a log of %s is %s', (text, written, expected) => expect(timeOf(text, 'syslog', { written })).toBe(expected))

  test('is chosen in the zone of the time', () => {
    const near = { zone: 'Asia/Shanghai', written: '2026-12-31T16:00:05Z' }
    expect(timeOf('Dec 31 23:59:58', 'syslog', near)).toBe('2026-12-31T15:59:58.000000000')
    expect(timeOf('Jan  1 00:00:03', 'syslog', near)).toBe('2026-12-31T16:00:03.000000000')
    expect(timeOf('1231 23:59:58.5', 'klog', near)).toBe('2026-12-31T15:59:58.500000000')
  })
})

describe('a pattern', () => {
  test.each([
    ['yyyy-MM-dd HH:mm:ss.SSS', '2026-07-15 10:00:00.042', '2026-07-15T10:00:00.042000000'],
    ["yyyy-MM-dd'T'HH:mm:ssZ", '2026-07-15T10:00:00+0800', '2026-07-15T02:00:00.000000000'],
    ['yyyy-MM-dd HH:mm:ss ZZ', '2026-07-15 10:00:00 +08:00', '2026-07-15T02:00:00.000000000'],
    ['yyyy-MM-dd HH:mm:ss ZZZ', '2026-07-15 10:00:00 America/New_York', '2026-07-15T14:00:00.000000000'],
    ['yyyy-MM-dd HH:mm:ss ZZZ', '2026-07-15 10:00:00 Nowhere/City', undefined],
    ['dd/MMM/yyyy:HH:mm:ss Z', '10/Oct/2000:13:55:36 -0700', '2000-10-10T20:55:36.000000000'],
    ['EEE MMM d HH:mm:ss yyyy', 'Wed Oct 1 14:32:52 2000', '2000-10-01T14:32:52.000000000'],
    ['M/d/yyyy h:mm:ss a', '7/5/2026 12:00:01 AM', '2026-07-05T00:00:01.000000000'],
    ['M/d/yyyy h:mm:ss a', '7/15/2026 12:00:01 PM', '2026-07-15T12:00:01.000000000'],
    ['M/d/yyyy h:mm a', '7/15/2026 1:30 pm', '2026-07-15T13:30:00.000000000'],
    ['M/d/yyyy h:mm a', '7/15/2026 13:30 pm', undefined],
    ['yyyyMMddHHmmss', '20260715100000', '2026-07-15T10:00:00.000000000'],
    ['MM-dd HH:mm:ss', '07-15 10:00:00', '2026-07-15T10:00:00.000000000'],
    ["HH 'o''clock (.*)'", "10 o'clock (.*)", '2026-07-15T10:00:00.000000000'],
    ['yyyy-MM-dd HH:mm:ss', '2026-07-15 10:00:00.1', undefined],
    ['HH:mm:ss.SSSSSSSSS', '10:00:00.000000042', '2026-07-15T10:00:00.000000042'],
  ])('%s of %s is %s', (pattern, text, expected) => expect(timeOf(text, pattern)).toBe(expected))

  test('without a date takes the nearest day', () => {
    expect(timeOf('23:59:58', 'HH:mm:ss', { written: '2026-07-15T00:00:05Z' })).toBe('2026-07-14T23:59:58.000000000')
    expect(timeOf('00:00:01', 'HH:mm:ss', { written: '2026-07-15T23:59:58Z' })).toBe('2026-07-16T00:00:01.000000000')
  })

  test.each([
    ['yy-MM-dd HH', 0, "unknown letters 'yy'"],
    ['yyyy-MM-dd HH:mm:ss X', 20, "unknown letters 'X'"],
    ['iso', 0, "unknown letters 'i'"],
    ["HH 'h", 3, 'quote is not closed'],
    ['yyyy-MM HH', 0, 'a date needs month and day'],
    ['yyyy HH', 0, 'a date needs month and day'],
    ['yyyy-MM-dd', 0, 'a time needs the hour'],
    ['hh:mm', 0, 'need a (AM or PM)'],
    ['HH:mm a', 0, 'need a (AM or PM)'],
    ['HH:mm:HH', 0, 'the hour stands twice'],
    ['MM MMM dd HH', 0, 'the month stands twice'],
    ['', 0, 'a time needs the hour'],
  ])('%j is refused at %i: %s', (pattern, offset, problem) =>
    expect(parseTimeFormat(pattern)).toEqual({ offset, problem: expect.stringContaining(problem) }),
  )
})

describe('zones', () => {
  const berlin = { zone: 'Europe/Berlin' }
  test.each([
    ['2026-01-15 12:00:00', '2026-01-15T11:00:00.000000000'],
    ['2026-07-15 12:00:00', '2026-07-15T10:00:00.000000000'],
    // Clocks jump from 02:00 to 03:00: the offset before counts.
    ['2026-03-29 01:59:59', '2026-03-29T00:59:59.000000000'],
    ['2026-03-29 02:30:00', '2026-03-29T01:30:00.000000000'],
    ['2026-03-29 03:00:00', '2026-03-29T01:00:00.000000000'],
    // Clocks go back from 03:00 to 02:00: the earlier one counts.
    ['2026-10-25 01:59:59', '2026-10-24T23:59:59.000000000'],
    ['2026-10-25 02:30:00', '2026-10-25T00:30:00.000000000'],
    ['2026-10-25 03:00:00', '2026-10-25T02:00:00.000000000'],
  ])('%s in Berlin is %s', (text, expected) => expect(timeOf(text, 'iso8601', berlin)).toBe(expected))

  test.each([
    ['Asia/Kathmandu', '2026-07-15 12:00:00', '2026-07-15T06:15:00.000000000'],
    ['Pacific/Apia', '2011-12-29 12:00:00', '2011-12-29T22:00:00.000000000'],
    // The island left out this day.
    ['Pacific/Apia', '2011-12-30 12:00:00', '2011-12-30T22:00:00.000000000'],
    ['Pacific/Apia', '2011-12-31 12:00:00', '2011-12-30T22:00:00.000000000'],
    ['Australia/Lord_Howe', '2026-04-05 01:45:00', '2026-04-04T14:45:00.000000000'],
    ['America/St_Johns', '2026-07-15 12:00:00', '2026-07-15T14:30:00.000000000'],
    ['UTC', '2026-07-15 12:00:00', '2026-07-15T12:00:00.000000000'],
  ])('%s: %s is %s', (zone, text, expected) => expect(timeOf(text, 'iso8601', { zone })).toBe(expected))
})

test('zones have names of the tz database', () => {
  expect(['UTC', 'Asia/Shanghai', '+08:00'].map(isZone)).toEqual([true, true, true])
  expect(['', 'Asia/Shanghia', 'CST', 'local'].map(isZone)).toEqual([false, false, false, false])
})

test('formats are tried in order', () => {
  expect(timeOf('Jul 15 12:00:00', ['iso8601', 'syslog'])).toBe('2026-07-15T12:00:00.000000000')
  expect(timeOf('nonsense', ['iso8601', 'syslog', 'epoch', 'HH:mm'])).toBe(undefined)
})

test.each([...NAMED_FORMATS, 'yyyy-MM-dd HH:mm:ss.SSSSSSSSS ZZZ'])('a hostile megabyte costs %s nothing', (name) => {
  for (const unit of ['1', ' ', 'Jul ', '2026-07-15T10:00:00.', '1790000000.']) {
    const text = unit.repeat(1_000_000 / unit.length)
    let time: string | undefined
    expect(cpuMillisOf(() => (time = timeOf(text, name)))).toBeLessThan(100)
    expect(time).toBe(undefined)
  }
})
