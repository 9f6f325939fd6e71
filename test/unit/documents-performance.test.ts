import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8')
const baseline = JSON.parse(readFileSync(new URL('../../bench/baseline.json', import.meta.url), 'utf8'))

test('every table of docs/performance.md was measured: it says when and on what, and has figures', () => {
  const places = [...page.matchAll(/<!-- bench:([a-z-]+) -->\n(.*?)<!-- \/bench -->/gs)]
  expect(places.length).toBeGreaterThan(8)
  for (const [, id, table = ''] of places) {
    expect(table, id).toMatch(/^\d{4}-\d\d-\d\d, \d+ × .*Node v\d+/m)
    expect(table.match(/^\|.*\d.*\|$/gm)?.length ?? 0, id).toBeGreaterThan(1)
  }
})

test('what it says is met or not are the ratios that were kept', () => {
  const rows = {
    'bridge ÷ sample on PyPy, as shipped': 'bridge ÷ sample on PyPy, as shipped',
    'HTTPS both ways ÷ HTTP': 'HTTPS both ways ÷ HTTP',
    'with gzip ÷ gzip alone': 'bridge with gzip ÷ gzip alone',
  }
  for (const [row, ratio] of Object.entries(rows)) {
    const cells =
      page
        .split('\n')
        .find((line) => line.startsWith(`| ${row} |`))
        ?.split('|')
        .map(Number) ?? []
    for (const [column, kind] of ['audit', 'kubernetes', 'access'].entries()) {
      expect(cells[column + 2], `${kind}: ${row}`).toBeCloseTo(baseline[`${kind}: ${ratio}`], 1)
    }
  }
})
