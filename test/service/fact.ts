import { messageOf } from '../../src/core/errors.ts'

/** One sentence we believe about a service that is not ours, and how to find out whether it is true. */
export interface Fact {
  /** `sls/…` or `hec/…`. */
  id: string
  says: string
  /** Document and section the sentence comes from. */
  source: string
  /** `verified`: documented by the vendor or measured by somebody. `unverified`: inferred, or sources contradict each other. */
  mark: 'verified' | 'unverified'
  /** What is seen if it is true. Several where sources differ and the bridge copes with each; ours answers the first. */
  believed: string | readonly string[]
  /** What is wrong if it is not true: files of the emulator and of the bridge. */
  reliedOnBy: readonly string[]
  /** Looks, through the wire alone, and tells what it saw in few words. */
  observe: () => Promise<string>
  /** Why our own emulator cannot show it. Only then may it be unobservable there. */
  notOurs?: string
}

type Row = Omit<Fact, 'source' | 'reliedOnBy'> & Partial<Pick<Fact, 'source' | 'reliedOnBy'>>

/** Facts from one place, relied on by the same files unless one says otherwise. */
export function section(source: string, reliedOnBy: readonly string[], rows: readonly Row[]): Fact[] {
  return rows.map((row) => ({ source, reliedOnBy, ...row }))
}

/** The observation needs what this run has not got. Not a failure: the reason stands in the table. */
class CannotObserve extends Error {}

export function cannot(why: string): never {
  throw new CannotObserve(why)
}

/** For what no client can bring about: kept among the facts, so that nobody believes it was looked at. */
export function nobodyCan(why: string): Pick<Fact, 'observe' | 'notOurs'> {
  return { observe: async () => cannot(why), notOurs: why }
}

export interface Verdict {
  fact: Fact
  outcome: 'agrees' | 'DIFFERS' | 'not seen' | 'failed'
  /** What was seen, or why nothing was. */
  observed: string
}

export async function judge(fact: Fact): Promise<Verdict> {
  try {
    const observed = await fact.observe()
    return { fact, observed, outcome: [fact.believed].flat().includes(observed) ? 'agrees' : 'DIFFERS' }
  } catch (error) {
    return { fact, observed: messageOf(error), outcome: error instanceof CannotObserve ? 'not seen' : 'failed' }
  }
}

/** What is wrong in our picture; `undefined` when nothing is. `ours`: the emulator was judged, not the real service. */
export function complaint({ fact, outcome, observed }: Verdict, ours: boolean): string | undefined {
  if (outcome === 'agrees' || (outcome === 'not seen' && (!ours || fact.notOurs !== undefined))) return undefined
  const wrong =
    outcome === 'failed' || outcome === 'not seen'
      ? 'the observation failed'
      : ours
        ? 'either the definition or the emulator is wrong'
        : 'our picture of the service is wrong'
  return [
    `${fact.id}: ${wrong}`,
    `  we say      ${fact.says} (${fact.source}, ${fact.mark})`,
    `  that is     ${believedText(fact)}`,
    `  seen        ${observed}`,
    `  look at     ${fact.reliedOnBy.join(', ')}`,
  ].join('\n')
}

/** One line per fact: outcome, id (`?` = unverified), what was believed, and what was seen where that is something else. */
export function table(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ fact, outcome, observed }) => [
    outcome,
    fact.id,
    fact.mark === 'unverified' ? '?' : ' ',
    believedText(fact),
    outcome === 'agrees' && observed === [fact.believed].flat()[0] ? '=' : observed,
  ])
  const header = ['outcome', 'fact', '?', 'believed', 'observed (= as believed)']
  const limits = [8, 40, 1, 56, 120]
  const widths = limits.map((limit, column) =>
    Math.min(limit, Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0))),
  )
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => shortened(cell, limits[column] ?? 0).padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [header, ...rows].map(line).join('\n')
}

export function summary(verdicts: readonly Verdict[]): string {
  const count = (outcome: Verdict['outcome']) => verdicts.filter((verdict) => verdict.outcome === outcome).length
  const unverified = verdicts.filter(({ fact }) => fact.mark === 'unverified').length
  return (
    `${verdicts.length} facts (${unverified} of them unverified): ${count('agrees')} agree, ${count('DIFFERS')} differ, ` +
    `${count('not seen')} cannot be observed here, ${count('failed')} failed`
  )
}

/** For `SERVICE_REPORT`. */
export function reported({ fact, outcome, observed }: Verdict): Record<string, unknown> {
  const { id, says, source, mark, believed, reliedOnBy } = fact
  return { id, outcome, says, believed, observed, source, mark, reliedOnBy }
}

function believedText({ believed }: Fact): string {
  return [believed].flat().join(' | ')
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}
