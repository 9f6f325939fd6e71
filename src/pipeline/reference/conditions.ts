import type { LogstoreRef } from '../../core/shard.ts'
import type { Decimal } from '../../routing/decimal.ts'
import { compareDecimals, parseDecimal } from '../../routing/decimal.ts'
import type { Comparison, Expression, Operand, OperandFunction } from '../../routing/expression.ts'
import { comparisonsIn, otherOperand, pathsIn } from '../../routing/expression.ts'
import type { Glob } from '../../routing/glob.ts'
import { isWithin, parseAddress } from '../../routing/network.ts'
import type { Path } from '../../routing/path.ts'
import { isOfGroup, isOfLogstore } from '../../routing/path.ts'
import { matchesGlob } from './glob.ts'
import type { Found } from './json-path.ts'
import type { GroupFacts, Log } from './log.ts'
import { groupValueAt, logstoreValueAt, valueAt } from './path-value.ts'

/** A comparison that was made. */
export interface Outcome {
  /** As it was written. */
  readonly text: string
  /** What its fields were, after functions. */
  readonly found: readonly { readonly field: string; readonly value: Found | undefined }[]
  readonly holds: boolean
}

/** Whether a condition holds for a log. */
export function holds(expression: Expression, log: Log): boolean {
  return evaluate(expression, (comparison) => compare(comparison, (path) => valueAt(path, log)).holds)
}

/** The same with every comparison, those included that could not change the answer. */
export function explain(expression: Expression, log: Log): { holds: boolean; outcomes: Outcome[] } {
  const outcomes = new Map<Comparison, Outcome>()
  for (const comparison of comparisonsIn(expression)) {
    outcomes.set(
      comparison,
      compare(comparison, (path) => valueAt(path, log)),
    )
  }
  const result = evaluate(expression, (comparison) => outcomes.get(comparison)?.holds ?? false)
  return { holds: result, outcomes: [...outcomes.values()] }
}

/** What a condition comes to for all logs of a group: its answer, or the part that each log decides. */
export function decideForGroup(expression: Expression, group: GroupFacts): boolean | Expression {
  return decide(expression, isOfGroup, (path) => groupValueAt(path, group))
}

/** The same for all logs of a logstore. */
export function decideForLogstore(expression: Expression, at: LogstoreRef): boolean | Expression {
  return decide(expression, isOfLogstore, (path) => logstoreValueAt(path, at))
}

/** Makes the comparisons whose paths are known. */
function decide(expression: Expression, isKnown: (path: Path) => boolean, find: Find): boolean | Expression {
  if ('part' in expression) {
    const part = decide(expression.part, isKnown, find)
    return typeof part === 'boolean' ? !part : { kind: 'not', part }
  }
  if (!('parts' in expression)) {
    return pathsIn(expression).every(isKnown) ? compare(expression, find).holds : expression
  }
  const { kind, parts } = expression
  const decisive = kind === 'or'
  const rest: Expression[] = []
  for (const part of parts) {
    const decided = decide(part, isKnown, find)
    if (decided === decisive) return decisive
    if (typeof decided !== 'boolean') rest.push(decided)
  }
  const [only, ...more] = rest
  if (only === undefined) return !decisive
  return more.length === 0 ? only : { kind, parts: rest }
}

function evaluate(expression: Expression, isTrue: (comparison: Comparison) => boolean): boolean {
  if ('part' in expression) return !evaluate(expression.part, isTrue)
  if (!('parts' in expression)) return isTrue(expression)
  return expression.kind === 'and'
    ? expression.parts.every((part) => evaluate(part, isTrue))
    : expression.parts.some((part) => evaluate(part, isTrue))
}

function compare(comparison: Comparison, find: Find): Outcome {
  const { operand, text } = comparison
  const value = read(operand, find)
  const other = otherOperand(comparison)
  if (other === undefined) {
    const result = value !== undefined && test(comparison, value.texts, [])
    return { text, found: [{ field: operand.text, value }], holds: result }
  }
  const right = read(other, find)
  const result = value !== undefined && right !== undefined && test(comparison, value.texts, right.texts)
  const found = [
    { field: operand.text, value },
    { field: other.text, value: right },
  ]
  return { text, found, holds: result }
}

/** The value at a path; `undefined` if it is absent. */
type Find = (path: Path) => Found | undefined

/** The value of a field after its functions. */
function read({ path, functions }: Operand, find: Find): Found | undefined {
  return functions.reduce(applied, find(path))
}

function applied(value: Found | undefined, name: OperandFunction): Found | undefined {
  if (value === undefined) return undefined
  if (name === 'len') {
    const length = value.isList ? value.texts.length : (value.texts[0]?.length ?? 0)
    return { texts: [Buffer.from(String(length))], isList: false }
  }
  const texts = value.texts.map((text) => FUNCTIONS[name](text)).filter((text) => text !== undefined)
  // Words that are no severities are absent. An empty list stays one.
  return texts.length === 0 && value.texts.length > 0 ? undefined : { texts, isList: value.isList }
}

const FUNCTIONS: Readonly<Record<Exclude<OperandFunction, 'len'>, (text: Buffer) => Buffer | undefined>> = {
  tolower: small,
  toupper: (text) => text.map((byte) => (byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte)) as Buffer,
  basename: (text) => text.subarray(text.lastIndexOf('/') + 1),
  severity: severityOf,
}

/** Letters of ASCII are small. */
function small(text: Buffer): Buffer {
  return text.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte)) as Buffer
}

/** What the comparison says of a value that is there. `right`: the value of the field in `val(…)`. */
function test(comparison: Comparison, texts: readonly Buffer[], right: readonly Buffer[]): boolean {
  switch (comparison.kind) {
    case 'exists':
      return true
    case '=':
    case '!=': {
      const others = typeof comparison.to === 'string' ? [Buffer.from(comparison.to)] : right
      const isEqual = texts.some((text) => others.some((other) => text.equals(other)))
      return isEqual === (comparison.kind === '=')
    }
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const others = 'digits' in comparison.to ? [comparison.to] : numbersOf(right)
      const isOrdered = ORDERS[comparison.kind]
      return numbersOf(texts).some((number) => others.some((other) => isOrdered(compareDecimals(number, other))))
    }
    case 'contains':
    case 'icontains':
    case 'startswith':
    case 'endswith': {
      const isPart = TEXT_TESTS[comparison.kind]
      const part = Buffer.from(comparison.to)
      return texts.some((text) => isPart(text, part))
    }
    case 'glob':
      return texts.some((text) => matchesGlob(text, comparison.to))
    case 'iglob':
      return texts.some((text) => matchesGlob(small(text), comparison.to))
    case 'regex':
      return texts.some((text) => comparison.to.testExact(text.toString()))
    case 'matches':
      return texts.some((text) => comparison.to.test(text.toString()))
    case 'in': {
      const list = setOf(comparison.to)
      return texts.length > 0 && texts.every((text) => list.has(text.toString('latin1')))
    }
    case 'intersects': {
      const list = setOf(comparison.to)
      return texts.some((text) => list.has(text.toString('latin1')))
    }
    case 'pmatch':
      return texts.some((text) => comparison.to.some((prefix) => hasPrefix(text, prefix)))
    case 'cidr':
      return texts.some((text) => {
        const address = text.length <= LONGEST_ADDRESS ? parseAddress(text.toString('latin1')) : undefined
        return address !== undefined && comparison.to.some((network) => isWithin(address, network))
      })
  }
}

const LONGEST_ADDRESS = 45

const ORDERS: Readonly<Record<'<' | '<=' | '>' | '>=', (order: number) => boolean>> = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
}

const TEXT_TESTS = {
  contains: (text: Buffer, part: Buffer) => text.includes(part),
  icontains: (text: Buffer, part: Buffer) => small(text).includes(small(part)),
  startswith: (text: Buffer, part: Buffer) => text.subarray(0, part.length).equals(part),
  endswith: (text: Buffer, part: Buffer) => text.subarray(text.length - part.length).equals(part),
}

function numbersOf(texts: readonly Buffer[]): Decimal[] {
  return texts.map((text) => parseDecimal(text.toString('latin1'))).filter((number) => number !== undefined)
}

/** Lists may be long, and are asked for every log. Their texts are bytes, one character each. */
const sets = new WeakMap<readonly string[], ReadonlySet<string>>()

function setOf(list: readonly string[]): ReadonlySet<string> {
  let set = sets.get(list)
  if (set === undefined) {
    set = new Set(list.map((text) => Buffer.from(text).toString('latin1')))
    sets.set(list, set)
  }
  return set
}

/** Whether the first components of a path match these. */
function hasPrefix(path: Buffer, prefix: readonly Glob[]): boolean {
  let at = 0
  return prefix.every((glob) => {
    while (path[at] === SLASH) at++
    if (at === path.length) return false
    const slash = path.indexOf(SLASH, at)
    const start = at
    at = slash < 0 ? path.length : slash
    return matchesGlob(path.subarray(start, at), glob)
  })
}

const SLASH = 0x2f

const SEVERITIES: ReadonlyMap<string, number> = new Map(
  [
    ['emergency', 'emerg', 'panic'],
    ['alert'],
    ['critical', 'crit'],
    ['error', 'err'],
    ['warning', 'warn'],
    ['notice'],
    ['informational', 'info'],
    ['debug'],
  ].flatMap((names, severity) => names.map((name) => [name, severity] as const)),
)

function severityOf(text: Buffer): Buffer | undefined {
  const severity = SEVERITIES.get(small(text).toString('latin1'))
  return severity === undefined ? undefined : Buffer.from(String(severity))
}
