import type { SlsEmulator } from '../emulator/sls/server.ts'
import type { DemoLedger, Verdict } from './demo-ledger.ts'

const BAR = 12

/** The demo on a terminal or in a log: one line per second, and one for each event of the demo. */
export class DemoView {
  readonly #out: NodeJS.WritableStream
  readonly #sls: SlsEmulator
  readonly #ledger: DemoLedger
  readonly #started = performance.now()
  #lastDelivered = 0
  #lastAt = performance.now()
  #lines = 0

  constructor(out: NodeJS.WritableStream, sls: SlsEmulator, ledger: DemoLedger) {
    this.#out = out
    this.#sls = sls
    this.#ledger = ledger
  }

  say(text: string): void {
    this.#out.write(`${this.#time()}  ${text}\n`)
  }

  /** The owner of every shard and the log groups that it is behind, then totals. */
  progress(lagSeconds: number): void {
    const shards = this.#sls.state().logstores[0]?.consumerGroups[0]?.shards ?? []
    if (shards.length > 0 && this.#lines++ % 10 === 0) {
      const header = shards.map(({ shard }) => `shard ${shard}`.padEnd(BAR)).join('')
      this.#out.write(
        `${' '.repeat(8)}${header}${'lag'.padStart(7)}${'events/s'.padStart(10)}${'delivered'.padStart(11)}\n`,
      )
    }
    const owners = shards.map(({ holder, behind }) => {
      const owner = holder === null ? '–' : holder.replace('replica-', 'r')
      return `${owner} ${behind ? `+${behind}` : '✓'}`.padEnd(BAR)
    })
    const now = performance.now()
    const delivered = this.#ledger.deliveredCount
    const rate = Math.round(((delivered - this.#lastDelivered) / (now - this.#lastAt)) * 1000)
    this.#lastDelivered = delivered
    this.#lastAt = now
    const totals = `${`${lagSeconds.toFixed(1)} s`.padStart(7)}${String(rate).padStart(10)}${String(delivered).padStart(11)}`
    this.#out.write(`${this.#time()}  ${owners.join('')}${totals}\n`)
  }

  ledger(verdict: Verdict, lagSeconds: number): void {
    const rows: Array<[string, string]> = [
      ['written', `${verdict.written} logs`],
      ['wanted by the filter', `${verdict.wanted} logs`],
      ['delivered', `${verdict.delivered} events`],
      ['duplicated', `${verdict.duplicated} events, each under its first sls_event_id (one replica was killed)`],
      ['missing', `${verdict.missing}`],
      ['lag', `${lagSeconds.toFixed(1)} s`],
      [
        'throughput',
        `${(verdict.megabytes / verdict.seconds).toFixed(1)} MB/s (as written: the demo paces its writer)`,
      ],
    ]
    this.#out.write(`\n  ledger\n${rows.map(([name, value]) => `  ${name.padEnd(22)}${value}\n`).join('')}\n`)
    this.#out.write(verdict.missing === 0 ? '  nothing is missing\n' : '  LOGS ARE MISSING\n')
  }

  #time(): string {
    return `${((performance.now() - this.#started) / 1000).toFixed(1).padStart(5)} s`.padEnd(6)
  }
}
