import type { Parsed, Parser } from '../../config/parsers.ts'
import { unixSecondsOf } from '../../config/start-position.ts'
import { UsageError } from '../command.ts'

/** By the service's receive time, unix seconds; `to` is exclusive. */
export interface Period {
  readonly from: number
  readonly to: number
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** A moment: `-90m`, `-2d`, `now`, ISO 8601 (UTC unless it has a time zone), or unix seconds. */
function momentParser(nowSeconds: number): Parser<number> {
  return {
    allowed:
      'ISO 8601 time (UTC unless it has a time zone), unix seconds, now, or a time before now: -30s, -15m, -6h, -7d',
    parse(text): Parsed<number> {
      if (text.toLowerCase() === 'now') return { value: Math.floor(nowSeconds) }
      const [, count, unit = ''] = /^-(\d{1,9})([smhd])$/i.exec(text) ?? []
      if (count !== undefined) {
        const moment = Math.floor(nowSeconds) - Number(count) * (UNIT_SECONDS[unit.toLowerCase()] as number)
        return moment < 0 ? { refused: 'is before 1970' } : { value: moment }
      }
      return unixSecondsOf(text)
    },
  }
}

/** Throws a UsageError if `--from` or `--to` is not a time, or `--from` is not before `--to`. */
export function periodOf(from: string, to: string, nowSeconds: number): Period {
  const moment = momentParser(nowSeconds)
  const read = (option: string, text: string): number => {
    const parsed = moment.parse(text)
    if ('value' in parsed) return parsed.value
    throw new UsageError(`${option} ${text} ${parsed.refused}; allowed: ${moment.allowed}`)
  }
  const period = { from: read('--from', from), to: read('--to', to) }
  if (period.to > nowSeconds) throw new UsageError(`--to ${to} is in the future`)
  if (period.from >= period.to) throw new UsageError(`--from ${from} is not before --to ${to}`)
  return period
}
