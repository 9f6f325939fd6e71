import type { Scanner, TextProblem } from './scanner.ts'
import { parsed } from './scanner.ts'

/**
 * The name of a value of a log: a content (`status`), a tag (`__tag__:__hostname__`), `__topic__`, `__source__`, a value that
 * the bridge knows (`@project`), or something inside the JSON text of one of them (`event.user.name`, `event["a.b"][0]`).
 */
export interface Path {
  readonly text: string
  /**
   * A dot may belong to a content's key, or descend into its JSON. The first reading whose key is there counts, even if its
   * JSON does not have the rest. The longest key comes first.
   */
  readonly readings: readonly Reading[]
}

export type Reading = (
  | { readonly of: 'content' | 'tag' | 'topic' | 'source' /** Of a tag: without `__tag__:`. */; readonly key: string }
  | { readonly of: 'bridge'; readonly key: BridgeValue }
) & {
  /** The way into the value's JSON text: keys of objects and indexes of arrays. Empty: the value itself. */
  readonly rest: readonly (string | number)[]
}

/**
 * Values that are not in the log. `@source` is the name of the configured source, `@time` the log's time in whole seconds of
 * Unix time, `@size` the bytes of the log as Log Service sends it.
 */
const BRIDGE_VALUES = ['@project', '@logstore', '@source', '@shard', '@time', '@size'] as const
type BridgeValue = (typeof BRIDGE_VALUES)[number]

const TOPIC = '__topic__'
const SOURCE = '__source__'
const TAG = '__tag__:'
const MOST_STEPS = 100

const NAME = /[A-Za-z_@$][\w:@$-]*/y

export function parsePath(text: string): Path | TextProblem {
  return parsed(text, (scanner) => {
    const path = readPath(scanner)
    if (!scanner.isDone) scanner.fail('the end of the path expected')
    return path
  })
}

/** Whether all logs of a group have the same value there. */
export function isOfGroup({ readings }: Path): boolean {
  return readings.every(({ of, key }) => of !== 'content' && key !== '@time' && key !== '@size')
}

/** Whether all logs of a logstore have the same value there. */
export function isOfLogstore({ readings }: Path): boolean {
  return readings.every(({ of, key }) => of === 'bridge' && key !== '@shard' && key !== '@time' && key !== '@size')
}

/** Reads a path from where the scanner is. */
export function readPath(scanner: Scanner): Path {
  const start = scanner.at
  const key = readKey(scanner)
  const names = key === undefined ? readNames(scanner) : []
  const rest: (string | number)[] = []
  for (;;) {
    const step = scanner.take(/\./y) === undefined ? (readIndex(scanner) ?? readKey(scanner)) : readName(scanner)
    if (step === undefined) break
    rest.push(step)
  }
  if (names.length + rest.length > MOST_STEPS) scanner.fail(`a path has at most ${MOST_STEPS} steps`, start)
  const readings = key === undefined ? readingsOf(names, rest) : [reading(key, rest)]
  return { text: scanner.text.slice(start, scanner.at), readings }
}

function readNames(scanner: Scanner): string[] {
  const first = scanner.take(NAME)
  if (first === undefined) scanner.fail(`a field expected${foundAt(scanner)}`)
  const names = [first]
  while (scanner.take(/\./y) !== undefined) names.push(readName(scanner))
  return names
}

function readName(scanner: Scanner): string {
  return scanner.take(NAME) ?? scanner.fail('a name expected behind the dot; other keys are written ["…"]')
}

function foundAt(scanner: Scanner): string {
  const found = scanner.peek(/\P{ASCII}+|./suy)
  if (found === undefined) return ''
  if (/^\P{ASCII}/u.test(found)) return `, found '${found}'; a key of other letters is written ["${found}"]`
  return `, found '${found}'${/['"]/.test(found) ? '; a key in quotes is written ["…"]' : ''}`
}

function readIndex(scanner: Scanner): number | undefined {
  const index = scanner.take(/\[\d+\]/y)
  return index === undefined ? undefined : Number(index.slice(1, -1))
}

function readKey(scanner: Scanner): string | undefined {
  const start = scanner.at
  if (scanner.take(/\[/y) === undefined) return undefined
  const key = scanner.takeQuoted() ?? scanner.take(/[^\s'"[\]]+/y) ?? scanner.fail('a key expected behind [')
  if (scanner.take(/\]/y) === undefined) scanner.fail('[ is not closed', start)
  return key
}

/** `names` may be one key together, or keys one inside the other. */
function readingsOf(names: readonly string[], rest: readonly (string | number)[]): Reading[] {
  const [first, ...others] = names as [string, ...string[]]
  if (isBridgeValue(first)) return [{ of: 'bridge', key: first, rest: [...others, ...rest] }]
  if (first === TOPIC || first === SOURCE) return [reading(first, [...others, ...rest])]
  return names.map((_, index) => {
    const count = names.length - index
    return reading(names.slice(0, count).join('.'), [...names.slice(count), ...rest])
  })
}

function reading(key: string, rest: readonly (string | number)[]): Reading {
  if (key === TOPIC) return { of: 'topic', key, rest }
  if (key === SOURCE) return { of: 'source', key, rest }
  return key.startsWith(TAG) ? { of: 'tag', key: key.slice(TAG.length), rest } : { of: 'content', key, rest }
}

function isBridgeValue(name: string): name is BridgeValue {
  return BRIDGE_VALUES.some((value) => value === name)
}
