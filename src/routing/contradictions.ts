import type { Decimal } from './decimal.ts'
import { compareDecimals, parseDecimal } from './decimal.ts'
import type { Comparison, Expression, Operand } from './expression.ts'

/** A part of a condition that no log can fulfil. */
export interface Contradiction {
  /** Where it begins in the condition, from 0. */
  readonly offset: number
  /** Which comparisons exclude one another, or which one excludes itself, and why. */
  readonly reason: string
  /** The condition as a whole cannot hold. Otherwise another part of an `or` may. */
  readonly isWhole: boolean
}

/** Finds simple contradictions only: a condition without any may be impossible nevertheless. */
export function contradictionsIn(expression: Expression): Contradiction[] {
  const whole = impossible(expression, true)
  if (whole !== undefined) return [{ ...whole, isWhole: true }]
  return deadParts(expression, true).map((part) => ({ ...part, isWhole: false }))
}

/** Longer conditions are not looked into. */
const LONGEST_LIST = 1000
const MOST_OF_ONE_OPERAND = 30

interface Reason {
  readonly offset: number
  readonly reason: string
}

/** A comparison that has to be true, or if not `wanted` false. */
interface Demand {
  readonly comparison: Comparison
  readonly wanted: boolean
}

/** The impossible parts of every `or` inside. `wanted`: what the expression has to be. */
function deadParts(expression: Expression, wanted: boolean): Reason[] {
  if ('part' in expression) return deadParts(expression.part, !wanted)
  if (!('parts' in expression)) return []
  const isChoice = (expression.kind === 'or') === wanted
  return expression.parts.flatMap((part) => {
    const reason = isChoice ? impossible(part, wanted) : undefined
    return reason === undefined ? deadParts(part, wanted) : [reason]
  })
}

/** Why the expression can't be true, or if not `wanted` not false. */
function impossible(expression: Expression, wanted: boolean): Reason | undefined {
  const { demands, choices } = conjunction(expression, wanted)
  for (const demand of demands) {
    const reason = demand.wanted ? impossibleAlone(demand.comparison) : undefined
    if (reason !== undefined) return { offset: demand.comparison.offset, reason: `${quoted(demand)}: ${reason}` }
  }
  for (const [earlier, later] of pairsOf(demands)) {
    if (!excludes(earlier, later)) continue
    return { offset: earlier.comparison.offset, reason: `${quoted(earlier)} and ${quoted(later)} exclude one another` }
  }
  for (const { parts, wanted: each } of choices) {
    const [first, ...others] = parts.map((part) => impossible(part, each))
    if (first !== undefined && !others.includes(undefined)) return first
  }
  return undefined
}

/** What has to be so at once. Of each choice one part has to be as `wanted` says. */
interface Conjunction {
  readonly demands: readonly Demand[]
  readonly choices: readonly Choice[]
}

interface Choice {
  readonly parts: readonly Expression[]
  readonly wanted: boolean
}

function conjunction(expression: Expression, wanted: boolean): Conjunction {
  if ('part' in expression) return conjunction(expression.part, !wanted)
  if (!('parts' in expression)) return { demands: [{ comparison: expression, wanted }], choices: [] }
  if ((expression.kind === 'and') !== wanted) return { demands: [], choices: [{ parts: expression.parts, wanted }] }
  const all = expression.parts.map((part) => conjunction(part, wanted))
  return { demands: all.flatMap(({ demands }) => demands), choices: all.flatMap(({ choices }) => choices) }
}

function impossibleAlone(comparison: Comparison): string | undefined {
  const { kind, operand } = comparison
  const [reading] = operand.path.readings
  if (reading?.of === 'bridge' && reading.rest.length > 0) return `${reading.key} has no parts`
  if ((kind === 'in' || kind === 'intersects' || kind === 'pmatch' || kind === 'cidr') && comparison.to.length === 0) {
    return 'the list is empty'
  }
  const range = rangeOf(comparison)
  const texts = equalsOf(comparison)
  const parts = texts ?? partOf(comparison)
  switch (operand.functions.at(-1)) {
    case 'tolower':
      return parts?.every((text) => /[A-Z]/.test(text)) ? 'tolower leaves no capital letter' : undefined
    case 'toupper':
      return parts?.every((text) => /[a-z]/.test(text)) ? 'toupper leaves no small letter' : undefined
    case 'basename':
      return parts?.every((text) => text.includes('/')) ? 'basename leaves no /' : undefined
    case 'severity':
      return texts?.every((text) => !/^[0-7]$/.test(text)) || beyond(range, 0, 7) ? 'a severity is 0 to 7' : undefined
    case 'len': {
      const isNone = texts?.every((text) => !/^(0|[1-9]\d*)$/.test(text))
      return isNone || beyond(range, 0) ? 'a length is a number from 0' : undefined
    }
    case undefined:
      return undefined
  }
}

/** A text that is part of every value for which the comparison holds. */
function partOf(comparison: Comparison): readonly string[] | undefined {
  const { kind } = comparison
  return kind === 'contains' || kind === 'startswith' || kind === 'endswith' ? [comparison.to] : undefined
}

/** The texts of which a value equals one. */
function equalsOf(comparison: Comparison): readonly string[] | undefined {
  const { kind } = comparison
  if (kind === '=' && typeof comparison.to === 'string') return [comparison.to]
  const isShortList = (kind === 'in' || kind === 'intersects') && comparison.to.length <= LONGEST_LIST
  return isShortList ? comparison.to : undefined
}

/** Pairs of demands on one operand, at most so many of each that a long condition takes no time that counts. */
function pairsOf(demands: readonly Demand[]): [Demand, Demand][] {
  const pairs: [Demand, Demand][] = []
  const byOperand = new Map<string, Demand[]>()
  for (const later of demands) {
    const key = keyOf(later.comparison.operand)
    const known = byOperand.get(key) ?? []
    byOperand.set(key, known)
    if (known.length === MOST_OF_ONE_OPERAND) continue
    for (const earlier of known) pairs.push([earlier, later])
    known.push(later)
  }
  return pairs
}

function excludes(a: Demand, b: Demand): boolean {
  if (a.wanted !== b.wanted && a.comparison.text === b.comparison.text) return true
  if (isAbsence(a) && b.wanted) return true
  if (isAbsence(b) && a.wanted) return true
  // Of a list one element may fulfil the one, and another element the other.
  if (mayBeList(a.comparison.operand)) return false
  return leavesNothing(a, b) || leavesNothing(b, a) || areApart(a, b)
}

function keyOf({ path, functions }: Operand): string {
  return JSON.stringify([functions, path.readings])
}

function isAbsence({ comparison, wanted }: Demand): boolean {
  return comparison.kind === 'exists' && !wanted
}

/** Whether the path may lead into JSON. */
function mayBeList({ path, functions }: Operand): boolean {
  return functions.at(-1) !== 'len' && path.readings.some(({ rest }) => rest.length > 0)
}

/** Whether the first takes only certain texts, and the other takes none of them. */
function leavesNothing({ comparison, wanted }: Demand, other: Demand): boolean {
  const texts = wanted ? equalsOf(comparison) : undefined
  return texts?.every((text) => fulfils(text, other.comparison) === !other.wanted) ?? false
}

/** Whether the comparison holds for a text; `undefined` where this is not looked into. */
function fulfils(text: string, comparison: Comparison): boolean | undefined {
  switch (comparison.kind) {
    case 'exists':
      return true
    case '=':
      return typeof comparison.to === 'string' ? text === comparison.to : undefined
    case '!=':
      return typeof comparison.to === 'string' ? text !== comparison.to : undefined
    case 'in':
    case 'intersects':
      return comparison.to.length <= LONGEST_LIST ? comparison.to.includes(text) : undefined
    case 'contains':
      return text.includes(comparison.to)
    case 'startswith':
      return text.startsWith(comparison.to)
    case 'endswith':
      return text.endsWith(comparison.to)
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const number = parseDecimal(text)
      const range = rangeOf(comparison)
      if (range === undefined) return undefined
      return number !== undefined && !isApart({ from: number, to: number, isOpen: false }, range)
    }
    case 'icontains':
    case 'glob':
    case 'iglob':
    case 'regex':
    case 'matches':
    case 'pmatch':
    case 'cidr':
      return undefined
  }
}

/** Numbers from one to another; `isOpen`: without the ends that are given. */
interface Range {
  readonly from?: Decimal
  readonly to?: Decimal
  readonly isOpen: boolean
}

function rangeOf(comparison: Comparison): Range | undefined {
  const { kind } = comparison
  if (kind !== '<' && kind !== '<=' && kind !== '>' && kind !== '>=') return undefined
  if (!('digits' in comparison.to)) return undefined
  const isOpen = kind === '<' || kind === '>'
  return kind === '<' || kind === '<=' ? { to: comparison.to, isOpen } : { from: comparison.to, isOpen }
}

function areApart(a: Demand, b: Demand): boolean {
  const [one, other] = [a, b].map(({ comparison, wanted }) => (wanted ? rangeOf(comparison) : undefined))
  return one !== undefined && other !== undefined && isApart(one, other)
}

function isApart(a: Range, b: Range): boolean {
  return isBelow(a, b) || isBelow(b, a)
}

/** Whether all numbers of `a` are less than those of `b`. */
function isBelow(a: Range, b: Range): boolean {
  if (a.to === undefined || b.from === undefined) return false
  const order = compareDecimals(a.to, b.from)
  return order < 0 || (order === 0 && (a.isOpen || b.isOpen))
}

function beyond(range: Range | undefined, least: number, most?: number): boolean {
  if (range === undefined) return false
  const [from, to] = [least, most].map((end) => (end === undefined ? undefined : parseDecimal(String(end))))
  return isApart(range, { ...(from && { from }), ...(to && { to }), isOpen: false })
}

function quoted({ comparison, wanted }: Demand): string {
  return `'${wanted ? '' : 'not '}${comparison.text}'`
}
