import { resolve } from 'node:path'
import { mayComeLater } from '../../core/errors.ts'
import { readPlainFile } from '../../core/plain-file.ts'
import type { Environment } from '../environment.ts'
import { withoutPath } from '../problems.ts'

/** A value of the file with its `${…}` replaced. */
export interface Interpolated {
  readonly text: string
  /** Where text of the result comes from another place of the value than at the same offset. Ordered. */
  readonly replaced: readonly Replaced[]
  /** The file of a value that is `${file:…}` and nothing else. Its content may change while the process runs. */
  readonly path?: string
}

/** `[from, to)` of the value became `[at, at + length)` of the result. */
interface Replaced {
  readonly from: number
  readonly to: number
  readonly at: number
  readonly length: number
  readonly by: Origin
}

/** The file itself gives the text of a literal `${` and of a default. */
type Origin = 'literal' | 'default' | 'outside'

export interface Uninterpolated {
  readonly problem: string
  readonly allowed: string
  /** Place in the value. */
  readonly offset: number
  readonly passing?: boolean
}

const ALLOWED = '${NAME}, ${NAME:-default}, ${file:/path}; $${ for a literal ${'

/** Replaces the `${…}` of values. It remembers which variables were quoted. */
export class Interpolation {
  /** Names of variables that the file quotes, with `NAME_FILE` where that gave the value. */
  readonly quoted: Set<string> = new Set()
  readonly #env: Environment
  readonly #folder: string

  /** Paths in `${file:…}` start at `folder`. */
  constructor(env: Environment, folder: string) {
    this.#env = env
    this.#folder = folder
  }

  of(value: string): Interpolated | Uninterpolated {
    if (!value.includes('${')) return { text: value, replaced: [] }
    const replaced: Replaced[] = []
    let text = ''
    let done = 0
    for (const { 0: whole, 1: inner, index } of value.matchAll(/\$\$\{|\$\{([^}]*)\}?/g)) {
      const found: Found =
        inner === undefined ? { text: '${', by: 'literal' } : this.#valueOf(inner, whole.endsWith('}'))
      if ('problem' in found) return { ...found, allowed: ALLOWED, offset: index }
      text += value.slice(done, index)
      done = index + whole.length
      replaced.push({ from: index, to: done, at: text.length, length: found.text.length, by: found.by ?? 'outside' })
      text += found.text
      if (found.path !== undefined && whole === value) return { text, replaced, path: found.path }
    }
    return { text: text + value.slice(done), replaced }
  }

  #valueOf(inner: string, closed: boolean): Found {
    if (!closed) return { problem: '${ has no }' }
    if (inner.startsWith('file:')) return this.#contentOf(inner.slice('file:'.length))
    const [, name, fallback] = /^([A-Za-z_]\w*)(?::-(.*))?$/s.exec(inner) ?? []
    if (name === undefined) return { problem: 'this ${…} is none of the known forms' }
    this.quoted.add(name)
    const given = this.#env[name]?.trim()
    if (given) return { text: given }
    const path = this.#env[`${name}_FILE`]?.trim()
    if (path) {
      this.quoted.add(`${name}_FILE`)
      return this.#read(path, `the file that ${name}_FILE names`)
    }
    return fallback === undefined
      ? { problem: `the environment variable ${name} is not set` }
      : { text: fallback, by: 'default' }
  }

  #contentOf(path: string): Found {
    return path.trim() === ''
      ? { problem: '${file:} names no file' }
      : this.#read(resolve(this.#folder, path), 'the file')
  }

  #read(path: string, what: string): Found {
    try {
      const text = readPlainFile(path).trim()
      return text === '' ? { problem: `${what} is empty`, passing: true } : { text, path }
    } catch (error) {
      return { problem: `${what} cannot be read: ${withoutPath(error)}`, passing: mayComeLater(error) }
    }
  }
}

type Found = { text: string; path?: string; by?: Origin } | { problem: string; passing?: boolean }

/** The place in the value of what stands at `offset` of the result. */
export function offsetInValue({ replaced }: Interpolated, offset: number): number {
  let shift = 0
  for (const { from, to, at, length } of replaced) {
    if (offset < at) break
    if (offset < at + length) return from
    shift = to - (at + length)
  }
  return offset + shift
}
