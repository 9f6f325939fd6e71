import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Scalar } from 'yaml'
import { Document, isScalar, parseDocument, visit } from 'yaml'
import { scalarOffset } from '../../../../src/config/file/scalar-offset.ts'

const STYLES = ['PLAIN', 'QUOTE_SINGLE', 'QUOTE_DOUBLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED'] as const

function scalarOf(file: string): Scalar {
  let found: Scalar | undefined
  visit(parseDocument(file, { schema: 'failsafe' }), {
    Pair(_, { value }) {
      if (isScalar(value)) found ??= value
    },
  })
  if (found === undefined) throw new Error('no scalar')
  return found
}

test.for([
  ['plain', 'a: one two\n'],
  ['plain over lines', 'a: one\n   two\n\n   three\n'],
  ['single quotes', "a: 'it''s \"one\"\n    folded\n\n\n  thrice'\n"],
  ['double quotes', 'a: "x\\t\\"y\\" \\u00e9 \\U0001F600 z\n    fold\\\n    joined\n\n  end\\\\"\n'],
  ['literal', 'a: |\n    one\n      two\n\n    three\n'],
  ['literal with a leading blank line and a comment', 'a: |- # why\n\n    one\n    two\n'],
  ['folded', 'a: >\n  one\n  two\n\n  three\n    more\n  end\n'],
  ['literal with an indentation of its own', 'a: |2\n    one\n   two\n'],
  ['Windows line ends', 'a: |\r\n  one\r\n  two\r\nb: c\r\n'],
] as const)('letters of a value are found in the file: %s', ([, file]) => {
  const scalar = scalarOf(file)
  const value = scalar.source ?? ''
  for (const { 0: letter, index } of value.matchAll(/[a-z]/g)) {
    expect(`${index} ${file[scalarOffset(file, scalar, index)]}`).toBe(`${index} ${letter}`)
  }
})

test('the end of a value is a place, too', () => {
  const file = 'a: "x y"\n'
  expect(scalarOffset(file, scalarOf(file), 3)).toBe(file.lastIndexOf('"'))
})

test('letters of any text in any style are found in the file', () => {
  const letter = fc.constantFrom(...'abcdefghij', ' ', ' ', '\n', "'", '"', '\\', '\t', ':', '#', 'é', '😀')
  const text = fc.string({ unit: letter, maxLength: 60 }).map((some) => `x${some}y`)
  fc.assert(
    fc.property(text, fc.constantFrom(...STYLES), fc.integer({ min: 20, max: 80 }), (value, type, lineWidth) => {
      const document = new Document({ outer: { key: value } }, { schema: 'failsafe' })
      const node = document.getIn(['outer', 'key'], true) as Scalar
      node.type = type
      const file = document.toString({ lineWidth })
      const scalar = scalarOf(file)
      const read = scalar.source ?? ''
      fc.pre(read === value)
      for (const { 0: found, index } of read.matchAll(/[a-jxyé]/g)) {
        expect(file.slice(scalarOffset(file, scalar, index)).startsWith(found), `${file} at ${index}`).toBe(true)
      }
    }),
    { numRuns: 500 },
  )
})
