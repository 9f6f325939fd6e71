const waiting: Array<() => void> = []

/**
 * Resolves in a round of the event loop that no other caller gets. Each piece of work that takes a millisecond or more begins
 * with it, so that heartbeats, answers and the admin server run between any two pieces. (`setImmediate` alone runs all
 * callers in the same round.)
 */
export function ownTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(giveTurn)
  })
}

/**
 * Runs the generator to its end, each piece between two `yield`s in a turn of its own. No other work gets a turn in between,
 * so at most one such piece of work is half done, and all of it may share memory.
 */
export async function inTurns<Result>(pieces: Generator<void, Result>): Promise<Result> {
  await ownTurn()
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
    await nextTurn()
  }
}

/** Runs the generator to its end in this turn. */
export function atOnce<Result>(pieces: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
  }
}

/** The next turn for the work that has this one, before all work that waits. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.unshift(resolve) === 1) setImmediate(giveTurn)
  })
}

function giveTurn(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(giveTurn)
}
