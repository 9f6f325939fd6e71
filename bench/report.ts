import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** Result of a part of the benchmark: a table for people, ratios for the baseline. */
export interface Report {
  /** Id of the table's place in docs/performance.md. */
  readonly id: string
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: ReadonlyArray<readonly string[]>
  /** Ratios that hold on other machines, by name. */
  readonly ratios?: Readonly<Record<string, number>>
  /** Minimum of each ratio. A missed goal is printed and is no error. */
  readonly goals?: Readonly<Record<string, number>>
}

const DOCS = new URL('../docs/performance.md', import.meta.url)
const BASELINE = new URL('baseline.json', import.meta.url)

export function print({ title, columns, rows, ratios = {}, goals = {} }: Report): void {
  console.log(`\n## ${title}\n`)
  console.log(markdown(columns, rows))
  const baseline = JSON.parse(readFileSync(BASELINE, 'utf8')) as Record<string, number>
  for (const [name, ratio] of Object.entries(ratios)) {
    const goal = goals[name]
    const verdict = goal === undefined ? '' : `, at least ${goal}: ${ratio >= goal ? 'met' : 'NOT MET'}`
    const before = baseline[name] === undefined ? '' : `, baseline ${shown(baseline[name])}`
    console.log(`  ${name}: ${shown(ratio)}${verdict}${before}`)
  }
}

/** Replaces the stored tables and ratios. */
export function keep(reports: readonly Report[]): void {
  let text = readFileSync(DOCS, 'utf8')
  for (const { id, columns, rows } of reports) {
    const [begin, end] = [`<!-- bench:${id} -->\n`, '<!-- /bench -->']
    const from = text.indexOf(begin)
    if (from === -1) throw new Error(`docs/performance.md has no place for ${id}`)
    const to = text.indexOf(end, from)
    text = `${text.slice(0, from + begin.length)}\n${machine()}\n\n${markdown(columns, rows)}\n\n${text.slice(to)}`
  }
  writeFileSync(DOCS, text)
  const baseline = JSON.parse(readFileSync(BASELINE, 'utf8')) as Record<string, number>
  for (const { ratios = {} } of reports) {
    for (const [name, ratio] of Object.entries(ratios)) baseline[name] = Number(ratio.toPrecision(3))
  }
  writeFileSync(BASELINE, `${JSON.stringify(baseline, null, 2)}\n`)
}

export function machine(): string {
  const [core] = cpus()
  const [gb, date] = [Math.round(totalmem() / 2 ** 30), new Date().toISOString().slice(0, 10)]
  return `${date}, ${cpus().length} × ${core?.model.trim()} (${core?.speed} MHz), ${gb} GB, Linux ${release().split('-')[0]}, Node ${process.version}`
}

function markdown(columns: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const ruler = columns.map((_, index) => (index === 0 ? '---' : '---:'))
  return [line(columns), line(ruler), ...rows.map(line)].join('\n')
}

/** Three significant digits. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN
}
