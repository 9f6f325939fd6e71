import type { Decimal } from '../../routing/decimal.ts'
import type { Comparison } from '../../routing/expression.ts'
import type { Image } from './image.ts'
import {
  OP_AT_LEAST,
  OP_AT_MOST,
  OP_CONTAINS,
  OP_ENDS,
  OP_EQUAL,
  OP_EXISTS,
  OP_HOST,
  OP_ICONTAINS,
  OP_IN,
  OP_INTERSECTS,
  OP_LESS,
  OP_MORE,
  OP_STARTS,
  OP_UNEQUAL,
} from './memory-layout.ts'

/** What a node compares its value with: an operation, and the address and length of a text, or of a list and its texts. */
export interface Code {
  readonly op: number
  readonly text: number
  readonly length: number
}

type Kind = Comparison['kind']

/** Operations that compare with one text, with several, and with a number. */
const TEXT_OPS: Readonly<Partial<Record<Kind, number>>> = {
  ...{ '=': OP_EQUAL, '!=': OP_UNEQUAL },
  ...{ contains: OP_CONTAINS, icontains: OP_ICONTAINS, startswith: OP_STARTS, endswith: OP_ENDS },
}
const LIST_OPS = { in: OP_IN, intersects: OP_INTERSECTS }
const NUMBER_OPS = { '<': OP_LESS, '<=': OP_AT_MOST, '>': OP_MORE, '>=': OP_AT_LEAST }

/** The kernel counts the places before a number's point in 32 bits. */
const MOST_PLACES = 1e9

/** Logs in which the value is there are the host's. */
const ASKS_HOST: Code = { op: OP_HOST, text: 0, length: 0 }

/** Puts what a comparison compares with into the image. */
export function codeOf(comparison: Comparison, image: Image): Code {
  const { kind, operand } = comparison
  if (operand.functions.length > 0) return ASKS_HOST
  if (kind === 'exists') return { op: OP_EXISTS, text: 0, length: 0 }
  if (kind === 'in' || kind === 'intersects') {
    const texts = comparison.to.map((text) => Buffer.from(text))
    return { op: LIST_OPS[kind], text: image.texts(texts), length: texts.length }
  }
  if (kind === '<' || kind === '<=' || kind === '>' || kind === '>=') {
    const { to } = comparison
    if (!('digits' in to) || Math.abs(to.point) > MOST_PLACES) return ASKS_HOST
    return { op: NUMBER_OPS[kind], text: image.words(decimalWords(to, image)), length: 0 }
  }
  const op = TEXT_OPS[kind]
  if (op === undefined || typeof comparison.to !== 'string') return ASKS_HOST
  const bytes = Buffer.from(kind === 'icontains' ? small(comparison.to) : comparison.to)
  return { op, text: image.text(bytes), length: bytes.length }
}

function decimalWords({ negative, digits, point }: Decimal, image: Image): number[] {
  return [negative ? 1 : 0, point, image.text(Buffer.from(digits)), digits.length]
}

/** Letters of ASCII are small. */
function small(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
