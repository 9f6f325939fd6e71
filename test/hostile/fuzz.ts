import fc from 'fast-check'
import { seededRandom } from '../../src/emulator/sample-logs.ts'
import { Mutator } from './mutator.ts'

/** The acceptance run is minutes: FUZZ_SECONDS=120 npm run test:hostile. FUZZ_SEED repeats a run that was reported. */
const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 3)
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
/** Limits of a fuzz test: time for the search, and for making a failing input small. */
export const FUZZING = { timeout: SECONDS * 1000 + 60_000 }
/** One input that takes longer than this was found by the fuzzer to be as good as a hang. */
const SLOW_MS = 3_000
const MINIMISE_MS = 10_000
const CORPUS_LIMIT = 2_000

/**
 * Throws when the property is broken. What it returns names the kind of outcome: an input with a new one is kept and mutated
 * further, which leads the fuzzer behind the first check of a parser.
 */
type Check = (input: Buffer) => string | Promise<string>

/** Code that reads foreign input. Inputs are bytes, so that each failing one can become a fixture. */
export interface Target {
  /** Also the folder of its fixtures in test/fixtures/hostile. */
  name: string
  /** Called once per test. Starts servers that the checks share; `onTestFinished` closes them. */
  open(): Check | Promise<Check>
}

/** For properties: an `expect` costs more than most inputs take. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken: ${what}`)
}

/** Mutates real inputs until time is up. */
export async function fuzz(target: Target, seeds: readonly Buffer[], words: readonly (string | Buffer)[] = []) {
  const check = await target.open()
  const random = seededRandom(SEED)
  const mutator = new Mutator(random, words)
  const outcomes = new Set<string>()
  const corpus: Buffer[] = []
  for (const seed of seeds) {
    await judge(target, check, seed, outcomes)
    corpus.push(seed)
  }
  const end = performance.now() + SECONDS * 1000
  let runs = 0
  for (; performance.now() < end; runs++) {
    const input = mutator.mutated(corpus)
    if ((await judge(target, check, input, outcomes)) && corpus.length < CORPUS_LIMIT) corpus.push(input)
  }
  report(target, runs, outcomes)
}

/** The same for inputs that fast-check makes. */
export async function fuzzGenerated(target: Target, inputs: fc.Arbitrary<Buffer>) {
  const check = await target.open()
  const outcomes = new Set<string>()
  let runs = 0
  const property = fc.asyncProperty(inputs, async (input) => {
    runs++
    await timed(check, input, outcomes)
  })
  const details = await fc.check(property, {
    seed: SEED,
    numRuns: 100_000_000,
    interruptAfterTimeLimit: SECONDS * 1000,
    markInterruptAsFailure: false,
  })
  const [input] = details.counterexample ?? []
  if (input) throw failure(target, await minimised(check, input), details.errorInstance)
  report(target, runs, outcomes)
}

/** True for an outcome never seen before. */
async function judge(target: Target, check: Check, input: Buffer, outcomes: Set<string>): Promise<boolean> {
  try {
    return await timed(check, input, outcomes)
  } catch (error) {
    throw failure(target, await minimised(check, input), error)
  }
}

async function timed(check: Check, input: Buffer, outcomes: Set<string>): Promise<boolean> {
  const started = performance.now()
  const outcome = await check(input)
  const ms = performance.now() - started
  if (ms > SLOW_MS) throw new Error(`took ${Math.round(ms)} ms`)
  const known = outcomes.size
  outcomes.add(outcome)
  return outcomes.size > known
}

/** Leaves out ever smaller pieces, then turns bytes to 0, as long as it goes on failing. */
async function minimised(check: Check, failing: Buffer): Promise<Buffer> {
  const end = performance.now() + MINIMISE_MS
  const fails = async (input: Buffer): Promise<boolean> => {
    try {
      await timed(check, input, new Set())
      return false
    } catch {
      return true
    }
  }
  let smallest = failing
  for (let piece = smallest.length >> 1; piece >= 1; piece >>= 1) {
    for (let at = 0; at < smallest.length && performance.now() < end; ) {
      const without = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + piece)])
      if (await fails(without)) smallest = without
      else at += piece
    }
  }
  for (let at = 0; at < smallest.length && performance.now() < end; at++) {
    const zeroed = Buffer.from(smallest)
    zeroed[at] = 0
    if (smallest[at] !== 0 && (await fails(zeroed))) smallest = zeroed
  }
  return smallest
}

function failure(target: Target, input: Buffer, cause: unknown): Error {
  const hex = input.toString('hex')
  const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
  return new Error(
    `${target.name}: ${what}\n
the smallest input found, ${input.length} bytes in hex:
${hex}\n
repeat:  FUZZ_SEED=${SEED} FUZZ_SECONDS=${SECONDS} npm run test:hostile
keep it (name its subject; \`npm test\` replays it from then on):
  mkdir -p test/fixtures/hostile/${target.name} && node -e "fs.writeFileSync('test/fixtures/hostile/${target.name}/NAME.bin', Buffer.from('${hex}', 'hex'))"`,
  )
}

function report({ name }: Target, runs: number, outcomes: Set<string>): void {
  console.log(`fuzz ${name}: ${runs} inputs in ${SECONDS} s, ${outcomes.size} kinds of outcome, FUZZ_SEED=${SEED}`)
}
