import { messageOf } from '../../src/core/errors.ts'

/** One assumption about an external service, and how to test it. */
export interface Fact {
  /** `sls/…` or `hec/…`. */
  id: string
  says: string
  /** Document and section that the assumption comes from. */
  source: string
  /** `verified`: documented by the vendor or measured. `unverified`: inferred, or the sources contradict each other. */
  mark: 'verified' | 'unverified'
  /** Expected observation. Several where sources differ and the bridge handles each; the emulator answers the first. */
  believed: string | readonly string[]
  /** Files of the emulator and the bridge that are wrong if the assumption is wrong. */
  reliedOnBy: readonly string[]
  /** Observes, only over the network, and returns a short result. */
  observe: () => Promise<string>
  /** Why the emulator cannot show it. Required if it is unobservable there. */
  notOurs?: string
}

type Row = Omit<Fact, 'source' | 'reliedOnBy'> & Partial<Pick<Fact, 'source' | 'reliedOnBy'>>

/** Facts with one source. The same files rely on them unless a fact names others. */
export function section(source: string, reliedOnBy: readonly string[], rows: readonly Row[]): Fact[] {
  return rows.map((row) => ({ source, reliedOnBy, ...row }))
}

/** The observation needs something that this run lacks. It is no failure: the table has the reason. */
class CannotObserve extends Error {}

export function cannot(why: string): never {
  throw new CannotObserve(why)
}

/** For facts that no client can test. They stay in the list, so that the report shows them as not tested. */
export function noClientCan(why: string): Pick<Fact, 'observe' | 'notOurs'> {
  return { observe: async () => cannot(why), notOurs: why }
}

export interface Verdict {
  fact: Fact
  outcome: 'agrees' | 'DIFFERS' | 'not seen' | 'failed'
  /** The observation, or why there is none. */
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

/** What is wrong with our assumption, or `undefined`. `ours`: the emulator was tested, not the real service. */
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

/** One line per fact: outcome, id (`?` = unverified), assumption, and the observation if it differs. */
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
