import type { SlsEmulator } from '../../emulator/sls/server.ts'
import type { Act } from './act.ts'
import type { SinkLedger } from './ledger.ts'

const NARROWEST_CELL = 6
const MOST_BEHIND = 999
const HEADER_EVERY = 10
const LEGEND = `        under a shard: the number of the replica that reads it, and + the log
        groups that it is behind (✓: none; –: no replica). lag: the age of the
        oldest log that is not committed. Under a sink: the events that it has.
`

/** An act on a terminal of 80 columns or in a log: one line per second, one for each incident, and the ledger. */
export class DemoView {
  readonly #out: NodeJS.WritableStream
  readonly #act: Act
  readonly #sls: SlsEmulator
  readonly #ledgers: ReadonlyMap<string, SinkLedger>
  readonly #started = performance.now()
  #lastDelivered = 0
  #lastAt = performance.now()
  #lines = 0

  constructor(
    out: NodeJS.WritableStream,
    { act, sls, ledgers }: { act: Act; sls: SlsEmulator; ledgers: ReadonlyMap<string, SinkLedger> },
  ) {
    this.#out = out
    this.#act = act
    this.#sls = sls
    this.#ledgers = ledgers
  }

  title(): void {
    this.#out.write(`\n${this.#act.title}\n\n`)
  }

  say(text: string): void {
    this.#out.write(`${this.#time()}  ${text}\n`)
  }

  progress(lagSeconds: number): void {
    const logstores = this.#sls.state().logstores
    const named = logstores.length > 1
    const cells = logstores.flatMap(({ logstore, consumerGroups, shards }) => {
      const held = new Map(consumerGroups[0]?.shards.map((each) => [each.shard, each]))
      return shards.map(({ shard }) => {
        const { holder, behind } = held.get(shard) ?? { holder: null, behind: null }
        const header = named ? `${logstore}/${shard}` : `#${shard}`
        const replica = holder === null ? '–' : holder.replace('replica-', '')
        const text = `${replica}${behind ? `+${Math.min(behind, MOST_BEHIND)}` : '✓'}`
        const width = Math.max(NARROWEST_CELL, header.length + 2)
        return { header: header.padEnd(width), text: text.padEnd(width) }
      })
    })
    const counts = [...this.#ledgers].map(([name, { deliveredCount }]) => ({ name, count: deliveredCount }))
    if (this.#lines === 0) this.#out.write(LEGEND)
    if (this.#lines++ % HEADER_EVERY === 0) {
      const sinks = counts.map(({ name }) => name.padStart(8)).join('')
      this.#row(
        ' '.repeat(6),
        `${cells.map(({ header }) => header).join('')}${'lag'.padStart(7)}${'events/s'.padStart(9)}${sinks}`,
      )
    }
    const now = performance.now()
    const delivered = counts.reduce((sum, { count }) => sum + count, 0)
    const rate = Math.round(((delivered - this.#lastDelivered) / (now - this.#lastAt)) * 1000)
    this.#lastDelivered = delivered
    this.#lastAt = now
    const totals = [
      `${lagSeconds.toFixed(1)} s`.padStart(7),
      String(rate).padStart(9),
      ...counts.map(({ count }) => String(count).padStart(8)),
    ]
    this.#row(this.#time(), `${cells.map(({ text }) => text).join('')}${totals.join('')}`)
  }

  ledger({ written, lagSeconds, stopped }: { written: number; lagSeconds: number; stopped: boolean }): void {
    const rows = [...this.#ledgers].map(([name, ledger]) => ({ name, verdict: ledger.verdict(), ledger }))
    const line = (name: string, cells: readonly (string | number)[]): string => {
      const widths = [10, 11, 12, 15, 9]
      return `  ${name.padEnd(10)}${cells.map((cell, at) => String(cell).padStart(widths[at] ?? 9)).join('')}\n`
    }
    const table = rows.map(({ name, verdict: { wanted, delivered, duplicated, deadLettered, missing } }) =>
      line(name, [wanted, delivered, duplicated, deadLettered, missing]),
    )
    const throughput = rows.reduce((sum, { ledger }) => sum + ledger.throughput, 0)
    const missing = rows.reduce((sum, { verdict }) => sum + verdict.missing, 0)
    this.#out.write(`
  ledger, counted by the writer and the receivers, not by the bridge

${line('sink', ['wanted', 'delivered', 'duplicated', 'dead-lettered', 'missing'])}${table.join('')}
  written     ${written} logs
  lag         ${lagSeconds.toFixed(1)} s
  throughput  ${throughput.toFixed(1)} MB/s (as written: the demo paces its writer)

  wanted: the logs that a sink has to get. duplicated: events that came again,
  under their first sls_event_id; delivered counts them, too.
  missing: wanted, and neither delivered nor dead-lettered.

`)
    if (stopped) this.#out.write('  stopped by you: what is missing was still on its way\n')
    else this.#out.write(missing === 0 ? '  nothing is missing\n' : '  LOGS ARE MISSING\n')
  }

  #row(start: string, rest: string): void {
    this.#out.write(`${`${start}  ${rest}`.trimEnd()}\n`)
  }

  #time(): string {
    return `${((performance.now() - this.#started) / 1000).toFixed(1).padStart(4)} s`
  }
}
