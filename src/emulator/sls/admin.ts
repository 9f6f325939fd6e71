/**
 * `/_emulator/…` on the emulator's own port: unsigned, for loopback peers only, JSON in and out. Without `project`
 * and `logstore` the oldest is meant: the first that the emulator was started with.
 *
 * | request | body → answer |
 * |---|---|
 * | GET state | → `SlsState` |
 * | GET faults | → `{rules: [rule with seen and fired…], unfired: [id…]}` |
 * | POST faults | a rule or an array of rules → `{ids}` |
 * | DELETE faults[?id=] | one rule or all → `{removed}` |
 * | POST split | `{shard, key?, shardCount?}` → shards as in the state, the parent first |
 * | POST merge | `{shard}` → the new shard, then the two old ones |
 * | POST readonly | `{shard}` → the shard |
 * | POST expire | `{shard?, keep?}` or `{shard?, cursor}` or `{shard?, olderThanSeconds}`: forget old log groups, by default all → `{expired}` |
 * | POST logstores | `{project?, logstore, shards?, ttl?, retentionSeconds?}`; makes the project if needed → `{project, logstore}` |
 * | GET commits | → every accepted checkpoint, in order: `Commit[]` |
 * | GET requests | → counts: `[{api, status, code, count}…]` |
 *
 * Errors are the service's JSON error bodies.
 */
import type { SlsReply } from './call.ts'
import { jsonBody, jsonObject, jsonReply } from './call.ts'
import type { SlsFaultRule, SlsFaults } from './faults.ts'
import { SlsRefusal } from './refusal.ts'
import type { RequestCounts } from './requests.ts'
import { shardState } from './state.ts'
import type { SlsStore } from './store.ts'

export const ADMIN_PREFIX = '/_emulator/'

export interface Administered {
  readonly store: SlsStore
  readonly faults: SlsFaults
  readonly requests: RequestCounts
}

export interface AdminRequest {
  method: string
  /** Behind the prefix. */
  name: string
  query: URLSearchParams
  body: Buffer
}

type Fields = Record<string, unknown>

const NOTHING = Buffer.from('{}')

export function adminReply(emulator: Administered, { method, name, query, body }: AdminRequest): SlsReply {
  const { store, faults, requests } = emulator
  const given = { body: body.length === 0 ? NOTHING : body }
  switch (`${method} ${name}`) {
    case 'GET state':
      return jsonReply(store.state())
    case 'GET commits':
      return jsonReply(store.commits)
    case 'GET requests':
      return jsonReply(requests.list())
    case 'GET faults':
      return jsonReply({ rules: faults.list(), unfired: faults.unfired().map(({ id }) => id) })
    case 'POST faults':
      return jsonReply({ ids: addFaults(faults, jsonBody(given)) })
    case 'DELETE faults':
      return jsonReply({ removed: faults.remove(query.get('id') ?? undefined) })
    case 'POST logstores':
      return createLogstore(store, jsonObject(given))
    default:
      return change(store, `${method} ${name}`, jsonObject(given))
  }
}

function change(store: SlsStore, request: string, given: Fields): SlsReply {
  const logstore = () => store.logstore(text(given, 'project'), text(given, 'logstore'))
  const shard = () => whole(given, 'shard') ?? missing('shard')
  switch (request) {
    case 'POST split': {
      const options = defined({ key: text(given, 'key'), count: whole(given, 'shardCount') })
      return jsonReply(logstore().split(shard(), options).map(shardState))
    }
    case 'POST merge':
      return jsonReply(logstore().merge(shard()).map(shardState))
    case 'POST readonly':
      return jsonReply(shardState(logstore().seal(shard())))
    case 'POST expire': {
      const [id, keep, olderThanSeconds] = ['shard', 'keep', 'olderThanSeconds'].map((name) => whole(given, name))
      const options = defined({ shard: id, keep, olderThanSeconds, cursor: text(given, 'cursor') })
      return jsonReply({ expired: logstore().expire(options) })
    }
    default:
      throw new SlsRefusal('InvalidMethod', `no such admin request: ${request}`)
  }
}

function createLogstore(store: SlsStore, given: Fields): SlsReply {
  const project = text(given, 'project') ?? store.project().name
  const logstore = text(given, 'logstore') ?? missing('logstore')
  const ttl = whole(given, 'ttl')
  const options = defined({ shards: whole(given, 'shards'), retentionSeconds: whole(given, 'retentionSeconds') })
  if (!store.projects().some(({ name }) => name === project)) store.createProject(project)
  store.createLogstore(project, logstore, { ...options, ...(ttl !== undefined && { settings: { ttl } }) })
  return jsonReply({ project, logstore })
}

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }
}

function addFaults(faults: SlsFaults, given: unknown): string[] {
  try {
    return faults.add(...([given].flat() as SlsFaultRule[]))
  } catch (error) {
    if (error instanceof TypeError) throw new SlsRefusal('ParameterInvalid', error.message)
    throw error
  }
}

function text(given: Fields, name: string): string | undefined {
  const value = given[name]
  if (value === undefined || typeof value === 'string') return value
  throw new SlsRefusal('ParameterInvalid', `${name} must be a string`)
}

function whole(given: Fields, name: string): number | undefined {
  const value = given[name]
  if (value === undefined || (typeof value === 'number' && Number.isInteger(value) && value >= 0)) return value
  throw new SlsRefusal('ParameterInvalid', `${name} must be a whole number, 0 or more`)
}

function missing(name: string): never {
  throw new SlsRefusal('MissingParameter', `${name} is missing`)
}
