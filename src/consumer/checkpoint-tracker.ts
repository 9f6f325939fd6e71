/**
 * What one pull still owes: opened before any of its events leaves, `add`ed for each batch made of it, `settle`d for each
 * batch delivered. A pull whose every log was filtered out is sealed with nothing owed and so is settled at once.
 */
export interface DeliveryTicket {
  add(): void
  settle(): void
  /** No more batches will be added. */
  seal(): void
}

interface TrackedPull {
  readonly nextCursor: string
  owed: number
  sealed: boolean
}

/**
 * The highest cursor of one shard with nothing unsettled before it, whatever the order in which deliveries settle.
 * Pure: no time, no I/O. This is the structure that makes "a checkpoint never passes an unacknowledged log" true.
 */
export class CheckpointTracker {
  readonly #pulls: TrackedPull[] = []
  readonly #advanced: () => void
  #mark: string

  /** `start`: the cursor the first pull reads from. `advanced` is called after each step of the mark. */
  constructor(start: string, advanced: () => void) {
    this.#mark = start
    this.#advanced = advanced
  }

  /** The low-water mark: everything before this cursor is settled. */
  get mark(): string {
    return this.#mark
  }

  /** Pulls not yet settled. */
  get outstanding(): number {
    return this.#pulls.length
  }

  /** Tickets must be opened in the order of the cursors. `nextCursor` is where the pull after this one starts. */
  open(nextCursor: string): DeliveryTicket {
    const pull: TrackedPull = { nextCursor, owed: 0, sealed: false }
    this.#pulls.push(pull)
    return {
      add: () => {
        pull.owed++
      },
      settle: () => {
        pull.owed--
        this.#advance()
      },
      seal: () => {
        pull.sealed = true
        this.#advance()
      },
    }
  }

  #advance(): void {
    let head = this.#pulls[0]
    if (!head?.sealed || head.owed > 0) return
    while (head?.sealed && head.owed === 0) {
      this.#mark = head.nextCursor
      this.#pulls.shift()
      head = this.#pulls[0]
    }
    this.#advanced()
  }
}
