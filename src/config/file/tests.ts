import type { ExpectedCopy, RoutingTest } from '../model.ts'
import type { Findings } from './findings.ts'
import type { KeyPath, Written } from './written.ts'
import { entriesOf, isNothing, itemsOf, jsonOf, textOf } from './written.ts'

const EXPECTED_TEXTS = ['route', 'sink', 'index', 'sourcetype', 'source', 'host', 'time'] as const

/** The tests of a file. What they name was checked; this checks their logs. */
export function testsOf(root: Written, findings: Findings): RoutingTest[] {
  const tests = itemsOf(entriesOf(root).get('tests')?.value)
  return tests.map((test, index) => {
    const path: KeyPath = ['tests', index]
    const entries = entriesOf(test)
    const logstore = textOf(entries.get('logstore')?.value)
    return {
      name: textOf(entries.get('name')?.value) ?? '',
      place: findings.placeOf(path),
      source: textOf(entries.get('source')?.value) ?? '',
      ...(logstore !== undefined && { logstore }),
      log: logOf(entries.get('log')?.value, [...path, 'log'], findings),
      expect: itemsOf(entries.get('expect')?.value).map(expectedOf),
    }
  })
}

function logOf(written: Written | undefined, path: KeyPath, findings: Findings): Map<string, string> {
  const log = new Map<string, string>()
  if (written?.kind !== 'map') {
    findings.refuse(path, { problem: 'is no log', allowed: 'a map of names and values', secret: true })
    return log
  }
  for (const [key, { value }] of written.entries) {
    if (value.kind !== 'text') log.set(key, jsonOf(value))
    else if ('problem' in value.value) findings.refuseUnresolved([...path, key])
    else if (!isNothing(value)) log.set(key, value.value.text)
  }
  const time = log.get('__time__')
  if (time !== undefined && !/^\d{1,10}(?:\.\d{1,9})?$/.test(time)) {
    findings.refuse([...path, '__time__'], { problem: 'is no time', allowed: 'unix seconds, with up to nine decimals' })
  }
  return log
}

function expectedOf(written: Written): ExpectedCopy {
  const entries = entriesOf(written)
  const texts = EXPECTED_TEXTS.flatMap((key) => {
    const text = textOf(entries.get(key)?.value)
    return text === undefined ? [] : [[key, text]]
  })
  const [event, eventIs] = ['event', 'event_is'].map((key) => entries.get(key)?.value)
  return {
    ...Object.fromEntries(texts),
    ...(event !== undefined && { event: jsonOf(event) }),
    ...(eventIs !== undefined && { eventIs: jsonOf(eventIs) }),
  }
}
