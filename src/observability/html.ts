const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Markup that is safe to send: only `html` makes it, and it escapes everything else. */
export class Html {
  readonly #markup: string

  constructor(parts: TemplateStringsArray, values: readonly HtmlValue[]) {
    this.#markup = parts.map((part, index) => part + (index < values.length ? markupOf(values[index]) : '')).join('')
  }

  toString(): string {
    return this.#markup
  }
}

export type HtmlValue = Html | string | number | undefined | readonly HtmlValue[]

/** Markup whose values are escaped, for text and for attributes in double quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(parts, values)
}

function markupOf(value: HtmlValue): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.toString()
  if (typeof value === 'string') return value.replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
  return typeof value === 'number' ? String(value) : value.map(markupOf).join('')
}
