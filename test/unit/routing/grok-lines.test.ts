import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { shippedPatterns } from '../../../src/config/file/grok-step.ts'
import type { Grok } from '../../../src/routing/grok.ts'
import { parseGrok } from '../../../src/routing/grok.ts'

const SETS = [
  { name: 'legacy', patterns: shippedPatterns('legacy') },
  { name: 'ecs', patterns: shippedPatterns('ecs-v1') },
]

/** By the name of the pattern. */
const lines = new Map<
  string,
  { readonly set: string | undefined; readonly matches: boolean; readonly line: string }[]
>()
const text = readFileSync(new URL('../../fixtures/grok/lines.txt', import.meta.url), 'utf8')
for (const written of text.split('\n').slice(0, -1)) {
  const [, name] = /^([A-Z]\w+)$/.exec(written) ?? []
  if (name !== undefined) lines.set(name, [])
  const [, set, sign, line] = /^(legacy|ecs)?([+-]) (.*)$/.exec(written) ?? []
  if (sign === undefined || line === undefined) continue
  lines.get([...lines.keys()].at(-1) ?? '')?.push({
    set,
    matches: sign === '+',
    line: line.replaceAll('\\t', '\t').replaceAll('\\n', '\n'),
  })
}

/** Patterns that differ only in the names of their fields are one expression. */
const known = new Map<string, Grok>()

describe.each(SETS)('the $name patterns of Logstash', ({ name: set, patterns }) => {
  test('all have a line that matches and one that does not', () => {
    const without = (sign: boolean) =>
      [...patterns.keys()].filter(
        (name) => !lines.get(name)?.some((one) => one.matches === sign && (one.set ?? set) === set),
      )
    expect({ match: without(true), miss: without(false) }).toEqual({ match: [], miss: [] })
  })

  test('match these lines from end to end, and the others not', () => {
    const wrong: string[] = []
    for (const name of patterns.keys()) {
      const found = parseWhole(name)
      for (const { set: only = set, matches, line } of lines.get(name) ?? []) {
        if (only === set && (found.match(line) !== undefined) !== matches) {
          wrong.push(`${name} ${matches ? 'does not match' : 'matches'}: ${line}`)
        }
      }
    }
    expect(wrong).toEqual([])
  })

  function parseWhole(name: string): Grok {
    const found = parseGrok(`\\A%{${name}}\\z`, patterns)
    if ('problem' in found) throw new Error(`${name}: ${found.problem}`)
    const same = known.get(found.expression)
    if (same === undefined) known.set(found.expression, found)
    return same ?? found
  }
})

test('docs/grok.md lists every pattern that has an equivalent', () => {
  const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
  const replaced = readdirSync(new URL('../../../patterns/re2', import.meta.url)).flatMap((set) =>
    [...read(`patterns/re2/${set}/patterns`).matchAll(/^(\w+) /gm)].map(([, name]) => name),
  )
  const [, table = ''] = read('docs/grok.md').split('| pattern | why |')
  const listed = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+)/gm)].flatMap(([, names = '']) => names.match(/\w+/g) ?? [])
  expect([...new Set(listed)].sort()).toEqual([...new Set(replaced)].sort())
})
