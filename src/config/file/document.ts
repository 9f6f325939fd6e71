import type { Alias, Node, Pair, YAMLError, YAMLMap, YAMLSeq } from 'yaml'
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, Scalar } from 'yaml'
import { onOneLine } from '../../core/text.ts'
import type { Interpolation } from './interpolation.ts'
import { offsetInValue } from './interpolation.ts'
import { scalarOffset } from './scalar-offset.ts'
import type { Written, WrittenList, WrittenMap, WrittenText } from './written.ts'

/** The problems of the text as YAML. */
export interface TextProblem {
  /** In the text of the file. */
  readonly at: number
  readonly problem: string
  readonly allowed?: string
}

/** Pieces of text as the lexer cuts it. 1 MiB of a sensible file has fewer. */
const MOST_LEXEMES = 200_000
/** Collections in each other, counted as the parser does, two for each. */
const DEEPEST = 200
/** Values after aliases are replaced by what they stand for. */
const MOST_VALUES = 100_000

/** A configuration file as YAML 1.2. It ends quickly, whatever the text is. */
export class YamlDocument {
  readonly problems: readonly TextProblem[]
  /** Absent if the text is no YAML, or too much of it. */
  readonly root: Written | undefined
  readonly #text: string
  readonly #lines: LineCounter

  constructor(text: string, interpolation: Pick<Interpolation, 'of'>) {
    this.#text = text
    this.#lines = new LineCounter()
    const problems: TextProblem[] = []
    const contents = compose(text, this.#lines, problems)
    if (contents === undefined && problems.length === 0) problems.push({ at: 0, problem: 'the file holds nothing' })
    this.root = contents && problems.length === 0 ? new Conversion(interpolation, problems).rootOf(contents) : undefined
    this.problems = problems
  }

  /** `line:column`, both from 1. */
  placeOf(at: number): string {
    const { line, col } = this.#lines.linePos(at)
    return `${line}:${col}`
  }

  /** In the text of the file: of a value, or of what stands at `offset` of a value in which `${…}` is replaced. */
  offsetOf(written: Written, offset?: number): number {
    if (written.kind !== 'text') return written.at
    const { node, value } = written
    if ('problem' in value) return scalarOffset(this.#text, node, value.offset)
    return offset === undefined ? (node.range?.[0] ?? 0) : scalarOffset(this.#text, node, offsetInValue(value, offset))
  }
}

function compose(text: string, lines: LineCounter, problems: TextProblem[]): Node | undefined {
  // The parser passes over line ends in what it does not understand.
  for (let start = 0; start >= 0; start = text.indexOf('\n', start) + 1 || -1) lines.addNewLine(start)
  const lexer = new Lexer()
  const parser = new Parser()
  const tokens = []
  let [lexemes, at] = [0, 0]
  for (const lexeme of lexer.lex(text)) {
    tokens.push(...parser.next(lexeme))
    if (!MARKS.has(lexeme)) at += lexeme.length
    lexemes++
    if (lexemes > MOST_LEXEMES)
      problems.push({ at: 0, problem: 'the file has too many values', allowed: 'at most some 50,000' })
    if (parser.stack.length > DEEPEST)
      problems.push({
        at: Math.min(at, text.length),
        problem: 'lists and maps are nested too deep',
        allowed: 'at most 100',
      })
    if (problems.length > 0) return undefined
  }
  tokens.push(...parser.end())
  const [first, second] = composed(tokens, text.length)
  if (second !== undefined)
    problems.push({ at: second.range[0], problem: 'a second YAML document begins here', allowed: 'one document' })
  const mistakes = [...(first?.errors ?? []), ...(first?.warnings ?? [])]
  for (const { pos, code, message } of mistakes.slice(0, MOST_SYNTAX_PROBLEMS)) {
    const misplaced = code === 'BLOCK_AS_IMPLICIT_KEY' ? misplacedLine(text, pos[0], mistakes) : undefined
    if (misplaced !== undefined) {
      problems.push(misplaced)
      return undefined
    }
    const [problem, allowed] = SYNTAX[code] ?? [`the parser cannot read what stands here (${onOneLine(message)})`]
    problems.push({
      at: Math.min(pos[0], text.length),
      problem: `is not YAML: ${problem}`,
      ...(allowed && { allowed }),
    })
  }
  return first?.contents ?? undefined
}

/** Lexemes that stand for no text: a document, a scalar, an error in a flow. */
const MARKS: ReadonlySet<string> = new Set(['\u0002', '\u001f', '\u0018'])
/** The frequent mistakes, in words that say what to do. */
const SYNTAX: Readonly<Record<string, readonly [problem: string, allowed: string]>> = {
  TAB_AS_INDENT: ['a tab indents this line', 'blanks'],
  BLOCK_AS_IMPLICIT_KEY: ['there is a second ": " in this line', 'quotes around a value with ": " in it'],
  MULTILINE_IMPLICIT_KEY: ['there is no ": " behind a key', 'key: value'],
  MISSING_CHAR: ['a quote is not closed, or there is no ": " behind a key', 'closed quotes; key: value'],
  UNEXPECTED_TOKEN: [
    'something stands behind a value that is complete, often behind its closing quote',
    "one pair of quotes around the whole value; inside '…' a quote is written twice: 'it''s'",
  ],
  BAD_SCALAR_START: ['a value begins with a character that needs quotes', "quotes: '@project = p'"],
  TAG_RESOLVE_FAILED: ['a value begins with !, which YAML takes for a type', "quotes: '!x'"],
  BAD_DQ_ESCAPE: ['a \\ in "…" is no escape that YAML knows', "single quotes, in which a \\ is itself: '\\d+'"],
  BAD_INDENT: [
    'the indentation does not fit, or a { or [ above is not closed',
    'the same indentation for all keys of a map. A blank and # begin a comment: a value with # in it needs quotes',
  ],
}
/** The first says what is wrong; the others mostly follow from it. */
const MOST_SYNTAX_PROBLEMS = 3

/** The parser takes a line of the wrong indentation for a part of the value above it. `at`: where a map begins in a value. */
function misplacedLine(text: string, at: number, mistakes: readonly YAMLError[]): TextProblem | undefined {
  if (mistakes.some(({ code, pos }) => code === 'MULTILINE_IMPLICIT_KEY' && pos[0] === at)) {
    return {
      at: text.indexOf('\n', at) + 1,
      problem: 'is not YAML: this line is indented more than the key above it, which has a value already',
      allowed: 'the same indentation for all keys of a map, and quotes around a value with ": " in it',
    }
  }
  const item = / *- /y
  item.lastIndex = at
  if (text[at - 1] !== '\n' || !item.test(text)) return undefined
  return {
    at,
    problem: 'is not YAML: this item is indented less than the others of its list',
    allowed: 'the same indentation for all items of a list',
  }
}

/** Errors of this parser cost their stack traces, and a hostile text has very many errors. */
function composed(tokens: Parameters<Composer['compose']>[0], length: number) {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    const options = { schema: 'failsafe', uniqueKeys: false, prettyErrors: false } as const
    return [...new Composer(options).compose(tokens, true, length)]
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

class Conversion {
  readonly #interpolation: Pick<Interpolation, 'of'>
  readonly #problems: TextProblem[]
  /** The value of each anchor; `undefined` while it is not whole yet. */
  readonly #anchors = new Map<string, Written | undefined>()

  constructor(interpolation: Pick<Interpolation, 'of'>, problems: TextProblem[]) {
    this.#interpolation = interpolation
    this.#problems = problems
  }

  rootOf(node: Node): Written | undefined {
    const root = this.#written(node)
    if (root.size <= MOST_VALUES) return root
    this.#problems.push({
      at: 0,
      problem: 'its aliases stand for too many values',
      allowed: `at most ${MOST_VALUES}`,
    })
    return undefined
  }

  #written(node: Node): Written {
    if (isAlias(node)) return this.#anchored(node)
    const { anchor } = node as Scalar
    if (anchor !== undefined) this.#anchors.set(anchor, undefined)
    const written = this.#converted(node)
    if (anchor !== undefined) this.#anchors.set(anchor, written)
    return written
  }

  #converted(node: Node): Written {
    if (isMap(node)) return this.#map(node as YAMLMap<Node, Node | null>)
    if (isSeq(node)) return this.#list(node as YAMLSeq<Node>)
    return this.#text(node as Scalar)
  }

  #text(node: Scalar): WrittenText {
    const source = node.source ?? ''
    const quoted = node.type !== 'PLAIN'
    return { kind: 'text', source, quoted, value: this.#interpolation.of(source), node, size: 1 }
  }

  #list(node: YAMLSeq<Node>): WrittenList {
    const items = node.items.map((item) => this.#written(item))
    return { kind: 'list', items, at: node.range?.[0] ?? 0, size: sizeOf(items) }
  }

  #map(node: YAMLMap<Node, Node | null>): WrittenMap {
    const entries = new Map<string, { keyAt: number; value: Written }>()
    for (const pair of node.items) {
      const key = this.#key(pair)
      const value = this.#written(pair.value ?? nothingAt(key?.at ?? 0))
      if (key === undefined) continue
      const first = entries.get(key.text)
      if (first === undefined) entries.set(key.text, { keyAt: key.at, value })
      else
        this.#problems.push({
          at: key.at,
          problem: `the key "${onOneLine(key.text)}" stands twice in this map`,
          allowed: 'each key once',
        })
    }
    const values = [...entries.values()].map(({ value }) => value)
    return { kind: 'map', entries, at: node.range?.[0] ?? 0, size: sizeOf(values) }
  }

  #key({ key }: Pair<Node, Node | null>): { text: string; at: number } | undefined {
    const at = key?.range?.[0] ?? 0
    if (isScalar(key)) return { text: key.source ?? '', at }
    this.#problems.push({ at, problem: 'a key is not text', allowed: 'text' })
    return undefined
  }

  #anchored(node: Alias): Written {
    const written = this.#anchors.get(node.source)
    if (written !== undefined) return written
    const at = node.range?.[0] ?? 0
    const problem = this.#anchors.has(node.source) ? 'contains itself' : 'is no anchor above'
    this.#problems.push({ at, problem: `the alias *${onOneLine(node.source)} ${problem}` })
    return { ...this.#text(nothingAt(at)), value: UNKNOWN }
  }
}

/** A value that cannot be known. Its problem is told already. */
const UNKNOWN = { problem: '', allowed: '', offset: 0 }

/** The value of a key in `{key}`. */
function nothingAt(at: number): Scalar {
  const nothing = new Scalar(null)
  return Object.assign(nothing, { source: '', type: 'PLAIN' as const, range: [at, at, at] as [number, number, number] })
}

function sizeOf(inner: readonly Written[]): number {
  return inner.reduce((sum, { size }) => sum + size, 1)
}
