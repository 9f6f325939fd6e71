import { escaped, onOneLine } from '../../core/text.ts'
import type { Trial, TriedRoute } from '../../pipeline/reference/trial.ts'

/** The decisions about a log, for people: a line for each route, and below it one for each comparison. */
export function wayOf({ routes, copies, failures, dropped }: Trial): string[] {
  return [
    ...routes.flatMap((route) => [`route ${route.name}: ${decisionOf(route)}`, ...route.outcomes.map(comparison)]),
    ...failures.map((step) => `step ${step} failed`),
    ...copies.flatMap(({ route, sink, refused }) =>
      refused === undefined ? [] : [`route ${route}: the copy for ${sink} goes into the dead letter (${refused})`],
    ),
    ...(dropped === undefined ? [] : [`dropped: ${dropped}`]),
  ].map(escaped)
}

function decisionOf({ holds, continue: goesOn, drop }: TriedRoute): string {
  if (!holds) return 'does not take it'
  if (drop !== undefined) return `drops it: ${drop}`
  return goesOn ? 'makes a copy, and it goes on' : 'takes it'
}

function comparison({ text, found, holds }: TriedRoute['outcomes'][number]): string {
  const values = found.map(
    ({ field, value }) => `${field} ${value === undefined ? 'is absent' : `= ${foundText(value)}`}`,
  )
  return `  ${String(holds).padEnd(5)}  ${onOneLine(text)}   (${values.join(', ')})`
}

const SHOWN_CHARACTERS = 100

function foundText({ texts, isList }: NonNullable<TriedRoute['outcomes'][number]['found'][number]['value']>): string {
  const shown = texts.map((text) => {
    const whole = JSON.stringify(text.toString())
    return whole.length <= SHOWN_CHARACTERS ? whole : `${whole.slice(0, SHOWN_CHARACTERS)}…`
  })
  return isList ? `[${shown.join(', ')}]` : (shown[0] ?? '""')
}
