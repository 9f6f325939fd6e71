/** A `Retry-After` header, seconds or an HTTP date → milliseconds from `nowMs` (wall clock), between 0 and `mostMs`. */
export function retryAfterMs(value: string | undefined, nowMs: number, mostMs: number): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\s*\d+\s*$/.test(value)
    ? Number(value) * 1000
    : /^[A-Z][a-z]{2}, /.test(value)
      ? Date.parse(value) - nowMs
      : Number.NaN
  return Number.isNaN(ms) ? undefined : Math.min(mostMs, Math.max(0, ms))
}
