import { Changes } from '../core/changes.ts'

/** The bytes that one pull holds while its body is read and encoded. `release` may be called twice. */
export interface PullReservation {
  /** Holds `bytes` in all if they fit now. Otherwise false, and nothing changes. */
  tryGrow(bytes: number): boolean
  /** A batch of the pull has to wait for room of this sink. False: the body must not wait with it. */
  mayWaitFor(sink: string): boolean
  /** Whether one had to. */
  readonly waited: boolean
  release(): void
}

/** Bytes in flight of one account: bodies that are being encoded, and batches on their way. */
interface Account {
  /** Reserved for bodies. */
  pulls: number
  batches: number
}

const account = (): Account => ({ pulls: 0, batches: 0 })
const bytesOf = ({ pulls, batches }: Account): number => pulls + batches

export interface ByteBudgetOptions {
  /** Names of the sinks. Each has a share of its own. */
  readonly sinks?: readonly string[]
  /** Gets the bytes pulled and not yet settled, whenever they change. */
  readonly changed?: (inFlight: number) => void
}

/**
 * Bytes pulled and not yet settled, over all shards of this process: bodies being encoded, and batches on their way. It is
 * the only back-pressure between the SIEM and SLS. Bodies may use half of it, so that the batches made of them can always
 * leave. A body or batch that is too large for its share passes alone.
 *
 * With k sinks there are k + 1 equal shares. Each sink is sure of one, and the last is common: a sink may use it when its own
 * is full. So a sink that takes nothing holds at most its own share and the common one.
 *
 * A pull that is for one sink counts for it. One that may be for several counts for whatever share has room, the common one
 * first. But its body waits for the room of a sink only in the share of that sink or in the common one. Where neither takes
 * it, it is given back, and pulled again when the sink has room. So the share of a sink holds nothing that waits for another. (A pull that
 * cannot be gone on with at a place waits all the same: see `ShardDeliveries.send`.)
 */
export class ByteBudget {
  readonly limit: number
  readonly #changed: (inFlight: number) => void
  readonly #freed = new Changes()
  readonly #accounts: ReadonlyMap<string, Account>
  /** Pulls that may be for several sinks. */
  readonly #common = account()
  /** By sinks: pulls wait in line, so that a large one is not starved by small ones. */
  readonly #lines = new Map<string, Promise<unknown>>()
  readonly #share: number
  #bodies = 0

  constructor(limit: number, { sinks = ['the only one'], changed = () => {} }: ByteBudgetOptions = {}) {
    this.limit = limit
    this.#changed = changed
    this.#accounts = new Map(sinks.map((sink) => [sink, account()]))
    this.#share = limit / (this.#accounts.size + 1)
  }

  get used(): number {
    return this.#all().reduce((sum, each) => sum + bytesOf(each), 0)
  }

  /** The largest pull that need not wait until it is alone, in bytes. */
  get pullLimit(): number {
    return Math.floor(this.limit / (2 * this.#accounts.size))
  }

  /** The most that the bodies of all pulls take together, unless one is larger than `pullLimit`. */
  get bodiesLimit(): number {
    const lines = this.#accounts.size === 1 ? 1 : this.#accounts.size + 1
    return lines * this.pullLimit
  }

  /**
   * Waits its turn, then until a body of `bytes` fits. Bytes that are only reserved are not yet in flight. `sinks`: those that
   * its batches are likely for.
   */
  async reservePull(
    bytes: number,
    signal: AbortSignal,
    sinks: ReadonlySet<string> = new Set(),
  ): Promise<PullReservation> {
    const likely = this.#accountsFor(sinks)
    let of = this.#common
    let held = 0
    let body = 0
    let waited = false
    const hold = (total: number, ofBody: number): boolean => {
      if (total > held && !this.#pullFits(of, total, held)) return false
      of.pulls += total - held
      this.#bodies += ofBody - body
      held = total
      body = ofBody
      this.#tell()
      return true
    }
    const reserve = (): boolean => {
      const found = likely.find((each) => this.#pullFits(each, bytes, 0))
      if (found === undefined) return false
      of = found
      return hold(bytes, 0)
    }
    const mayWaitFor = (sink: string): boolean => {
      waited = true
      const allowed = [this.#accountOf(sink), this.#common]
      if (allowed.includes(of)) return true
      const other = allowed.find((each) => this.#pullFits(each, held, 0))
      if (other === undefined) return false
      of.pulls -= held
      of = other
      of.pulls += held
      this.#tell()
      return true
    }
    // The condition itself takes the bytes, so that no other pull comes between looking and taking.
    const line = [...sinks].sort().join()
    const turn = (this.#lines.get(line) ?? Promise.resolve()).then(() => this.#freed.until(reserve, signal))
    this.#lines.set(
      line,
      turn.catch(() => {}),
    )
    await turn
    return {
      tryGrow: (total) => hold(total, total),
      mayWaitFor,
      get waited() {
        return waited
      },
      release: () => void hold(0, 0),
    }
  }

  /** Takes the room for a batch of `bytes` if it is there. Call the result when the batch is settled. */
  tryAdmit(bytes: number, sink = ''): (() => void) | undefined {
    const of = this.#accountOf(sink)
    if (!this.#batchFits(of, bytes)) return undefined
    of.batches += bytes
    this.#tell()
    return () => {
      of.batches -= bytes
      this.#tell()
    }
  }

  /** Waits until a batch of `bytes` fits. `sink` is the one that it is for. Call the result when the batch is settled. */
  async admitBatch(bytes: number, signal: AbortSignal, sink = ''): Promise<() => void> {
    for (;;) {
      const admitted = this.tryAdmit(bytes, sink)
      if (admitted !== undefined) return admitted
      await this.#freed.until(() => this.#batchFits(this.#accountOf(sink), bytes), signal)
    }
  }

  #tell(): void {
    this.#changed(this.#bodies + [...this.#accounts.values()].reduce((sum, { batches }) => sum + batches, 0))
    this.#freed.notify()
  }

  #all(): Account[] {
    return [...this.#accounts.values(), this.#common]
  }

  /** With one sink everything is its own. */
  #accountOf(sink: string): Account {
    const [only, ...others] = this.#accounts.values()
    const found = others.length === 0 ? only : this.#accounts.get(sink)
    if (found === undefined) throw new Error(`the budget has no share for ${sink}`)
    return found
  }

  /** Where a pull that is likely for these sinks may count, in order of preference. */
  #accountsFor(sinks: ReadonlySet<string>): Account[] {
    const [sink = '', ...more] = sinks
    if (this.#accounts.size === 1) return [this.#accountOf(sink)]
    if (sinks.size === 0) return [this.#common]
    return more.length === 0
      ? [this.#accountOf(sink)]
      : [this.#common, ...[...sinks].map((each) => this.#accountOf(each))]
  }

  #batchFits(of: Account, bytes: number): boolean {
    return of.batches === 0 || this.#fits(of, bytes)
  }

  #pullFits(of: Account, bytes: number, held: number): boolean {
    const pulls = of.pulls - held
    // With one sink this is all that is in flight. The common share has its room only where no sink uses it.
    const used = of === this.#common ? this.#overflow() - held : bytesOf(of) - held
    return (pulls === 0 || pulls + bytes <= this.pullLimit) && (used === 0 || this.#fits(of, bytes - held))
  }

  /** Whether so many more bytes of an account fit into what is left of its own share and of the common one. */
  #fits(of: Account, more: number): boolean {
    const own = of === this.#common ? 0 : this.#share
    const before = Math.max(0, bytesOf(of) - own)
    const after = Math.max(0, bytesOf(of) + more - own)
    return after === 0 || this.#overflow() - before + after <= this.#share
  }

  /** What is in the common share: pulls for several sinks, and what does not fit into the share of its sink. */
  #overflow(): number {
    const beyond = [...this.#accounts.values()].map((each) => Math.max(0, bytesOf(each) - this.#share))
    return bytesOf(this.#common) + beyond.reduce((sum, bytes) => sum + bytes, 0)
  }
}
