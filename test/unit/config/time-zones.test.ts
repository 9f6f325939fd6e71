import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { periodOf } from '../../../src/cli/reconcile/period.ts'
import { startPosition } from '../../../src/config/start-position.ts'

/** Two have clocks that are put forward, and one of these is half an hour off. */
const ZONES = ['UTC', 'Asia/Shanghai', 'America/St_Johns']
const NOW = Date.UTC(2026, 10, 1, 8) / 1000
const PAGES = ['configuration.md', 'configuration-file.md', 'reconcile.md', 'operations.md']
const docs = PAGES.map((name) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8')).join('\n')

const unique = (pattern: RegExp): string[] => [...new Set([...docs.matchAll(pattern)].map(([found]) => found))]
/** Each names its zone. */
const times = unique(/\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g)
const agos = unique(/(?<=[\s`])-\d+[smhd]\b/g)

describe.each(ZONES)('on a machine in %s', (zone) => {
  const before = process.env['TZ']
  beforeEach(() => {
    process.env['TZ'] = zone
  })
  afterEach(() => {
    if (before === undefined) delete process.env['TZ']
    else process.env['TZ'] = before
  })

  const start = (text: string) => startPosition.parse(text)
  const from = (text: string) => periodOf(text, String(NOW))(NOW).from

  test('the machine has that time', () => {
    const hour = { UTC: 8, 'Asia/Shanghai': 16, 'America/St_Johns': 4 }[zone]
    expect(new Date(NOW * 1000).getHours()).toBe(hour)
  })

  test('every time in the docs is the same moment', () => {
    expect(times.length).toBeGreaterThan(3)
    for (const text of times) {
      const seconds = Math.floor(Date.parse(text) / 1000)
      expect([text, start(text)]).toEqual([text, { value: { kind: 'time', unixSeconds: seconds } }])
      expect([text, from(text)]).toEqual([text, seconds])
    }
  })

  test('every time back from now in the docs counts from now', () => {
    expect(agos.length).toBeGreaterThan(3)
    const unit: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }
    for (const text of agos) {
      expect([text, NOW - from(text)]).toEqual([text, Number(text.slice(1, -1)) * (unit[text.at(-1) ?? ''] ?? 0)])
    }
    expect(periodOf('-1h', 'now')(NOW).to).toBe(NOW)
  })

  test.each([
    ['a date', '2026-03-08', Date.UTC(2026, 2, 8)],
    ['a time that the clocks there leave out', '2026-03-08T02:30', Date.UTC(2026, 2, 8, 2, 30)],
    ['a time with a blank', '2026-03-08 02:30:15', Date.UTC(2026, 2, 8, 2, 30, 15)],
    ['unix seconds', '1772937000', 1_772_937_000_000],
  ])('%s without a zone is in UTC', (_, text, ms) => {
    expect(start(text)).toEqual({ value: { kind: 'time', unixSeconds: ms / 1000 } })
    expect(from(text)).toBe(ms / 1000)
  })

  test.each([
    ['2026', '2026-01-01T00:00:00Z', '1970-01-01T00:33:46Z'],
    ['202611', '2026-11-01T00:00:00Z', '1970-01-03T08:16:51Z'],
    ['20261101', '2026-11-01T00:00:00Z', '1970-08-23T12:05:01Z'],
    ['2026110108', '2026-11-01T08:00:00Z', '2034-03-16T08:21:48Z'],
  ])('%s is refused, with both spellings', (text, date, second) => {
    const refused = `can be read two ways: write ${date} for the date, or ${second} for the unix seconds`
    expect(start(text)).toEqual({ refused })
    expect(() => from(text)).toThrow(`--from ${text} ${refused}; allowed: `)
  })

  test.each([
    ['202611010830', '2026-11-01T08:30:00Z'],
    ['20261101083015', '2026-11-01T08:30:15Z'],
  ])('%s is refused, with the spelling of the date', (text, date) => {
    expect(start(text)).toEqual({ refused: `is a date without separators: write ${date}` })
  })

  test.each(['20261301', '19991231', '2026000000', '1772937000'])(
    '%s is no date, so these are unix seconds',
    (text) => {
      expect(start(text)).toEqual({ value: { kind: 'time', unixSeconds: Number(text) } })
    },
  )
})
