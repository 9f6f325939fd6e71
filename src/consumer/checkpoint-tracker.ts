/**
 * The debt of one pull. It is opened before its first event leaves, grows with each batch made (`add`) and shrinks with each batch
 * delivered (`settle`). A pull whose logs are all filtered out is sealed without debt, and so is settled at once.
 */
export interface DeliveryTicket {
  add(): void
  settle(): void
  /** No more batches will be added. Everything before this cursor is on its way, or was left out. */
  seal(nextCursor: string): void
}

interface TrackedPull {
  nextCursor: string
  owed: number
  sealed: boolean
}

/**
 * The highest cursor of one shard with nothing unsettled before it, in whatever order deliveries settle. Because of it a
 * checkpoint never passes an unacknowledged log. Pure: no time, no I/O.
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

  /** Opens the ticket of a pull. Call it in the order of the cursors, and after the one before was sealed. */
  open(): DeliveryTicket {
    const pull: TrackedPull = { nextCursor: this.#mark, owed: 0, sealed: false }
    this.#pulls.push(pull)
    return {
      add: () => {
        pull.owed++
      },
      settle: () => {
        pull.owed--
        this.#advance()
      },
      seal: (nextCursor) => {
        pull.nextCursor = nextCursor
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
