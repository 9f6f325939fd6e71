/** A part of a language that TypeScript does not know yet. */
interface ExactJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown
  rawJSON(text: string): object
}

const exact = JSON as unknown as ExactJson

/** Like `JSON.parse`, but numbers are objects that `JSON.stringify` writes as they were written. Throws a SyntaxError. */
export function parseExactly(text: string): unknown {
  return exact.parse(text, (_, value, { source }) =>
    typeof value === 'number' && source !== undefined ? exact.rawJSON(source) : value,
  )
}

/** A map of JSON; not a list, and not a number. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('rawJSON' in value)
}
