import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadConfigFile } from '../../../../src/config/file/load.ts'
import { formatProblems } from '../../../../src/config/problems.ts'
import { temporaryFiles } from '../given-environment.ts'

const examples = new URL('../../../../examples/', import.meta.url)
const TEXTS = readdirSync(examples)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(new URL(name, examples), 'utf8'))

/** What makes a file something else. */
const PIECES = [
  '\n',
  '  ',
  ': ',
  '- ',
  '{',
  '}',
  '[',
  ']',
  ',',
  "'",
  '"',
  '|\n',
  '>\n',
  '&a ',
  '*a',
  '#',
  '${',
  '${A}',
  '$${',
  '!x ',
  '? ',
  'null',
  '~',
  '\t',
  '\u0000',
  '\uFEFF',
  '__proto__',
  'constructor',
  '1e999',
  '---\n',
  '%YAML 1.1\n',
  '<<: ',
  'é',
  '😀',
]

const piece = fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 6 }))
const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(30), put: piece })

test('whatever is in a file, it is read, or refused with places that are in it', () => {
  const { write } = temporaryFiles()
  const env = {
    A: 'x',
    SPLUNK_TOKEN: 'hush-token',
    LOOK_PROJECT: 'abc',
    LOOK_LOGSTORE: 'abc',
    SLS_AK_ID: 'i',
    SLS_AK_KEY: 'hush-key',
  }
  fc.assert(
    fc.property(fc.constantFrom(...TEXTS), fc.array(edit, { minLength: 1, maxLength: 6 }), (text, edits) => {
      const changed = edits.reduce((now, { at, cut, put }) => {
        const from = Math.floor(at * now.length)
        return now.slice(0, from) + put + now.slice(from + cut)
      }, text)
      const path = write('bridge.yaml', changed)
      const begin = performance.now()
      const loaded = loadConfigFile(path, env)
      expect(performance.now() - begin).toBeLessThan(2_000)
      if ('config' in loaded) return
      expect(loaded.problems.length).toBeGreaterThan(0)
      const lines = changed.replace(/^\uFEFF/, '').split('\n')
      for (const { place } of loaded.problems) {
        if (place === undefined) continue
        const [line = 0, column = 0] = place
          .slice(path.length + 1)
          .split(':')
          .map(Number)
        expect(line, place).toBeGreaterThan(0)
        expect(line, place).toBeLessThanOrEqual(lines.length)
        expect(column, place).toBeGreaterThan(0)
        expect(column, place).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1)
      }
      expect(formatProblems(loaded.problems)).not.toMatch(/hush/)
    }),
    { numRuns: 200 },
  )
}, 60_000)
