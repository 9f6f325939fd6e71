import { labelOf } from '../core/text.ts'

const LABEL_VALUES = 200

/** Values of labels that a server chooses. Each makes a series that stays, so their number is limited; the rest are `other`. */
export class BoundedLabels {
  readonly #values = new Map<string, Set<string>>()

  /** Status and code of an answer, limited as a pair for each `of`. */
  answer(of: string, status: number | 'error', code: string): { status: number | string; code: string } {
    const plain = labelOf(code)
    return this.#admits(of, `${status} ${plain}`) ? { status, code: plain } : { status: 'other', code: 'other' }
  }

  value(label: string, value: string): string {
    const plain = labelOf(value)
    return this.#admits(label, plain) ? plain : 'other'
  }

  /** Whether the label may have this value: it is known, or the limit is not reached. */
  #admits(label: string, value: string): boolean {
    const values = this.#values.get(label) ?? new Set()
    this.#values.set(label, values)
    if (!values.has(value) && values.size >= LABEL_VALUES) return false
    values.add(value)
    return true
  }
}
