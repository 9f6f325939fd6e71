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

/** Work that can pause, each piece in a turn of its own. */
export async function inTurns<Result>(pieces: Generator<void, Result>): Promise<Result> {
  for (;;) {
    await ownTurn()
    const { done, value } = pieces.next()
    if (done) return value
  }
}

/** The same without a pause. */
export function atOnce<Result>(pieces: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
  }
}
