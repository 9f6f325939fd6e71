import type { Config, SourceConfig } from '../../config/model.ts'
import { nearest } from '../../core/nearest.ts'
import { UsageError } from '../command.ts'
import { isObject, parseExactly } from './exact-json.ts'

/** A log that was given on the command line, and where it comes from if it says so. */
export interface GivenLog {
  readonly log: ReadonlyMap<string, string>
  /** Of a dead letter. */
  readonly origin?: { readonly project: string; readonly logstore: string }
}

/** A log as JSON, or a line of a dead letter. Throws a UsageError. */
export function givenLog(text: string): GivenLog {
  const value = parsed(text)
  if (!isObject(value)) throw new UsageError('--log is no JSON object')
  const letter = deadLetterOf(value)
  if (letter === undefined) return { log: logOf(value) }
  const { time, event } = letter.envelope
  if (!isObject(event)) throw new UsageError('--log is a dead letter whose event is one text: give the log itself')
  return { log: logOf({ ...event, ...(time !== undefined && { __time__: time }) }), origin: letter.origin }
}

/** A dead letter by its shape, however it is spaced. A log may have contents with the same names. */
function deadLetterOf({
  reason,
  origin,
  event,
}: Json): { origin: NonNullable<GivenLog['origin']>; envelope: Json } | undefined {
  if (!isObject(reason) || !isObject(origin) || !isObject(event)) return undefined
  const { project, logstore } = origin
  const { code, text } = reason
  if (typeof code !== 'string' || typeof text !== 'string') return undefined
  if (typeof project !== 'string' || typeof logstore !== 'string') return undefined
  return { origin: { project, logstore }, envelope: event }
}

type Json = Readonly<Record<string, unknown>>

function parsed(text: string): unknown {
  try {
    return parseExactly(text)
  } catch {
    throw new UsageError('--log is no JSON')
  }
}

/** Values that are no text become their JSON text, `null` is absent. */
function logOf(value: Json): Map<string, string> {
  const log = new Map<string, string>()
  for (const [key, one] of Object.entries(value)) {
    if (typeof one === 'string') log.set(key, one)
    else if (one !== null) log.set(key, JSON.stringify(one))
  }
  const time = log.get('__time__')
  if (time !== undefined && !/^\d{1,10}(?:\.\d{1,9})?$/.test(time)) {
    throw new UsageError('__time__ of --log is no unix time in seconds')
  }
  return log
}

/** The source and the logstore that are meant. Throws a UsageError. */
export function placeOf(
  { sources }: Config,
  { source: name, logstore }: { readonly source: string | undefined; readonly logstore: string | undefined },
  { origin }: GivenLog,
): { source: SourceConfig; logstore: string } {
  const source = name === undefined ? sourceOfOrigin(sources, origin) : sourceNamed(sources, name)
  const own = logstore ?? (source.logstores.includes(origin?.logstore ?? '') ? origin?.logstore : source.logstores[0])
  if (own !== undefined && source.logstores.includes(own)) return { source, logstore: own }
  throw new UsageError(`source ${source.name} has no logstore ${own}; it has ${source.logstores.join(', ')}`)
}

function sourceNamed(sources: readonly SourceConfig[], wanted: string): SourceConfig {
  const found = sources.find(({ name }) => name === wanted)
  if (found !== undefined) return found
  const names = sources.map(({ name }) => name)
  const meant = nearest(wanted, names)
  throw new UsageError(
    `there is no source ${wanted}${meant ? `; did you mean ${meant}?` : `; there are ${names.join(', ')}`}`,
  )
}

function sourceOfOrigin(sources: readonly SourceConfig[], origin: GivenLog['origin']): SourceConfig {
  if (origin === undefined) {
    const names = sources.map(({ name }) => name)
    throw new UsageError(`--source is missing; there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`)
  }
  const found = sources.find(
    ({ project, logstores }) => project === origin.project && logstores.includes(origin.logstore),
  )
  if (found === undefined) {
    throw new UsageError(
      `no source reads ${origin.project}/${origin.logstore} of the dead letter: name one with --source`,
    )
  }
  return found
}
