import { nearest } from '../../core/nearest.ts'
import type { Condition } from '../../routing/condition.ts'
import { boolean, slsEndpoint } from '../parsers.ts'
import { checkConditions } from './conditions.ts'
import type { Findings } from './findings.ts'
import type { AllNames, Names } from './names.ts'
import { namesOf } from './names.ts'
import type { KeyPath, Written } from './written.ts'
import { entriesOf, isNothing, itemsOf, textOf } from './written.ts'

export interface CheckedRoutes {
  /** Of the routes that have one, by their index. */
  readonly conditions: ReadonlyMap<number, Condition>
}

/** Checks everything in a file that names something else in it, the conditions, and that every log is decided on. */
export function checkRoutes(root: Written, findings: Findings): CheckedRoutes {
  const names = namesOf(root, findings)
  for (const [source, { value }] of entriesOf(entriesOf(root).get('sources')?.value)) {
    const name = textOf(entriesOf(value).get('credentials')?.value)
    if (name !== undefined) names.credentials.use(['sources', source, 'credentials'], name)
  }
  const routes = itemsOf(entriesOf(root).get('routes')?.value)
  if (isEmptyMap(entriesOf(root).get('sources')?.value))
    findings.refuse(['sources'], { problem: 'names no source', allowed: 'one or more' })
  refuseTwins(root, findings)
  const conditions = checkConditions(root, routes, names, findings)
  checkTargets(routes, names, findings)
  warnOfIgnoredSets(root, routes, findings)
  checkCoverage(root, routes, names, findings)
  checkTests(root, routes, names, findings)
  for (const kind of [names.sinks, names.credentials, names.lists, names.macros]) kind.warnOfUnused()
  return { conditions }
}

type WrittenMap = Extract<Written, { kind: 'map' }>

function isEmptyMap(written: Written | undefined): boolean {
  return written?.kind === 'map' && written.entries.size === 0
}

function checkTargets(routes: readonly Written[], names: AllNames, findings: Findings): void {
  const seen = new Set<string>()
  for (const [index, route] of routes.entries()) {
    if (route.kind !== 'map') continue
    const path = ['routes', index]
    refuseEmptyChoices(route, path, findings)
    refuseSecondName(textOf(valueOfKey(route, 'name')), seen, path, findings)
    checkFrom(valueOfKey(route, 'from'), [...path, 'from'], names, findings)
    useEach(valueOfKey(route, 'to'), [...path, 'to'], names.sinks)
    checkDecision(route, path, findings)
    if (valueOfKey(route, 'drop') !== undefined) checkDropping(route, path, findings)
  }
}

/** A condition that was forgotten must not take every log. */
function refuseEmptyChoices(route: WrittenMap, path: KeyPath, findings: Findings): void {
  for (const key of ['when', 'from']) {
    if (!route.entries.has(key) || valueOfKey(route, key) !== undefined) continue
    findings.refuse([...path, key], { problem: 'has no value', allowed: `a value; or no ${key}`, ofKey: true })
  }
}

function refuseSecondName(name: string | undefined, seen: Set<string>, path: KeyPath, findings: Findings): void {
  if (name === undefined) return
  if (seen.has(name)) {
    findings.refuse([...path, 'name'], { problem: 'another route has this name', allowed: 'a name of its own' })
  }
  seen.add(name)
}

function checkFrom(from: Written | undefined, path: KeyPath, names: AllNames, findings: Findings): void {
  useEach(from, path, names.sources)
  if (from?.kind === 'list' && from.items.length === 0) {
    findings.refuse(path, { problem: 'names no source', allowed: 'sources; or no from, for all' })
  }
}

/** A route either sends a log or drops it. */
function checkDecision(route: WrittenMap, path: KeyPath, findings: Findings): void {
  const [to, drop] = [valueOfKey(route, 'to'), valueOfKey(route, 'drop')]
  const allowed = 'to: SINK, or drop: REASON'
  if (to === undefined && drop === undefined) {
    findings.refuse(path, { problem: 'has neither to nor drop', allowed })
  } else if (to !== undefined && drop !== undefined) {
    findings.refuse([...path, 'drop'], { problem: 'stands beside to', allowed, ofKey: true })
  } else if (to !== undefined && itemsOf(to).length === 0) {
    findings.refuse([...path, 'to'], { problem: 'names no sink', allowed })
  }
}

function checkDropping(route: WrittenMap, path: KeyPath, findings: Findings): void {
  if (isTrue(valueOfKey(route, 'continue'))) {
    const problem = 'a route that drops a log takes it'
    findings.refuse([...path, 'continue'], { problem, allowed: 'continue beside to', ofKey: true })
  }
  for (const key of ['set', 'shape']) {
    if (valueOfKey(route, key) !== undefined) findings.warn([...path, key], 'has no effect: this route drops its logs')
  }
}

/** A message has no index, source type or source. The host is its HOSTNAME. */
function warnOfIgnoredSets(root: Written, routes: readonly Written[], findings: Findings): void {
  const sinks = entriesOf(entriesOf(root).get('sinks')?.value)
  const isSyslog = (sink: Written): boolean =>
    textOf(valueOfKey(sinks.get(textOf(sink) ?? '')?.value, 'type')) === 'syslog'
  for (const [index, route] of routes.entries()) {
    const to = itemsOf(valueOfKey(route, 'to'))
    if (to.length === 0 || !to.every(isSyslog)) continue
    for (const key of ['index', 'sourcetype', 'source']) {
      if (valueOfKey(valueOfKey(route, 'set'), key) === undefined) continue
      findings.warn(
        ['routes', index, 'set', key],
        'has no effect: a syslog sink knows only host, which is its HOSTNAME',
      )
    }
  }
}

/** Nothing as if the key were not there. */
function valueOfKey(map: Written | undefined, key: string): Written | undefined {
  const written = entriesOf(map).get(key)?.value
  return written?.kind === 'text' && isNothing(written) ? undefined : written
}

function isTrue(written: Written | undefined): boolean {
  const parsed = boolean.parse(textOf(written) ?? 'false')
  return 'value' in parsed && parsed.value
}

function useEach(written: Written | undefined, path: KeyPath, names: Names): void {
  for (const [index, item] of itemsOf(written).entries()) {
    const name = textOf(item)
    if (name !== undefined) names.use(written?.kind === 'list' ? [...path, index] : path, name)
  }
}

/** Every log of every source has to be decided on, and every route has to be within reach. */
function checkCoverage(root: Written, routes: readonly Written[], names: AllNames, findings: Findings): void {
  const { covered, reached } = coverageOf(routes, names, findings)
  const unmatched = textOf(entriesOf(root).get('unmatched')?.value) ?? 'error'
  if (!names.sinks.use(['unmatched'], unmatched, ['error', 'drop'])) return
  if (unmatched === 'error') refuseUndecided(root, covered, names, findings)
  if (unmatched === 'drop') warnOfDropped(reached, names, findings)
}

/** The sources that have a route, and those of which routes take every log. Refuses routes behind these. */
function coverageOf(
  routes: readonly Written[],
  names: AllNames,
  findings: Findings,
): Record<'covered' | 'reached', ReadonlySet<string>> {
  const covered = new Set<string>()
  const reached = new Set<string>()
  for (const [index, route] of routes.entries()) {
    const written = valueOfKey(route, 'from')
    const from = written === undefined ? names.sources.all : itemsOf(written).flatMap((item) => textOf(item) ?? [])
    for (const source of from) reached.add(source)
    if (from.length > 0 && from.every((source) => covered.has(source))) {
      const path = ['routes', index]
      findings.refuse(path, {
        problem: 'no log reaches this route: routes above take every log of its sources',
        allowed: 'a place above them; or `when` or `continue: true` at those routes',
      })
    }
    const takesAll = valueOfKey(route, 'when') === undefined && !isTrue(valueOfKey(route, 'continue'))
    if (takesAll) for (const source of from) covered.add(source)
  }
  return { covered, reached }
}

function refuseUndecided(root: Written, covered: ReadonlySet<string>, names: AllNames, findings: Findings): void {
  const open = names.sources.all.filter((source) => !covered.has(source))
  if (open.length === 0 || entriesOf(root).get('routes')?.value.kind !== 'list') return
  findings.refuse(entriesOf(root).has('unmatched') ? ['unmatched'] : ['routes'], {
    problem: `logs of ${open.join(', ')} may match no route, and nothing says what becomes of them`,
    allowed: 'a last route without when; or unmatched: drop, or the name of a sink',
    ofKey: true,
  })
}

function warnOfDropped(reached: ReadonlySet<string>, names: AllNames, findings: Findings): void {
  for (const source of names.sources.all.filter((one) => !reached.has(one))) {
    findings.warn(['sources', source], 'no route takes its logs, so all of them are dropped')
  }
}

/** Two readers of one group would give each other's shards away. */
function refuseTwins(root: Written, findings: Findings): void {
  const seen = new Map<string, string>()
  for (const [name, { value }] of entriesOf(entriesOf(root).get('sources')?.value)) {
    const [written = '', project, group] = ['endpoint', 'project', 'group'].map((key) => textOf(valueOfKey(value, key)))
    const parsed = slsEndpoint.parse(written)
    const endpoint = 'value' in parsed ? parsed.value : written
    for (const [index, item] of itemsOf(valueOfKey(value, 'logstore')).entries()) {
      const logstore = textOf(item)
      if (logstore === undefined) continue
      const identity = [endpoint, project, group, logstore].join('\n')
      const twin = seen.get(identity)
      seen.set(identity, name)
      if (twin === name) {
        const path = ['sources', name, 'logstore', index]
        findings.refuse(path, { problem: 'stands twice in this list', allowed: 'each logstore once' })
      }
      if (twin === undefined || twin === name || project === undefined) continue
      const problem = `reads ${logstore} in the same group as sources.${twin}`
      findings.refuse(['sources', name], {
        problem,
        allowed: 'a group of its own, or one source for both',
        ofKey: true,
      })
    }
  }
}

function logstoresOf(source: Written | undefined): string[] {
  return itemsOf(entriesOf(source).get('logstore')?.value).flatMap((item) => textOf(item) ?? [])
}

function checkLogstore(
  written: Written | undefined,
  source: string,
  path: KeyPath,
  root: Written,
  findings: Findings,
): void {
  const logstore = textOf(written)
  const known = logstoresOf(entriesOf(entriesOf(root).get('sources')?.value).get(source)?.value)
  if (logstore === undefined || known.includes(logstore)) return
  findings.refuse(path, { problem: `the source ${source} has no logstore of this name`, allowed: known.join(', ') })
}

function checkTests(root: Written, routes: readonly Written[], names: AllNames, findings: Findings): void {
  const known = routes.flatMap((route) => textOf(entriesOf(route).get('name')?.value) ?? [])
  for (const [index, test] of itemsOf(entriesOf(root).get('tests')?.value).entries()) {
    const path = ['tests', index]
    const source = textOf(entriesOf(test).get('source')?.value)
    if (source !== undefined && names.sources.know([...path, 'source'], source)) {
      checkLogstore(entriesOf(test).get('logstore')?.value, source, [...path, 'logstore'], root, findings)
    }
    for (const [copy, expected] of itemsOf(entriesOf(test).get('expect')?.value).entries()) {
      const at = [...path, 'expect', copy]
      const sink = textOf(entriesOf(expected).get('sink')?.value)
      // A test does not make a sink used.
      if (sink !== undefined) names.sinks.know([...at, 'sink'], sink)
      const route = textOf(entriesOf(expected).get('route')?.value)
      if (route === undefined || known.includes(route)) continue
      const meant = nearest(route, known)
      findings.refuse([...at, 'route'], {
        problem: `there is no route of this name${meant === undefined ? '' : `; did you mean ${meant}?`}`,
        allowed: [...new Set(known)].join(', '),
      })
    }
  }
}
