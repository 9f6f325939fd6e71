import { nearest } from '../../core/nearest.ts'
import { passedByAbsence } from '../../routing/absence.ts'
import type { Condition } from '../../routing/condition.ts'
import { parseCondition } from '../../routing/condition.ts'
import { contradictionsIn } from '../../routing/contradictions.ts'
import { boolean } from '../parsers.ts'
import type { Findings } from './findings.ts'
import type { KeyPath, Written } from './written.ts'
import { entriesOf, isNothing, itemsOf, textOf } from './written.ts'

export interface CheckedRoutes {
  /** Of the routes that have one, by their index. */
  readonly conditions: ReadonlyMap<number, Condition>
}

/** What the names of a file stand for, and which were used. */
class Names {
  readonly #kind: string
  readonly #section: string
  readonly #known: readonly string[]
  readonly #used = new Set<string>()
  readonly #findings: Findings

  constructor(kind: string, section: string, root: Written, findings: Findings) {
    this.#kind = kind
    this.#section = section
    this.#known = [...entriesOf(entriesOf(root).get(section)?.value).keys()]
    this.#findings = findings
  }

  get all(): readonly string[] {
    return this.#known
  }

  /** Whether it is known. `also` are words that may stand in place of a name. */
  use(path: KeyPath, name: string, also: readonly string[] = []): boolean {
    this.markUsed(name)
    return this.know(path, name, also)
  }

  /** The same, without using it. */
  know(path: KeyPath, name: string, also: readonly string[] = []): boolean {
    const known = [...also, ...this.#known]
    if (known.includes(name)) return true
    const meant = nearest(name, known)
    this.#findings.refuse(path, {
      problem: `there is no ${this.#kind} of this name${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      allowed: known.length === 0 ? `a name of ${this.#section}` : known.join(', '),
    })
    return false
  }

  markUsed(name: string): void {
    this.#used.add(name)
  }

  warnOfUnused(): void {
    for (const name of this.#known) {
      if (!this.#used.has(name)) this.#findings.warn([this.#section, name], `nothing uses this ${this.#kind}`)
    }
  }
}

/** Checks everything in a file that names something else in it, the conditions, and that every log is decided on. */
export function checkRoutes(root: Written, findings: Findings): CheckedRoutes {
  const names = {
    sources: new Names('source', 'sources', root, findings),
    sinks: new Names('sink', 'sinks', root, findings),
    credentials: new Names('entry of credentials', 'credentials', root, findings),
    lists: new Names('list', 'lists', root, findings),
    macros: new Names('macro', 'macros', root, findings),
  }
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
  checkCoverage(root, routes, names, findings)
  checkTests(root, routes, names, findings)
  for (const kind of [names.sinks, names.credentials, names.lists, names.macros]) kind.warnOfUnused()
  return { conditions }
}

type AllNames = Readonly<Record<'sources' | 'sinks' | 'credentials' | 'lists' | 'macros', Names>>

/** Reading a value of it is using its name. */
class Used<T> extends Map<string, T> {
  onUse: (name: string) => void = () => {}

  override get(name: string): T | undefined {
    const value = super.get(name)
    if (value !== undefined) this.onUse(name)
    return value
  }
}

/** A wrong macro is one problem, at its own place, however many conditions use it. */
function checkConditions(
  root: Written,
  routes: readonly Written[],
  names: AllNames,
  findings: Findings,
): Map<number, Condition> {
  const section = (key: string) => [...entriesOf(entriesOf(root).get(key)?.value)]
  const macros = new Used(section('macros').flatMap(([name, { value }]) => pair(name, textOf(value))))
  const lists = new Used(
    section('lists').map(([name, { value }]) => [name, itemsOf(value).flatMap((item) => textOf(item) ?? [])]),
  )
  const broken = brokenMacros(macros, lists, findings)
  macros.onUse = (name) => names.macros.markUsed(name)
  lists.onUse = (name) => names.lists.markUsed(name)
  const conditions = new Map<number, Condition>()
  for (const [index, route] of routes.entries()) {
    const text = textOf(entriesOf(route).get('when')?.value)
    if (text === undefined) continue
    const found = parseCondition(text, { macros, lists })
    if (!('problem' in found)) {
      conditions.set(index, found)
      const path = ['routes', index, 'when']
      warnOfContradictions(found, path, findings)
      remarkOnAbsence(found, path, findings)
    } else if (found.macro === undefined || !broken.has(found.macro)) findings.refuse(['routes', index, 'when'], found)
  }
  return conditions
}

function warnOfContradictions({ expression }: Condition, path: KeyPath, findings: Findings): void {
  for (const { isWhole, reason, offset } of contradictionsIn(expression)) {
    findings.warn(path, `${isWhole ? 'can never hold' : 'has a part that can never hold'}: ${reason}`, offset)
  }
}

function remarkOnAbsence({ expression }: Condition, path: KeyPath, findings: Findings): void {
  for (const { field, text, offset } of passedByAbsence(expression)) {
    const meant = `add '${field} exists' if they should not`
    findings.remark(path, `logs without ${field} pass here, because '${text}' is false for them: ${meant}`, offset)
  }
}

function isEmptyMap(written: Written | undefined): boolean {
  return written?.kind === 'map' && written.entries.size === 0
}

function pair<T>(name: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[name, value]]
}

function brokenMacros(
  macros: Used<string>,
  lists: ReadonlyMap<string, readonly string[]>,
  findings: Findings,
): Set<string> {
  const read = [...macros].map(([name, text]) => {
    const uses = new Set<string>()
    macros.onUse = (used) => uses.add(used)
    return { name, uses, found: parseCondition(text, { macros, lists }) }
  })
  const broken = new Set<string>()
  for (const { name, found } of read) {
    if (!('problem' in found) || found.macro !== undefined) continue
    broken.add(name)
    findings.refuse(['macros', name], found)
  }
  // Macros that go in a circle have no problem of their own. The first of them is told.
  for (const { name, found, uses } of read) {
    if (!('problem' in found) || [name, found.macro ?? name].some((one) => broken.has(one))) continue
    for (const one of [name, ...uses]) broken.add(one)
    findings.refuse(['macros', name], found)
  }
  return broken
}

function checkTargets(routes: readonly Written[], names: AllNames, findings: Findings): void {
  const seen = new Set<string>()
  for (const [index, route] of routes.entries()) {
    if (route.kind !== 'map') continue
    const path = ['routes', index]
    const value = (key: string) => {
      const written = route.entries.get(key)?.value
      return written?.kind === 'text' && isNothing(written) ? undefined : written
    }
    const name = textOf(value('name'))
    if (name !== undefined && seen.has(name)) {
      findings.refuse([...path, 'name'], { problem: 'another route has this name', allowed: 'a name of its own' })
    } else if (name !== undefined) seen.add(name)
    const from = value('from')
    useEach(from, [...path, 'from'], names.sources)
    if (from?.kind === 'list' && from.items.length === 0) {
      findings.refuse([...path, 'from'], { problem: 'names no source', allowed: 'sources; or no from, for all' })
    }
    useEach(value('to'), [...path, 'to'], names.sinks)
    const [to, drop] = [value('to'), value('drop')]
    if (to === undefined && drop === undefined) {
      findings.refuse(path, { problem: 'has neither to nor drop', allowed: 'to: SINK, or drop: REASON' })
    } else if (to !== undefined && drop !== undefined) {
      findings.refuse([...path, 'drop'], {
        problem: 'stands beside to',
        allowed: 'to: SINK, or drop: REASON',
        ofKey: true,
      })
    } else if (to !== undefined && itemsOf(to).length === 0) {
      findings.refuse([...path, 'to'], { problem: 'names no sink', allowed: 'to: SINK, or drop: REASON' })
    }
    if (drop === undefined) continue
    if (isTrue(value('continue'))) {
      findings.refuse([...path, 'continue'], {
        problem: 'a route that drops a log takes it',
        allowed: 'continue beside to',
        ofKey: true,
      })
    }
    for (const key of ['set', 'shape']) {
      if (value(key) !== undefined) findings.warn([...path, key], 'has no effect: this route drops its logs')
    }
  }
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
  const covered = new Set<string>()
  const reached = new Set<string>()
  for (const [index, route] of routes.entries()) {
    const entries = entriesOf(route)
    const from = entries.has('from')
      ? itemsOf(entries.get('from')?.value).flatMap((item) => textOf(item) ?? [])
      : names.sources.all
    for (const source of from) reached.add(source)
    if (from.length > 0 && from.every((source) => covered.has(source))) {
      const path = ['routes', index]
      findings.refuse(path, {
        problem: 'no log reaches this route: routes above take every log of its sources',
        allowed: 'a place above them; or `when` or `continue: true` at those routes',
      })
    }
    const takesAll = !entries.has('when') && !isTrue(entries.get('continue')?.value)
    if (takesAll) for (const source of from) covered.add(source)
  }
  const unmatched = textOf(entriesOf(root).get('unmatched')?.value) ?? 'error'
  if (!names.sinks.use(['unmatched'], unmatched, ['error', 'drop'])) return
  const open = names.sources.all.filter((source) => !covered.has(source))
  if (unmatched === 'error' && open.length > 0 && entriesOf(root).get('routes')?.value.kind === 'list') {
    const logs = `logs of ${open.join(', ')} may match no route, and nothing says what becomes of them`
    const allowed = 'a last route without when; or unmatched: drop, or the name of a sink'
    findings.refuse(entriesOf(root).has('unmatched') ? ['unmatched'] : ['routes'], {
      problem: logs,
      allowed,
      ofKey: true,
    })
  }
  for (const source of names.sources.all) {
    if (unmatched === 'drop' && !reached.has(source)) {
      findings.warn(['sources', source], 'no route takes its logs, so all of them are dropped')
    }
  }
}

/** Two readers of one group would give each other's shards away. */
function refuseTwins(root: Written, findings: Findings): void {
  const seen = new Map<string, string>()
  for (const [name, { value }] of entriesOf(entriesOf(root).get('sources')?.value)) {
    const [endpoint, project, group] = ['endpoint', 'project', 'group'].map((key) =>
      textOf(entriesOf(value).get(key)?.value),
    )
    for (const logstore of logstoresOf(value)) {
      const identity = [endpoint, project, group, logstore].join('\n')
      const twin = seen.get(identity)
      seen.set(identity, name)
      if (twin === undefined || project === undefined) continue
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
        allowed: known.join(', '),
      })
    }
  }
}
