import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareDecimals, parseDecimal } from '../../../src/routing/decimal.ts'

function compare(a: string, b: string): number {
  const [left, right] = [parseDecimal(a), parseDecimal(b)]
  if (left === undefined || right === undefined) throw new Error(`no number: ${a}, ${b}`)
  return Math.sign(compareDecimals(left, right))
}

/** Integers × 10^scale, written in one of several ways, with their exact value × 10^40. */
const written = fc
  .record({
    value: fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
    scale: fc.integer({ min: -20, max: 20 }),
    zeros: fc.nat(3),
    style: fc.constantFrom('e', 'E+', 'point'),
  })
  .map(({ value, scale, zeros, style }) => {
    const sign = value < 0n ? '-' : ''
    const digits = '0'.repeat(zeros) + String(value < 0n ? -value : value)
    const exact = value * 10n ** BigInt(40 + scale)
    if (style === 'E+' && scale >= 0) return { text: `${sign}${digits}E+${scale}`, exact }
    if (style === 'point' && scale < 0) {
      const padded = digits.padStart(1 - scale, '0')
      return { text: `${sign}${padded.slice(0, scale)}.${padded.slice(scale)}`, exact }
    }
    return { text: `${sign}${digits}e${scale}`, exact }
  })

test('numbers compare by their exact value, however they are written', () => {
  fc.assert(
    fc.property(written, written, (a, b) => {
      expect(compare(a.text, b.text)).toBe(a.exact < b.exact ? -1 : Number(a.exact > b.exact))
      expect(compare(a.text, a.text)).toBe(0)
    }),
    { numRuns: 1000, interruptAfterTimeLimit: 2000 },
  )
})

test('neither length nor exponent has a limit that matters', () => {
  expect(compare('9007199254740993', '9007199254740992')).toBe(1)
  expect(compare('0.1', '0.10000000000000000000000000001')).toBe(-1)
  expect(compare('1e400', '1e401')).toBe(-1)
  expect(compare('-1e-400', '0')).toBe(-1)
  expect(compare('0e999999999999999999999', '-0')).toBe(0)
  expect(compare(`1${'0'.repeat(1_000_000)}`, '1e1000000')).toBe(0)
  expect(compare('0xff', '255')).toBe(0)
  expect(compare('0x0000ffffffffffffffff', '18446744073709551615')).toBe(0)
  expect(compare('+5', '5.0')).toBe(0)
})

test.for([
  '',
  ' 5',
  '5 ',
  '.5',
  '5.',
  '1e',
  '0x',
  '0x11111111111111111',
  '-0x1',
  '--1',
  '1_0',
  'NaN',
  'Infinity',
  '５',
])('%j is no number', (text) => {
  expect(parseDecimal(text)).toBeUndefined()
})
