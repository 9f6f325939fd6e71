import type { ExpectedCopy, RoutingTest } from '../../config/model.ts'
import type { Trial } from '../../pipeline/reference/trial.ts'
import { isObject, parseExactly } from './exact-json.ts'

/** The differences between the events that leave and those that a test expects. Empty: the test passes. */
export function differencesOf({ expect }: Pick<RoutingTest, 'expect'>, { copies }: Trial): string[] {
  const leaving = copies
    .filter(({ refused }) => refused === undefined)
    .map(({ route, sink, event }) => ({ route, sink, ...envelopeOf(event.toString()) }))
  const count =
    leaving.length === expect.length ? [] : [`expected ${copiesText(expect.length)}, and ${leavingText(leaving)}`]
  const each = expect.slice(0, leaving.length).flatMap((expected, index) => {
    const differences = copyDifferences(expected, leaving[index] as Leaving)
    return differences.map((difference) => `copy ${index + 1}: ${difference}`)
  })
  return [...count, ...each]
}

type Leaving = Readonly<Record<string, unknown>> & { readonly route: string; readonly sink: string }

function envelopeOf(line: string): Readonly<Record<string, unknown>> {
  return parseExactly(line) as Readonly<Record<string, unknown>>
}

function copiesText(count: number): string {
  return count === 1 ? '1 copy' : count === 0 ? 'no copy' : `${count} copies`
}

function leavingText(leaving: readonly Leaving[]): string {
  if (leaving.length === 0) return 'nothing leaves'
  return `${copiesText(leaving.length)} ${leaving.length === 1 ? 'leaves' : 'leave'}: ${leaving.map(({ route, sink }) => `${route} → ${sink}`).join(', ')}`
}

function copyDifferences({ event, eventIs, time, ...texts }: ExpectedCopy, leaving: Leaving): string[] {
  const differences = Object.entries(texts).flatMap(([key, expected]) => {
    const found = leaving[key]
    return found === expected ? [] : [`${key}: expected ${shown(expected)}, found ${shown(found)}`]
  })
  const foundTime = textOf(leaving['time'])
  if (time !== undefined && decimal(time) !== decimal(foundTime)) {
    differences.push(`time: expected ${time}, found ${foundTime}`)
  }
  if (event !== undefined) differences.push(...valueDifferences(parseExactly(event), leaving['event'], 'event', false))
  if (eventIs !== undefined)
    differences.push(...valueDifferences(parseExactly(eventIs), leaving['event'], 'event', true))
  return differences
}

/** `1.50` and `1.5` are one time. */
function decimal(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

/** `whole`: the value has nothing else. */
function valueDifferences(expected: unknown, found: unknown, path: string, whole: boolean): string[] {
  if (isObject(expected) && isObject(found)) {
    const inner = Object.entries(expected).flatMap(([key, value]) =>
      Object.hasOwn(found, key)
        ? valueDifferences(value, found[key], `${path}.${key}`, whole)
        : [`${path}.${key}: expected ${shown(value)}, found nothing`],
    )
    const others = whole ? Object.keys(found).filter((key) => !Object.hasOwn(expected, key)) : []
    return [...inner, ...others.map((key) => `${path}.${key}: expected nothing, found ${shown(found[key])}`)]
  }
  if (Array.isArray(expected) && Array.isArray(found) && expected.length === found.length) {
    return expected.flatMap((value, index) => valueDifferences(value, found[index], `${path}[${index}]`, whole))
  }
  return JSON.stringify(expected) === JSON.stringify(found)
    ? []
    : [`${path}: expected ${shown(expected)}, found ${shown(found)}`]
}

const SHOWN_CHARACTERS = 200

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
