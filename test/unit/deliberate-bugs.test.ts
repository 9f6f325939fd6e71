import { stripTypeScriptTypes } from 'node:module'
import { describe, expect, test } from 'vitest'
import { infected, MUTANTS, sources } from '../chaos/mutants.ts'
import { SINK_MUTANTS } from '../chaos/sink-mutants.ts'
import { SYSLOG_MUTANTS } from './sinks/syslog/mutants.ts'

const ALL = [...MUTANTS, ...SINK_MUTANTS, ...SYSLOG_MUTANTS]

// The chaos suite runs them, rarely and for long. A change that breaks a quote is to be seen at once.
describe('a deliberate bug of the chaos suite', () => {
  const files = sources()

  test.for(ALL)('still fits the source: $bug', (mutant) => {
    for (const [path, text] of infected(mutant, files)) {
      expect(text).not.toBe(files.get(path))
      expect(() => stripTypeScriptTypes(text), path).not.toThrow()
    }
  })

  test('survives a move of its code to another file and another formatting', () => {
    const moved = new Map([['moved.ts', [...files.values()].join('\n').replaceAll('(', '(\n')]])
    for (const mutant of ALL) expect([...infected(mutant, moved).keys()]).toEqual(['moved.ts'])
  })

  test('is refused when its quote is gone or no longer the only one', () => {
    const [bug] = MUTANTS
    if (!bug) return expect.fail()
    expect(() => infected(bug, new Map())).toThrow(/exactly once, not 0 times/)
    const twice = new Map([...files, ...[...files].map(([path, text]) => [`copy/${path}`, text] as const)])
    expect(() => infected(bug, twice)).toThrow(/exactly once, not 2 times/)
  })
})
