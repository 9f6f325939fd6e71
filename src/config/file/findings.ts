import type { Problem } from '../problems.ts'
import { looksSecret, shown, shownCondition } from '../problems.ts'
import type { YamlDocument } from './document.ts'
import type { KeyPath, Written } from './written.ts'
import { along, pathText } from './written.ts'

export interface FileProblem {
  readonly problem: string
  readonly allowed?: string | undefined
  readonly example?: string | undefined
  readonly passing?: boolean | undefined
  /** Place in the value, after its `${…}` were replaced. */
  readonly offset?: number | undefined
  /** The problem is the key. */
  readonly ofKey?: boolean | undefined
  /** The value is not shown. */
  readonly secret?: boolean | undefined
}

/** A sentence about the place `at`. */
interface Note {
  readonly at: number
  readonly text: string
}

/** Collects what is wrong with a file, each with its place. */
export class Findings {
  readonly #file: string
  readonly #document: YamlDocument
  readonly #root: Written
  readonly #problems: { at: number; problem: Problem }[] = []
  readonly #warnings: Note[] = []
  readonly #remarks: Note[] = []

  /** `file` as the user named it. */
  constructor(file: string, document: YamlDocument, root: Written) {
    this.#file = file
    this.#document = document
    this.#root = root
    for (const { at, ...problem } of document.problems) {
      this.#problems.push({ at, problem: { variable: '', place: this.#placeOf(at), ...problem } })
    }
  }

  /** A problem of the value at a path. Where there is nothing it stands at what it should be in. */
  refuse(path: KeyPath, found: FileProblem): void {
    const { written, keyAt, whole } = along(this.#root, path)
    const { problem, allowed, example, passing, offset, ofKey, secret } = found
    const at = (ofKey || !whole ? keyAt : undefined) ?? this.#document.offsetOf(written, offset)
    const key = pathText(path)
    const hidden = secret || looksSecret(String(path.findLast((part) => typeof part === 'string')))
    const source = whole && !ofKey && !hidden && written.kind === 'text' ? written.source : ''
    this.#problems.push({
      at,
      problem: {
        variable: key,
        place: this.#placeOf(at),
        ...(source !== '' && { value: isCondition(path) ? shownCondition(source) : shown(source) }),
        problem,
        ...(allowed !== undefined && { allowed }),
        ...(example !== undefined && { example: `${path.findLast((part) => typeof part === 'string')}: ${example}` }),
        ...(passing && { passing }),
      },
    })
  }

  /** The `${…}` of the value at a path cannot be replaced. */
  refuseUnresolved(path: KeyPath): void {
    const { written } = along(this.#root, path)
    if (written.kind !== 'text' || !('problem' in written.value)) return
    const { problem, allowed, passing } = written.value
    // The value may be a secret that only looks as if it had a variable in it.
    if (problem !== '') this.refuse(path, { problem, allowed, passing, secret: true })
  }

  /** A warning about the key at a path, or about a place in its value. */
  warn(path: KeyPath, text: string, offset?: number): void {
    this.#warnings.push(this.#note(path, text, offset))
  }

  /** Something that may be meant so. Only who asks is told. */
  remark(path: KeyPath, text: string, offset?: number): void {
    this.#remarks.push(this.#note(path, text, offset))
  }

  get problems(): Problem[] {
    return this.#problems.sort((a, b) => a.at - b.at).map(({ problem }) => problem)
  }

  get warnings(): string[] {
    return this.#warnings.sort((a, b) => a.at - b.at).map(({ text }) => text)
  }

  get remarks(): string[] {
    return this.#remarks.sort((a, b) => a.at - b.at).map(({ text }) => text)
  }

  /** `file:line:column` of the value at a path. */
  placeOf(path: KeyPath): string {
    return this.#placeOf(this.#document.offsetOf(along(this.#root, path).written))
  }

  #note(path: KeyPath, text: string, offset: number | undefined): Note {
    const { written, keyAt } = along(this.#root, path)
    const at = (offset === undefined ? keyAt : undefined) ?? this.#document.offsetOf(written, offset)
    return { at, text: `${this.#placeOf(at)} ${pathText(path)}: ${text}` }
  }

  #placeOf(at: number): string {
    return `${this.#file}:${this.#document.placeOf(at)}`
  }
}

function isCondition(path: KeyPath): boolean {
  return path[0] === 'macros' || (path[0] === 'routes' && path.at(-1) === 'when')
}
