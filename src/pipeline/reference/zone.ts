import { isZone } from '../../routing/time-format.ts'

/** Offsets of today's zones change on a quarter hour of UTC. */
const QUARTER = 900
/** Keeps the cache small whatever the logs hold: 10,000 quarter hours are a hundred days. */
const KEPT_QUARTERS = 10_000
const KEPT_ZONES = 1_000
/** Local times are at most this far from UTC, in seconds. */
const FARTHEST = 14 * 3600

const FROM_2000 = Date.UTC(2000, 0) / 1000
const UNTIL_2038 = Date.UTC(2038, 0) / 1000
/** No zone of these years had another offset for less than a month. */
const WEEK = 7 * 86_400

const zones = new Map<string, Zone | undefined>()

/** The zone with this name; `undefined` if there is none. Names may come from logs. */
export function zoneNamed(name: string): Zone | undefined {
  if (zones.has(name)) return zones.get(name)
  if (zones.size === KEPT_ZONES) zones.clear()
  const zone = isZone(name) ? new Zone(name) : undefined
  zones.set(name, zone)
  return zone
}

/** A time zone. All times are in whole seconds; a local time is what a clock on the wall shows, as if it were UTC. */
class Zone {
  readonly #format: Intl.DateTimeFormat
  /** Offsets by quarter hours of UTC. */
  readonly #offsets = new Map<number, number>()
  #steady: { readonly offset: number | undefined } | undefined

  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
  }

  /**
   * The instant at which clocks show this time. Where they are put back and show it twice, the earlier one; where they jump
   * over it, the one that the offset before the jump gives.
   */
  instantOf(local: number): number {
    const before = this.offsetAt(local - FARTHEST)
    if (this.offsetAt(local - before) === before) return local - before
    const after = this.offsetAt(local + FARTHEST)
    return this.offsetAt(local - after) === after ? local - after : local - before
  }

  /** The offset of a zone that has kept it since 2000, and will until 2037 by the rules of today. */
  get steadyOffset(): number | undefined {
    this.#steady ??= { offset: this.#findSteady() }
    return this.#steady.offset
  }

  #findSteady(): number | undefined {
    const offset = this.offsetAt(FROM_2000)
    for (let instant = FROM_2000; instant < UNTIL_2038; instant += WEEK) {
      if (this.offsetAt(instant) !== offset) return undefined
    }
    return offset
  }

  /** What clocks show at this instant, less the instant. */
  offsetAt(instant: number): number {
    const quarter = Math.floor(instant / QUARTER)
    const known = this.#offsets.get(quarter)
    if (known !== undefined) return known
    if (this.#offsets.size === KEPT_QUARTERS) this.#offsets.clear()
    const offset = this.#shownAt(quarter * QUARTER) - quarter * QUARTER
    this.#offsets.set(quarter, offset)
    return offset
  }

  #shownAt(instant: number): number {
    const part: Record<string, number> = {}
    for (const { type, value } of this.#format.formatToParts(instant * 1000)) part[type] = Number(value)
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) / 1000
  }
}
