/**
 * A number exactly as it was written, however long: ± 0.`digits` × 10^`point`. The digits neither begin nor end with 0. Those
 * of zero are none, its point is 0, and it is not negative.
 */
export interface Decimal {
  readonly negative: boolean
  readonly digits: string
  readonly point: number
}

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/
/** 64 bits. */
const HEXADECIMAL = /^0x0*([0-9a-fA-F]{1,16})$/

/** `-12`, `1.50`, `2e3`, `0x1f`; `undefined` for other texts, spaces at the ends included. */
export function parseDecimal(text: string): Decimal | undefined {
  const [, hexadecimal] = HEXADECIMAL.exec(text) ?? []
  if (hexadecimal !== undefined) return decimalOf('', BigInt(`0x${hexadecimal}`).toString(), '', '0')
  const [, sign, whole, fraction = '', exponent = '0'] = DECIMAL.exec(text) ?? []
  return sign === undefined || whole === undefined ? undefined : decimalOf(sign, whole, fraction, exponent)
}

function decimalOf(sign: string, whole: string, fraction: string, exponent: string): Decimal {
  const written = whole + fraction
  let first = 0
  while (written[first] === '0') first++
  let end = written.length
  while (end > first && written[end - 1] === '0') end--
  if (first === end) return { negative: false, digits: '', point: 0 }
  return { negative: sign === '-', digits: written.slice(first, end), point: whole.length - first + pointsOf(exponent) }
}

/** An exponent beyond this is taken for this: no text has as many digits. */
const LARGEST_EXPONENT = 1e12

function pointsOf(exponent: string): number {
  return Math.max(-LARGEST_EXPONENT, Math.min(LARGEST_EXPONENT, Number(exponent)))
}

/** Less than 0 if `a` is less than `b`, more than 0 if it is more, 0 if they are equal. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (signOf(a) !== signOf(b)) return signOf(a) - signOf(b)
  const byMagnitude = a.point - b.point || (a.digits < b.digits ? -1 : Number(a.digits > b.digits))
  return a.negative ? 0 - byMagnitude : byMagnitude
}

function signOf({ negative, digits }: Decimal): number {
  if (digits === '') return 0
  return negative ? -1 : 1
}
