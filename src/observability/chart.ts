import type { Html } from './html.ts'
import { html } from './html.ts'

const HEIGHT = 24

/** A small line chart of values, oldest first, with a gap where nothing is known. The scale starts at 0. */
export function chart(values: ReadonlyArray<number | null>, label: string): Html {
  const highest = Math.max(0, ...values.map((value) => value ?? 0))
  const y = (value: number): string => (HEIGHT - 1 - (highest === 0 ? 0 : (value / highest) * (HEIGHT - 2))).toFixed(1)
  // A value between two gaps becomes a line of one step.
  const path = values
    .map((value, x) => {
      if (value === null) return ''
      const begins = x === 0 || values[x - 1] === null
      return `${begins ? 'M' : 'L'}${x} ${y(value)}${begins && (values[x + 1] ?? null) === null ? `h1` : ''}`
    })
    .join('')
  const width = Math.max(1, values.length)
  return html`<svg class="chart" viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}"><title>${label}</title><path d="${path}"/></svg>`
}
