const waiting: Array<() => void> = []

/**
 * Resolves when the event loop has gone round and nobody else was given that round: pieces of work that take a millisecond or
 * more begin with it, each of its own, so that heartbeats, answers and the admin server come between any two of them.
 * (`setImmediate` alone runs everything that asked for the next round in that one round.)
 */
export function ownTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(giveTurn)
  })
}

function giveTurn(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(giveTurn)
}

/** Runs it to its end in this turn. */
export function atOnce<Result>(pieces: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
  }
}

/** Work in pieces, one work after the other: begun together, all would hold their memory until the last is done. */
export class Lane {
  #last: Promise<void> = Promise.resolve()

  /** Runs it to its end, after all that came before, each piece between two `yield`s in a turn of its own. */
  run<Result>(pieces: Generator<void, Result>): Promise<Result> {
    const result = this.#last.then(() => inTurns(pieces))
    this.#last = result.then(
      () => {},
      () => {}, // its owner's to see
    )
    return result
  }
}

async function inTurns<Result>(pieces: Generator<void, Result>): Promise<Result> {
  for (;;) {
    await ownTurn()
    const { done, value } = pieces.next()
    if (done) return value
  }
}
