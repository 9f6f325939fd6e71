import type { Scanner, TextProblem } from './scanner.ts'
import { parsed } from './scanner.ts'

/** The tag of a container in the language of Docker, as far as a log can fill it in: `{{.ImageName}}/{{.Name}}`. */
export interface TagTemplate {
  readonly text: string
  readonly parts: readonly (string | TagValue)[]
}

interface TagValue {
  readonly field: TagField
  /** Applied in this order. */
  readonly functions: readonly TagFunction[]
}

const TAG_FIELDS = ['ID', 'FullID', 'Name', 'ImageName', 'DaemonName'] as const
export type TagField = (typeof TAG_FIELDS)[number]

export type TagFunction = { readonly name: 'lower' | 'upper' } | { readonly name: 'truncate'; readonly bytes: number }

export function parseTagTemplate(text: string): TagTemplate | TextProblem {
  return parsed(text, (scanner) => {
    const parts: (string | TagValue)[] = []
    while (!scanner.isDone) {
      const literal = scanner.take(/(?:[^{]|\{(?!\{))+/y)
      parts.push(literal ?? readValue(scanner))
    }
    return { text, parts }
  })
}

/** `{{.Name}}`, `{{lower .Name}}`, `{{.Name | upper}}`, `{{truncate .Name 5}}`. */
function readValue(scanner: Scanner): TagValue {
  const start = scanner.at
  scanner.take(/\{\{\s*/y)
  const functions: TagFunction[] = []
  const called = scanner.take(/(?:lower|upper|truncate)(?=\s)/y)
  scanner.take(/\s+/y)
  const field = readField(scanner)
  if (called === 'lower' || called === 'upper') functions.push({ name: called })
  if (called === 'truncate') functions.push({ name: 'truncate', bytes: readLength(scanner) })
  for (;;) {
    if (scanner.take(/\s*\|\s*/y) === undefined) break
    const next = scanner.take(/(?:lower|upper)\b/y) ?? scanner.fail('lower or upper expected behind |')
    functions.push({ name: next as 'lower' | 'upper' })
  }
  scanner.skipBlanks()
  if (scanner.take(/\}\}/y) === undefined) {
    scanner.fail(scanner.isDone ? '{{ is not closed' : "'}}' expected", scanner.isDone ? start : scanner.at)
  }
  return { field, functions }
}

function readField(scanner: Scanner): TagField {
  const start = scanner.at
  const name = scanner.take(/\.\w+/y)?.slice(1)
  const field = TAG_FIELDS.find((one) => one === name)
  if (field !== undefined) return field
  const known = TAG_FIELDS.map((one) => `.${one}`).join(', ')
  return scanner.fail(
    name === undefined
      ? `one of ${known} expected, or lower, upper or truncate before it`
      : `a log has no .${name}; it may have ${known}`,
    start,
  )
}

function readLength(scanner: Scanner): number {
  scanner.take(/\s+/y)
  const digits = scanner.take(/\d{1,4}\b/y) ?? scanner.fail('a length expected: truncate .Name 5')
  return Number(digits)
}
