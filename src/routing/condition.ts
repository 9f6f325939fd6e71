import { nearest } from '../core/nearest.ts'
import type { Lists } from './comparison.ts'
import { didYouMean, isOperator, readArgument, readOperand, readOperator, unknownOperator, WORD } from './comparison.ts'
import type { Expression, Operand } from './expression.ts'
import { FUNCTIONS } from './expression.ts'
import type { Scanner, TextProblem } from './scanner.ts'
import { parsed } from './scanner.ts'

/** A condition on a log: Falco's language, with keys of Log Service and paths into JSON. */
export interface Condition {
  /** As it was written. */
  readonly text: string
  readonly expression: Expression
}

/** The macros and lists that a condition may name. */
export interface Names {
  /** Texts of conditions by name. */
  readonly macros: ReadonlyMap<string, string>
  readonly lists: Lists
}

export interface ConditionProblem extends TextProblem {
  /** The macro in whose text the problem is. Then the offset is the place where the condition names the macro. */
  readonly macro?: string
}

const MOST_BYTES = 64 * 1024
const MOST_DEPTH = 100
/** Macros that use macros could make a condition of any size. */
const MOST_COMPARISONS = 10_000
/** The same is true of lists. */
const MOST_VALUES = 1_000_000

export function parseCondition(text: string, names: Names): Condition | ConditionProblem {
  const shared: Shared = { names, depth: 0, comparisons: 0, values: 0 }
  const expression = read(text, shared, [])
  if (!('problem' in expression)) return { text, expression }
  return shared.broken === undefined ? expression : { ...expression, macro: shared.broken }
}

/** What the readers of a condition and of its macros have in common. */
interface Shared {
  readonly names: Names
  depth: number
  comparisons: number
  /** In lists. */
  values: number
  /** The macro in which the reading ended. */
  broken?: string
}

/** Reads the text of a condition, or of the last of these macros, at this place of the condition. */
function read(text: string, shared: Shared, macros: readonly string[], place?: number): Expression | TextProblem {
  return parsed(text, (scanner) => {
    const bytes = Buffer.byteLength(text)
    if (bytes > MOST_BYTES) scanner.fail(`a condition has at most 64 KiB; this one has ${bytes} bytes`)
    return new ConditionReader(scanner, shared, macros, place).condition()
  })
}

/** Reads one text by recursive descent: `or` of `and` of `not` of checks. */
class ConditionReader {
  readonly #scanner: Scanner
  readonly #shared: Shared
  readonly #macros: readonly string[]
  readonly #place: number | undefined

  constructor(scanner: Scanner, shared: Shared, macros: readonly string[], place: number | undefined) {
    this.#scanner = scanner
    this.#shared = shared
    this.#macros = macros
    this.#place = place
  }

  condition(): Expression {
    const expression = this.#or()
    this.#scanner.skipBlanks()
    return this.#scanner.isDone ? expression : this.#fail("'and', 'or' or the end expected")
  }

  #or(): Expression {
    return this.#joined('or', () => this.#joined('and', () => this.#not()))
  }

  #joined(kind: 'and' | 'or', part: () => Expression): Expression {
    const first = part()
    const parts = [first]
    while (this.#takeWord(kind)) parts.push(part())
    return parts.length === 1 ? first : { kind, parts }
  }

  #not(): Expression {
    const start = this.#scanner.at
    return this.#takeWord('not') ? { kind: 'not', part: this.#deeper(start, () => this.#not()) } : this.#check()
  }

  #check(): Expression {
    const scanner = this.#scanner
    scanner.skipBlanks()
    const start = scanner.at
    if (scanner.take(/\(/y) === undefined) return this.#comparison()
    const expression = this.#deeper(start, () => this.#or())
    scanner.skipBlanks()
    if (scanner.isDone) scanner.fail('parenthesis is not closed', start)
    return scanner.take(/\)/y) === undefined ? this.#fail("'and', 'or' or ')' expected") : expression
  }

  #comparison(): Expression {
    const scanner = this.#scanner
    const start = scanner.at
    if (scanner.isAt('!')) scanner.fail("a field expected, found '!' (did you mean 'not'?)")
    const word = scanner.peek(WORD)
    if (word === 'and' || word === 'or' || isOperator(word)) {
      scanner.fail(`a field expected, found '${word}'; a field of this name is written ["${word}"]`)
    }
    const operand = readOperand(scanner)
    const end = scanner.at
    const operator = readOperator(scanner)
    if (operator === undefined) return this.#macro(operand, start, end)
    if (++this.#shared.comparisons > MOST_COMPARISONS) {
      scanner.fail(`a condition has at most ${MOST_COMPARISONS} comparisons, those of its macros included`, start)
    }
    const compared = readArgument(scanner, operator, this.#shared.names.lists)
    if ('to' in compared && Array.isArray(compared.to)) this.#shared.values += compared.to.length
    if (this.#shared.values > MOST_VALUES) {
      scanner.fail(`the lists of a condition have at most ${MOST_VALUES} values, those of its macros included`, start)
    }
    return { ...compared, operand, text: scanner.text.slice(start, scanner.at).trimEnd(), offset: this.#place ?? start }
  }

  /** No operator follows what was read: it is the name of a macro, or something is missing. */
  #macro(operand: Operand, start: number, end: number): Expression {
    const scanner = this.#scanner
    const { macros } = this.#shared.names
    const name = scanner.text.slice(start, end)
    const text = macros.get(name)
    if (text !== undefined) {
      const expression = this.#expanded(name, text, start)
      scanner.at = end
      return expression
    }
    const isName = operand.functions.length === 0 && /^[\w:@$-]+$/.test(name)
    if (isName && scanner.isAt('(')) {
      scanner.fail(`unknown function '${name}'${didYouMean(nearest(name, FUNCTIONS))}`, start)
    }
    const word = scanner.peek(WORD)
    if (word !== undefined && word !== 'and' && word !== 'or') scanner.fail(unknownOperator(word))
    if (!isName) scanner.fail('no operator follows the field', start)
    const meant = didYouMean(nearest(name, macros.keys()))
    return scanner.fail(`there is no macro '${name}'${meant}, and no operator follows the field`, start)
  }

  #expanded(name: string, text: string, start: number): Expression {
    const scanner = this.#scanner
    const macros = [...this.#macros, name]
    if (this.#macros.includes(name)) {
      const circle = macros.slice(macros.indexOf(name)).join(' → ')
      scanner.fail(`macro '${name}' uses itself: ${circle}`, start)
    }
    const expression = this.#deeper(start, () => read(text, this.#shared, macros, this.#place ?? start))
    if (!('problem' in expression)) return expression
    this.#shared.broken ??= name
    const { line, column } = placeIn(text, expression.offset)
    return scanner.fail(`macro '${name}' ${line}:${column}: ${expression.problem}`, start)
  }

  #deeper<T>(start: number, read: () => T): T {
    if (++this.#shared.depth > MOST_DEPTH) {
      this.#scanner.fail(`more than ${MOST_DEPTH} parentheses, 'not' and macros in one another`, start)
    }
    const result = read()
    this.#shared.depth--
    return result
  }

  #takeWord(word: string): boolean {
    this.#scanner.skipBlanks()
    if (this.#scanner.peek(WORD) !== word) return false
    this.#scanner.at += word.length
    return true
  }

  #fail(expected: string): never {
    const scanner = this.#scanner
    scanner.skipBlanks()
    const found = scanner.peek(/&&|\|\||[\w.:@$-]+|./suy) ?? ''
    const meant = KEYWORDS.get(found.toLowerCase())
    const quotes =
      meant === undefined && /^[=,('"]/.test(found) ? '; a value with blanks or any of = , ( ) needs quotes' : ''
    return scanner.fail(`${expected}, found '${found}'${didYouMean(meant)}${quotes}`)
  }
}

/** By what is written in their place. */
const KEYWORDS: ReadonlyMap<string, string> = new Map([
  ['&&', 'and'],
  ['||', 'or'],
  ['and', 'and'],
  ['or', 'or'],
])

/** Line and column of a place, from 1. */
function placeIn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 }
}
