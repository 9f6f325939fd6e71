import type { Comparison } from '../../routing/expression.ts'
import type { Image } from './image.ts'
import { OP_CONTAINS, OP_ENDS, OP_EQUAL, OP_EXISTS, OP_IN, OP_STARTS, OP_UNEQUAL } from './memory-layout.ts'
import { Unsupported } from './unsupported.ts'

/** What a node compares its value with: an operation, and the address and length of a text, or of a list and its texts. */
export interface Code {
  readonly op: number
  readonly text: number
  readonly length: number
}

/** Operations that compare with one text. */
const TEXT_OPS: Readonly<Partial<Record<Comparison['kind'], number>>> = {
  ...{ '=': OP_EQUAL, '!=': OP_UNEQUAL },
  ...{ contains: OP_CONTAINS, startswith: OP_STARTS, endswith: OP_ENDS },
}

/** Puts what a comparison compares with into the image. */
export function codeOf(comparison: Comparison, image: Image): Code {
  const { kind } = comparison
  if (kind === 'exists') return { op: OP_EXISTS, text: 0, length: 0 }
  if (kind === 'in') {
    const texts = comparison.to.map((text) => Buffer.from(text))
    return { op: OP_IN, text: image.texts(texts), length: texts.length }
  }
  const op = TEXT_OPS[kind]
  if (op === undefined) throw new Unsupported(kind)
  if (typeof comparison.to !== 'string') throw new Unsupported('val()')
  const bytes = Buffer.from(comparison.to)
  return { op, text: image.text(bytes), length: bytes.length }
}
