const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n

/** Visible ASCII, some thirty times as long as any cursor known. */
const CURSOR = /^[\x21-\x7e]{1,1024}$/

/**
 * Whether a server's text can be a cursor at all. It goes back out in URLs and JSON and into log lines: half a surrogate
 * pair, which JSON can spell, would fail there as an error that is no Fault.
 */
export function isCursor(text: unknown): text is string {
  return typeof text === 'string' && CURSOR.test(text)
}

/**
 * The position a cursor names. Cursors are documented as opaque, but every official SDK relies on their being the
 * base64 of a decimal int64 that grows by one per log group. `undefined` for any other spelling.
 */
export function cursorNumber(cursor: string): bigint | undefined {
  const bytes = Buffer.from(cursor, 'base64')
  // Node skips what is not base64; only a cursor that comes out the same again is taken at its word.
  if (bytes.toString('base64') !== cursor) return undefined
  return int64(bytes.toString('latin1'))
}

export function cursorOf(position: bigint): string {
  return Buffer.from(position.toString()).toString('base64')
}

/** A decimal int64 as the server writes it, or `undefined`. */
export function int64(text: string): bigint | undefined {
  if (!/^-?\d{1,19}$/.test(text)) return undefined
  const value = BigInt(text)
  return value >= MIN_INT64 && value <= MAX_INT64 ? value : undefined
}
