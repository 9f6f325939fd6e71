const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** `Mmm dd hh:mm:ss` of RFC 3164, the day padded with a space. It has neither year nor zone. */
export class LegacyTime {
  readonly #format: Intl.DateTimeFormat
  #second = ''
  #text = ''

  constructor(timeZone: string) {
    const two = '2-digit'
    this.#format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone, month: 'numeric', day: 'numeric', hour: two, minute: two, second: two, hourCycle: 'h23' },
    })
  }

  /** `time`: unix seconds with decimals. */
  of(time: string): string {
    const [second = '0'] = time.split('.')
    if (second === this.#second) return this.#text
    const parts = this.#format.formatToParts(Number(second) * 1000)
    const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? ''
    this.#second = second
    this.#text = `${MONTHS[Number(part('month')) - 1]} ${part('day').padStart(2)} ${part('hour')}:${part('minute')}:${part('second')}`
    return this.#text
  }

  /** The text of a minute up to its seconds, `time` being one of them. `undefined` if a zone changes within it. */
  minuteOf(time: number): string | undefined {
    const first = time - (time % 60)
    const [from, to] = [this.of(String(first)), this.of(String(first + 59))]
    return from.endsWith(':00') && to === `${from.slice(0, -2)}59` ? from.slice(0, -2) : undefined
  }
}
