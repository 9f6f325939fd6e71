import type { Config, SourceConfig } from '../../config/model.ts'
import { escaped } from '../../core/text.ts'
import { programOf } from '../../parts.ts'
import type { Trial } from '../../pipeline/reference/trial.ts'
import { routesAt, tryLog } from '../../pipeline/reference/trial.ts'
import { TopicSelection } from '../../pipeline/select.ts'
import type { SlsClient } from '../../sls/client.ts'
import { isObject } from '../trial/exact-json.ts'
import type { Check, Finding } from './finding.ts'
import { ok, skip, warn } from './finding.ts'
import type { Sample } from './sample.ts'
import { sampleOf } from './sample.ts'

const MOST_TOPICS = 100
const TOPIC_CHARACTERS = 100

interface Sampled {
  readonly config: Config
  readonly source: SourceConfig
  readonly logstore: string
  readonly client: SlsClient
}

/** Shows what filters and routes would do with logs that are there now. Only a corrupt answer makes these checks fail. */
export function sampleChecks({ config, source, logstore, client }: Sampled): Check[] {
  const hasFile = config.eventIdScope === 'project'
  let looked: { sample: Sample; ways: Trial[] } | undefined
  const look = async (signal: AbortSignal) => {
    const sample = looked?.sample ?? (await sampleOf(client, source, signal))
    looked ??= { sample, ways: waysOf(config, source, logstore, sample) }
    return looked
  }
  const check = (about: string, found: (seen: NonNullable<typeof looked>) => Finding): Check => ({
    about,
    behind: 'sls-query',
    run: async (signal) => {
      const seen = await look(signal)
      if (seen.sample.logs.length > 0) return found(seen)
      const { shards, missed } = seen.sample
      return skip(missed === undefined ? `no logs in ${shards} shards yet` : `no logs looked at: ${missed}`)
    },
  })
  return [
    check('SLS topics', ({ sample }) => topicsFound(sample, source, hasFile)),
    ...(hasFile ? [check('SLS routes', ({ ways }) => routesFound(ways, config, source, logstore))] : []),
    check('SLS JSON fields', ({ ways }) => jsonFound(ways, config, source, hasFile)),
    ...(stepsOf(config, source).some(usesContainerId)
      ? [check('SLS container ids', ({ sample }) => containerIdsFound(sample))]
      : []),
  ]
}

function waysOf(config: Config, source: SourceConfig, logstore: string, { logs }: Sample): Trial[] {
  const { name, project, query } = source
  const firstGroup = query === undefined ? 0n : undefined
  const at = { source: name, project, logstore, shard: 0, cursor: 'MA==', firstGroup }
  const program = programOf(config, source, logstore)
  return logs.map((log) => tryLog(program, at, log))
}

function topicsFound({ topics, shards, missed }: Sample, { topics: wanted }: SourceConfig, hasFile: boolean): Finding {
  const selection = new TopicSelection(wanted)
  const all = [...topics].toSorted(([, a], [, b]) => b - a)
  const isWanted = (topic: string) => selection.wants(Buffer.from(topic))
  const list = (some: typeof all) => some.map(([topic, logs]) => `${shownTopic(topic)} ${logs}`).join(', ')
  const shown = all.slice(0, MOST_TOPICS)
  const rest = all.length > shown.length ? ` and ${all.length - shown.length} other topics` : ''
  const total = all.reduce((sum, [, logs]) => sum + logs, 0)
  const [taken, dropped] = [shown.filter(([topic]) => isWanted(topic)), shown.filter(([topic]) => !isWanted(topic))]
  const parts = [
    ...(taken.length === 0 ? [] : [`wanted: ${list(taken)}`]),
    ...(dropped.length === 0 ? [] : [`dropped: ${list(dropped)}`]),
  ]
  const found = `the newest ${total} logs of ${shards} shards; ${parts.join('; ')}${rest}${missed ? `; ${missed}` : ''}`
  if (all.some(([topic]) => isWanted(topic))) return ok(found)
  const setting = hasFile ? 'topics of the source' : 'FILTER_TOPICS'
  return warn(
    found,
    `${setting} wants none of these logs. Write the names as they stand here, or leave ${setting} out to get all.`,
  )
}

/** `""` is the empty topic. */
function shownTopic(topic: string): string {
  const text = escaped(topic.slice(0, TOPIC_CHARACTERS)) + (topic.length > TOPIC_CHARACTERS ? '…' : '')
  return text === '' || /[\s,;]/.test(text) ? `"${text}"` : text
}

function routesFound(ways: readonly Trial[], config: Config, source: SourceConfig, logstore: string): Finding {
  const { name, project } = source
  const routes = routesAt(programOf(config, source, logstore), { source: name, project, logstore })
  const taken = new Map(routes.map((route) => [route, 0]))
  let unwanted = 0
  for (const { routes: tried } of ways) {
    if (tried.length === 0) unwanted++
    for (const { name: route, holds } of tried) if (holds) taken.set(route, (taken.get(route) ?? 0) + 1)
  }
  const counts = [...taken].map(([route, logs]) => `${route} ${logs}`).join(', ')
  const found = `of ${ways.length} logs: ${counts}${unwanted > 0 ? `; ${unwanted} come to no route` : ''}`
  // A log that is left over is no fault of a route.
  const idle = [...taken].filter(([route, logs]) => logs === 0 && config.routing.routes.some((r) => r.name === route))
  if (idle.length === 0 || unwanted === ways.length) return ok(found)
  const names = idle.map(([route]) => route).join(', ')
  return warn(
    found,
    `No log came into ${names}. Rare logs may be missing here; otherwise look at one: sls-siem-bridge explain --source ${name} --log '…'`,
  )
}

/** Fields that hold a JSON object in every log that has them, and that leave as text. */
function jsonFound(ways: readonly Trial[], config: Config, source: SourceConfig, hasFile: boolean): Finding {
  const kinds = new Map<string, boolean>()
  const routesOf = new Map<string, Set<string>>()
  for (const { copies } of ways) {
    for (const { event, route } of copies)
      for (const [field, isJson] of textsOf(event)) {
        kinds.set(field, isJson && (kinds.get(field) ?? true))
        routesOf.set(field, (routesOf.get(field) ?? new Set()).add(route))
      }
  }
  const read = fieldsRead(config, source)
  const fields = [...kinds].filter(([field, isJson]) => isJson && !read.has(field)).map(([field]) => field)
  if (fields.length === 0) return ok('no field leaves as text that is a JSON object')
  const names = fields.slice(0, MOST_TOPICS).map((field) => escaped(field.slice(0, TOPIC_CHARACTERS)))
  const looks = `${names.map((field) => `\`${field}\``).join(', ')} ${fields.length === 1 ? 'looks' : 'look'} like JSON, and will be sent as text`
  if (hasFile) {
    const routes = [...new Set(fields.flatMap((field) => [...(routesOf.get(field) ?? [])]))]
    const step = names.length === 1 ? names[0] : `[${names.join(', ')}]`
    return warn(
      `${looks} by the route${routes.length === 1 ? '' : 's'} ${routes.join(', ')}`,
      `Add \`json: ${step}\` to the shape of the source ${source.name}, or of each route that is to send JSON.`,
    )
  }
  const known = source.shape.flatMap((step) => (step.name === 'json' && step.fields !== '*' ? step.fields : []))
  return warn(looks, `Set EVENT_JSON_FIELDS=${[...known, ...names].join(',')}`)
}

function* textsOf(envelope: Buffer): Generator<[field: string, isJson: boolean]> {
  const { event } = JSON.parse(envelope.toString()) as { event: unknown }
  if (!isObject(event)) return
  for (const [field, value] of Object.entries(event)) {
    if (typeof value === 'string' && value !== '') yield [field, isJsonObject(value)]
  }
}

function isJsonObject(text: string): boolean {
  if (!/^\s*\{/.test(text)) return false
  try {
    return isObject(JSON.parse(text))
  } catch {
    return false
  }
}

/** The lines that a step takes apart stay in the event as text, and so does the line of a container. */
function fieldsRead(config: Config, source: SourceConfig): Set<string> {
  const fields = stepsOf(config, source).flatMap((step) => {
    if (step.name === 'docker') return ['line']
    return step.name === 'parse' || step.name === 'kv' ? [step.field.text] : []
  })
  return new Set(fields)
}

type Step = SourceConfig['shape'][number]

function stepsOf({ routing }: Config, { name, shape }: SourceConfig): Step[] {
  const routes = routing.routes.filter(({ from }) => from === undefined || from.includes(name))
  return [...shape, ...routes.flatMap((route) => route.shape)]
}

/** Whether a step of `docker` has a tag with the id of the container. */
function usesContainerId(step: Step): boolean {
  if (step.name !== 'docker') return false
  return step.tag.parts.some((part) => typeof part !== 'string' && (part.field === 'ID' || part.field === 'FullID'))
}

function containerIdsFound({ logs }: Sample): Finding {
  const having = logs.filter((log) => log.includes('_container_id_')).length
  const found = `${having} of ${logs.length} logs have \`_container_id_\``
  if (having > 0) return ok(found)
  return warn(
    `${found}, so {{.ID}} is empty`,
    'Let the collector write _container_id_, or write a tag without {{.ID}}.',
  )
}
