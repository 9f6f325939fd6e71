import { nearest } from '../core/nearest.ts'
import type { Decimal } from './decimal.ts'
import { parseDecimal } from './decimal.ts'
import type { Compared, Operand, OperandFunction } from './expression.ts'
import { FUNCTIONS } from './expression.ts'
import type { Glob } from './glob.ts'
import { parseGlob } from './glob.ts'
import { parseNetwork } from './network.ts'
import { readPath } from './path.ts'
import { parsePattern } from './pattern.ts'
import type { Scanner } from './scanner.ts'

/** Lists of values by name. */
export type Lists = ReadonlyMap<string, readonly string[]>

/** A keyword or operator ends at any other character. */
export const WORD = /[\w.:@$-]+/y
const SIGN = /==|=|!=|<=|>=|<|>/y
const BARE = /[^\s()"'=,]+/y
const CALL = new RegExp(`(${FUNCTIONS.join('|')})\\s*\\(`, 'y')
const MOST_FUNCTIONS = 100

const SIGNS = ['=', '==', '!=', '<', '<=', '>', '>='] as const
const WORDS = [
  ...(['exists', 'contains', 'icontains', 'startswith', 'endswith', 'glob', 'iglob', 'regex', 'matches'] as const),
  ...(['in', 'intersects', 'pmatch', 'cidr'] as const),
]
type Operator = (typeof SIGNS)[number] | (typeof WORDS)[number]

/** Whether a field with this name would be taken for an operator. */
export function isOperator(word: string | undefined): word is Operator {
  return SIGNS.some((sign) => sign === word) || WORDS.some((operator) => operator === word)
}

export function didYouMean(name: string | undefined): string {
  return name === undefined ? '' : ` (did you mean '${name}'?)`
}

/** Reads a field, perhaps inside functions: `len(basename(path))`. */
export function readOperand(scanner: Scanner): Operand {
  const start = scanner.at
  const functions: OperandFunction[] = []
  for (let call = scanner.take(CALL); call !== undefined; call = scanner.take(CALL)) {
    functions.unshift(FUNCTIONS.find((name) => name === call?.match(/^\w+/)?.[0]) as OperandFunction)
    scanner.skipBlanks()
  }
  if (functions.length > MOST_FUNCTIONS) scanner.fail(`more than ${MOST_FUNCTIONS} functions in one another`, start)
  const path = readPath(scanner)
  for (const name of functions) readClosing(scanner, name)
  return { text: scanner.text.slice(start, scanner.at), path, functions }
}

function readClosing(scanner: Scanner, name: string): void {
  scanner.skipBlanks()
  if (scanner.take(/\)/y) === undefined) scanner.fail(`')' expected, which closes '${name}('`)
}

/** Reads an operator, if there is one. */
export function readOperator(scanner: Scanner): Operator | undefined {
  scanner.skipBlanks()
  const operator = scanner.peek(SIGN) ?? scanner.peek(WORD)
  if (!isOperator(operator)) return undefined
  scanner.at += operator.length
  return operator
}

/** The problem of a word that stands where an operator should. */
export function unknownOperator(word: string): string {
  const meant = nearest(word, WORDS)
  return `unknown operator '${word}'${meant === undefined ? `; operators are ${[...SIGNS, ...WORDS].join(' ')}` : didYouMean(meant)}`
}

/** Reads what stands behind the operator. */
export function readArgument(scanner: Scanner, operator: Operator, lists: Lists): Compared {
  scanner.skipBlanks()
  switch (operator) {
    case 'exists':
      return { kind: operator }
    case '=':
    case '==':
      return { kind: '=', to: readVal(scanner) ?? readValue(scanner, operator) }
    case '!=':
      return { kind: operator, to: readVal(scanner) ?? readValue(scanner, operator) }
    case '<':
    case '<=':
    case '>':
    case '>=':
      return { kind: operator, to: readVal(scanner) ?? readNumber(scanner, operator) }
    case 'contains':
    case 'icontains':
    case 'startswith':
    case 'endswith':
      return { kind: operator, to: readValue(scanner, operator) }
    case 'glob':
    case 'iglob':
      return { kind: operator, to: readAs(scanner, operator, (text) => parseGlob(text, operator === 'iglob')) }
    case 'regex':
    case 'matches':
      return { kind: operator, to: readAs(scanner, operator, parsePattern) }
    case 'in':
    case 'intersects':
      return { kind: operator, to: readList(scanner, lists).map(({ value }) => value) }
    case 'pmatch':
      return { kind: operator, to: readEach(scanner, operator, lists, componentsOf) }
    case 'cidr':
      return { kind: operator, to: readEach(scanner, operator, lists, parseNetwork) }
  }
}

/** Reads `val(field)`, if it is there. */
function readVal(scanner: Scanner): Operand | undefined {
  if (scanner.take(/val\s*\(/y) === undefined) return undefined
  scanner.skipBlanks()
  const operand = readOperand(scanner)
  readClosing(scanner, 'val')
  return operand
}

function readValue(scanner: Scanner, operator: string): string {
  return (
    scanner.takeQuoted() ?? scanner.take(BARE) ?? scanner.fail(`value expected behind '${operator}'${foundAt(scanner)}`)
  )
}

function readNumber(scanner: Scanner, operator: string): Decimal {
  const text = scanner.peek(BARE)
  const number = text === undefined ? undefined : parseDecimal(text)
  if (text === undefined || number === undefined) {
    return scanner.fail(`number expected behind '${operator}'${foundAt(scanner)}`)
  }
  scanner.at += text.length
  return number
}

function foundAt(scanner: Scanner): string {
  const found = scanner.peek(BARE) ?? scanner.peek(/./suy)
  if (found === undefined) return ''
  return `, found '${found}'${found === '(' || found === '=' ? `; a value with ${found} in it needs quotes` : ''}`
}

/** Reads a value and makes something of it. `parse` gives a string if the value is wrong. */
function readAs<T>(scanner: Scanner, operator: string, parse: (text: string) => T | string): T {
  const start = scanner.at
  const result = parse(readValue(scanner, operator))
  return typeof result === 'string' ? scanner.fail(`${operator}: ${result}`, start) : result
}

function readEach<T>(scanner: Scanner, operator: string, lists: Lists, parse: (text: string) => T | string): T[] {
  return readList(scanner, lists).map(({ value, list, offset }) => {
    const result = parse(value)
    const where = list === undefined ? '' : `list '${list}': `
    return typeof result === 'string' ? scanner.fail(`${operator}: ${where}${result}`, offset) : result
  })
}

/** A value, with the list that it came from, and where it or the name of the list stands. */
interface Item {
  readonly value: string
  readonly list?: string
  readonly offset: number
}

/** Reads values in parentheses, or the name of a list. The name of a list in parentheses stands for its values. */
function readList(scanner: Scanner, lists: Lists): Item[] {
  const start = scanner.at
  if (scanner.take(/\(/y) === undefined) {
    const name = scanner.take(BARE)
    const items = name === undefined ? undefined : itemsOf(name, lists, start)
    if (items !== undefined) return items
    const lacking = name === undefined ? '' : `; there is no list '${name}'${didYouMean(nearest(name, lists.keys()))}`
    return scanner.fail(`list expected: '(' or the name of a list${lacking}`, start)
  }
  scanner.skipBlanks()
  if (scanner.take(/\)/y) !== undefined) return []
  const items: Item[] = []
  for (;;) {
    const offset = scanner.at
    const quoted = scanner.takeQuoted()
    const value = quoted ?? scanner.take(BARE) ?? scanner.fail(`value expected in the list${foundAt(scanner)}`)
    const named = quoted === undefined ? itemsOf(value, lists, offset) : undefined
    // A list may be too long to be spread.
    for (const item of named ?? [{ value, offset }]) items.push(item)
    scanner.skipBlanks()
    if (scanner.take(/\)/y) !== undefined) return items
    if (scanner.isDone) scanner.fail('list is not closed', start)
    if (scanner.take(/,/y) === undefined) scanner.fail(`',' or ')' expected in the list${foundAt(scanner)}`)
    scanner.skipBlanks()
  }
}

function itemsOf(list: string, lists: Lists, offset: number): Item[] | undefined {
  return lists.get(list)?.map((value) => ({ value, list, offset }))
}

/** The components of a path, each a pattern if it has `?`, `*` or `[`. */
function componentsOf(path: string): Glob[] | string {
  const components: Glob[] = []
  for (const text of path.split('/').filter((component) => component !== '')) {
    const glob = /[?*[]/.test(text) ? parseGlob(text) : { text, parts: [{ kind: 'text', text } as const] }
    if (typeof glob === 'string') return glob
    components.push(glob)
  }
  return components
}
