import type { Scalar } from 'yaml'
import type { Interpolated, Uninterpolated } from './interpolation.ts'
import { Unresolved } from './shape.ts'

/** A value of the file and where it stands. Several places may share one, by anchor and alias. */
export type Written = WrittenText | WrittenMap | WrittenList

export interface WrittenText {
  readonly kind: 'text'
  /** As it was written, without its quotes. */
  readonly source: string
  readonly quoted: boolean
  readonly value: Interpolated | Uninterpolated
  readonly node: Scalar
  readonly size: 1
}

export interface WrittenMap {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, { readonly keyAt: number; readonly value: Written }>
  readonly at: number
  readonly size: number
}

export interface WrittenList {
  readonly kind: 'list'
  readonly items: readonly Written[]
  readonly at: number
  readonly size: number
}

/** The way from the root of the file to a value: keys of maps, and indexes of lists. */
export type KeyPath = readonly (string | number)[]

/** `routes[2].set.index`, for messages. */
export function pathText(path: KeyPath): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
}

export function entriesOf(written: Written | undefined): WrittenMap['entries'] {
  return written?.kind === 'map' ? written.entries : new Map()
}

/** The values of a list; a value that stands alone where a list is allowed. */
export function itemsOf(written: Written | undefined): readonly Written[] {
  if (written?.kind === 'list') return written.items
  return written?.kind === 'text' && !isNothing(written) ? [written] : []
}

/** Its text, with `${…}` replaced. */
export function textOf(written: Written | undefined): string | undefined {
  const value = written?.kind === 'text' ? plainOf(written) : undefined
  return typeof value === 'string' ? value : undefined
}

/** `key:` without a value, also by `${NAME:-}` or as `null`. */
export function isNothing({ source, quoted, value }: WrittenText): boolean {
  if ('problem' in value) return false
  if (value.replaced.length > 0) return value.text === ''
  return !quoted && /^(?:|~|null|Null|NULL)$/.test(source)
}

/** As plain data: texts, null, lists, and objects without a prototype. */
export function plainOf(written: Written, known: Map<Written, unknown> = new Map()): unknown {
  if (written.kind === 'text') {
    if ('problem' in written.value) return new Unresolved()
    return isNothing(written) ? null : written.value.text
  }
  // What several aliases stand for is one object here, too.
  const before = known.get(written)
  if (before !== undefined) return before
  const plain = written.kind === 'list' ? [] : Object.create(null)
  known.set(written, plain)
  if (written.kind === 'list') plain.push(...written.items.map((item) => plainOf(item, known)))
  else for (const [key, { value }] of written.entries) plain[key] = plainOf(value, known)
  return plain
}

/** What stands at a path, as far as it goes, with the place of its key. */
export function along(root: Written, path: KeyPath): { written: Written; keyAt: number | undefined; whole: boolean } {
  let found: { written: Written; keyAt: number | undefined } = { written: root, keyAt: undefined }
  for (const part of path) {
    const { written } = found
    const entry = written.kind === 'map' ? written.entries.get(String(part)) : undefined
    const item = written.kind === 'list' ? written.items[Number(part)] : undefined
    if (entry !== undefined) found = { written: entry.value, keyAt: entry.keyAt }
    else if (item !== undefined) found = { written: item, keyAt: undefined }
    // A value that stands alone where a list is allowed.
    else if (written.kind !== 'text' || part !== 0) return { ...found, whole: false }
  }
  return { ...found, whole: true }
}

const NUMBER = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/

/** As a JSON text, with the types of YAML 1.2. Numbers stay as they are written. */
export function jsonOf(written: Written): string {
  if (written.kind === 'list') return `[${written.items.map(jsonOf).join(',')}]`
  if (written.kind === 'map') {
    return `{${[...written.entries].map(([key, { value }]) => `${JSON.stringify(key)}:${jsonOf(value)}`).join(',')}}`
  }
  const { source, quoted, value } = written
  const text = 'problem' in value ? source : value.text
  if (quoted || text !== source) return JSON.stringify(text)
  if (isNothing(written)) return 'null'
  if (/^(?:true|false)$/i.test(source)) return source.toLowerCase()
  if (JSON_NUMBER.test(source)) return source
  return NUMBER.test(source) ? String(Number(source)) : JSON.stringify(source)
}
