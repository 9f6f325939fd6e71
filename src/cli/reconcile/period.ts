import type { Parsed, Parser } from '../../config/parsers.ts'
import { unixSecondsOf } from '../../config/start-position.ts'
import { UsageError } from '../command.ts'

/** By the service's receive time, unix seconds; `to` is exclusive. */
export interface Period {
  readonly from: number
  readonly to: number
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Unix seconds, once it is known what time it is. */
type Moment = (nowSeconds: number) => number

/** `-90m`, `-2d`, `now`, ISO 8601 (UTC unless it has a time zone), or unix seconds. */
const moment: Parser<Moment> = {
  allowed:
    'ISO 8601 time (UTC unless it has a time zone), unix seconds, now, or a time before now: -30s, -15m, -6h, -7d',
  parse(text): Parsed<Moment> {
    const [, count, unit = ''] = /^-(\d{1,9})([smhd])$/i.exec(text.toLowerCase() === 'now' ? '-0s' : text) ?? []
    if (count !== undefined) {
      const ago = Number(count) * (UNIT_SECONDS[unit.toLowerCase()] as number)
      return { value: (nowSeconds) => Math.floor(nowSeconds) - ago }
    }
    const parsed = unixSecondsOf(text)
    return 'value' in parsed ? { value: () => parsed.value } : parsed
  },
}

/**
 * The period from `--from` to `--to` at a time that is told later: it is the service's. Both throw a UsageError: this if one
 * is no time, and the result if the period is empty or not over.
 */
export function periodOf(from: string, to: string): (nowSeconds: number) => Period {
  const read = (option: string, text: string): Moment => {
    const parsed = moment.parse(text)
    if ('value' in parsed) return parsed.value
    throw new UsageError(`${option} ${text} ${parsed.refused}; allowed: ${moment.allowed}`)
  }
  const [begin, end] = [read('--from', from), read('--to', to)]
  return (nowSeconds) => {
    const period = { from: begin(nowSeconds), to: end(nowSeconds) }
    if (period.from < 0) throw new UsageError(`--from ${from} is before 1970`)
    if (period.to > nowSeconds) throw new UsageError(`--to ${to} is in the future`)
    if (period.from >= period.to) throw new UsageError(`--from ${from} is not before --to ${to}`)
    return period
  }
}
