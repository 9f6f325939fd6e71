import { nearest } from '../core/nearest.ts'
import type { TextProblem } from './scanner.ts'

/** A pattern that others name, and the file and line that it stands in. */
export interface Definition {
  readonly text: string
  readonly place: string
}
export type Definitions = ReadonlyMap<string, Definition>

/** A grok pattern as one regular expression of RE2. */
export interface Expansion {
  readonly expression: string
  /** The field of each group, from the first. None for a group that no field is made of. */
  readonly fields: readonly string[]
  /** The names that it is made of. */
  readonly used: ReadonlySet<string>
}

/** Characters of a pattern as it is written, and as one expression. The longest of Logstash's has 10,000. */
export const LONGEST_PATTERN = 10_000
const LONGEST_EXPRESSION = 1 << 16
const DEEPEST = 32

/** `%{NAME}`, `%{NAME:field}`, `%{NAME:[field][inner]:int}`. A question mark in a field is a slip in Logstash's own patterns. */
const REFERENCE = /%\{(\w+)(?::([@[\]\w.?-]+)(?::(?:int|float))?)?\}/y
/** `(?<field>…)` */
const CAPTURE = /\(\?<([A-Za-z_[][\w.@[\]-]*)>/y
/** `(?m)`: in Ruby the dot then matches line ends. RE2 calls that `s`. */
const FLAGS = /\(\?[im]*(?:-[im]+)?[:)]/y
/** An escape, a class of characters in brackets, or any other character. */
const PLAIN = /\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|./sy
const ESCAPES: Readonly<Record<string, string>> = { '\\Z': '\\z', '\\h': '[0-9A-Fa-f]', '\\H': '[^0-9A-Fa-f]' }

/** Puts definitions in the place of their names, and RE2's spelling in the place of Ruby's. */
export function expand(text: string, definitions: Definitions): Expansion | TextProblem {
  const expanding = new Expanding(definitions)
  const problem = expanding.add(text, [])
  return problem ?? { expression: expanding.pieces.join(''), fields: expanding.fields, used: expanding.used }
}

class Expanding {
  readonly pieces: string[] = []
  readonly fields: string[] = []
  readonly used = new Set<string>()
  readonly #definitions: Definitions
  #length = 0

  constructor(definitions: Definitions) {
    this.#definitions = definitions
  }

  /** `inside`: the names that the text stands in, from the outermost. */
  add(text: string, inside: readonly string[]): TextProblem | undefined {
    for (let at = 0; at < text.length; ) {
      const special = this.#special(text, at, inside)
      if (typeof special === 'object') return special
      const plain = special === undefined ? (matchAt(PLAIN, text, at)?.[0] ?? '') : ''
      this.#put(ESCAPES[plain] ?? plain)
      if (this.#length > LONGEST_EXPRESSION) {
        return { problem: `is longer than ${LONGEST_EXPRESSION} characters with its patterns put in`, offset: at }
      }
      at += special ?? plain.length
    }
    return undefined
  }

  /** Puts in what has a meaning of its own at this place, and returns its length. */
  #special(text: string, at: number, inside: readonly string[]): number | TextProblem | undefined {
    if (text.startsWith('%{', at)) return this.#reference(matchAt(REFERENCE, text, at), at, inside)
    const capture = matchAt(CAPTURE, text, at)
    if (capture !== undefined) return this.#open(fieldOf(capture[1] as string), capture[0])
    const flags = matchAt(FLAGS, text, at)?.[0]
    if (flags !== undefined) return this.#put(flags.replaceAll('m', 's'), flags)
    if (text.startsWith('(?>', at)) return this.#put('(?:', '(?>')
    return text[at] === '(' && text[at + 1] !== '?' ? this.#put('(?:', '(') : undefined
  }

  #reference(found: RegExpExecArray | undefined, at: number, inside: readonly string[]): number | TextProblem {
    const [whole = '', name = '', field] = found ?? []
    if (found === undefined) return { problem: 'is no reference: write %{NAME} or %{NAME:field}', offset: at }
    const definition = this.#definitions.get(name)
    if (definition === undefined) {
      const meant = nearest(name, this.#definitions.keys())
      return { problem: `there is no pattern ${name}${meant ? `; did you mean ${meant}?` : ''}`, offset: at }
    }
    if (inside.includes(name)) return { problem: `the pattern ${name} contains itself`, offset: at }
    if (inside.length >= DEEPEST) return { problem: 'patterns stand in each other too deep', offset: at }
    this.used.add(name)
    if (field === undefined || field.startsWith('[@metadata]')) this.#put('(?:')
    else this.#open(fieldOf(field))
    const { problem } = this.add(definition.text, [...inside, name]) ?? {}
    if (problem !== undefined) {
      return { problem: inside.length > 0 ? problem : `${problem} (in ${name}, ${definition.place})`, offset: at }
    }
    return this.#put(')', whole)
  }

  #open(field: string, written = ''): number {
    this.fields.push(field)
    return this.#put('(', written)
  }

  #put(piece: string, written = piece): number {
    this.#length += piece.length
    this.pieces.push(piece)
    return written.length
  }
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}

/** `[source][ip]` is `source.ip`. */
function fieldOf(name: string): string {
  const plain = name.replaceAll('?', '')
  return plain.startsWith('[') ? plain.slice(1, -1).replaceAll('][', '.') : plain
}
