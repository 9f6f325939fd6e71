import { describe, expect, test } from 'vitest'
import { beginningOf, escaped, labelOf, nameOf, onOneLine } from '../../../src/core/text.ts'

/** A terminal escape, C1 control, line and paragraph separators, and a character that reverses the text after it. */
const HOSTILE = 'a\r\nb\u001b[31mc\u009bd\u2028e\u2029f\u202eg\u2066h'

describe('text of others, fit for one line', () => {
  test('a log line keeps its spaces and loses what a terminal obeys', () => {
    expect(onOneLine(HOSTILE)).toBe('a b [31mc d e f g h')
    expect(onOneLine('two  spaces')).toBe('two  spaces')
    expect(onOneLine('x'.repeat(1001))).toBe(`${'x'.repeat(1000)}…`)
  })

  test('the beginning of a page is short and without its layout', () => {
    expect(beginningOf(` \n ${HOSTILE}\n\n  end `, 100)).toBe('a b [31mc d e f g h end')
    expect(beginningOf('x'.repeat(500), 200)).toBe('x'.repeat(200))
  })

  test('a value of the user is escaped, so that it can be recognised', () => {
    expect(escaped(HOSTILE)).toBe('a\\r\\nb\\u001b[31mc\\u009bd\\u2028e\\u2029f\\u202eg\\u2066h')
    expect(escaped('plain "text" \\ ü')).toBe('plain "text" \\ ü')
  })

  test('names and labels keep only harmless characters and have a bounded length', () => {
    expect(nameOf('../a b/c', 80, '_')).toBe('.._a_b_c')
    expect(nameOf('host name', 100, '-')).toBe('host-name')
    expect(nameOf('x'.repeat(90), 80, '_')).toHaveLength(80)
    expect(labelOf('ns:Code {x}\n')).toBe('ns:Code_x_')
    expect(labelOf('x'.repeat(90))).toHaveLength(64)
  })
})
