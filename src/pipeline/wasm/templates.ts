import type { Path } from '../../routing/path.ts'
import type { Template } from '../../routing/template.ts'
import { constantOf } from '../../routing/template.ts'
import type { Image } from './image.ts'
import { PART_SIZE } from './memory-layout.ts'

/** A text inside a JSON string: known before any log, or the words of the parts of a template. */
export type Filling = string | readonly number[]

type OperandOf = (path: Path) => number

/** `operandOf`: address of the operand for a path. */
export function fillingOf(template: Template, image: Image, operandOf: OperandOf): Filling {
  const constant = constantOf(template)
  return constant === undefined ? partsOf(template, image, operandOf) : insideOf(constant)
}

/** Words of the parts. */
export function partsOf({ parts }: Template, image: Image, operandOf: OperandOf): readonly number[] {
  return parts.flatMap((part) => {
    if (typeof part !== 'string') return [operandOf(part), 0, 0]
    const bytes = Buffer.from(insideOf(part))
    return [0, image.text(bytes), bytes.length]
  })
}

/** Address of the template's words. `otherwise`: words of the piece that stands for an empty text. */
export function templateWords(
  parts: readonly number[],
  image: Image,
  otherwise: readonly number[] = [0, 0, 0],
): number {
  return image.words([image.words(parts), parts.length / PART_SIZE, ...otherwise])
}

/** The inside of a JSON string. */
export function insideOf(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}
