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

/**
 * Runs it to its end, each piece between two `yield`s in a turn of its own. Nobody else is given one in between, so its pieces
 * may share memory with other such work, and half done there is never more than one.
 */
export async function inTurns<Result>(pieces: Generator<void, Result>): Promise<Result> {
  await ownTurn()
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
    await nextTurn()
  }
}

/** Runs it to its end in this turn. */
export function atOnce<Result>(pieces: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
  }
}

/** For who has the turn: before all who wait. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.unshift(resolve) === 1) setImmediate(giveTurn)
  })
}

function giveTurn(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(giveTurn)
}
