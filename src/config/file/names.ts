import { nearest } from '../../core/nearest.ts'
import type { Findings } from './findings.ts'
import type { KeyPath, Written } from './written.ts'
import { entriesOf } from './written.ts'

/** The values of the names of a file, and which names were used. */
export class Names {
  readonly #kind: string
  readonly #section: string
  readonly #known: readonly string[]
  readonly #used = new Set<string>()
  readonly #findings: Findings

  constructor(kind: string, section: string, root: Written, findings: Findings) {
    this.#kind = kind
    this.#section = section
    this.#known = [...entriesOf(entriesOf(root).get(section)?.value).keys()]
    this.#findings = findings
  }

  get all(): readonly string[] {
    return this.#known
  }

  /** Whether it is known. `also` are words that may stand in place of a name. */
  use(path: KeyPath, name: string, also: readonly string[] = []): boolean {
    this.markUsed(name)
    return this.know(path, name, also)
  }

  /** The same, without using it. */
  know(path: KeyPath, name: string, also: readonly string[] = []): boolean {
    const known = [...also, ...this.#known]
    if (known.includes(name)) return true
    const meant = nearest(name, known)
    this.#findings.refuse(path, {
      problem: `there is no ${this.#kind} of this name${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      allowed: known.length === 0 ? `a name of ${this.#section}` : known.join(', '),
    })
    return false
  }

  markUsed(name: string): void {
    this.#used.add(name)
  }

  warnOfUnused(): void {
    for (const name of this.#known) {
      if (!this.#used.has(name)) this.#findings.warn([this.#section, name], `nothing uses this ${this.#kind}`)
    }
  }
}

export type AllNames = Readonly<Record<'sources' | 'sinks' | 'credentials' | 'lists' | 'macros', Names>>

export function namesOf(root: Written, findings: Findings): AllNames {
  return {
    sources: new Names('source', 'sources', root, findings),
    sinks: new Names('sink', 'sinks', root, findings),
    credentials: new Names('entry of credentials', 'credentials', root, findings),
    lists: new Names('list', 'lists', root, findings),
    macros: new Names('macro', 'macros', root, findings),
  }
}
