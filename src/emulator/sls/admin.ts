/**
 * `/_emulator/…` on the emulator's own port: unsigned, for loopback peers only, JSON in and out. `project` and
 * `logstore` may be left out where they mean the ones the emulator was started with.
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
import type { FaultScript } from '../faults.ts'
import type { SlsReply } from './call.ts'
import { jsonReply } from './call.ts'
import type { SlsFaultAction, SlsFaultRule } from './faults.ts'
import type { Commit } from './group-api.ts'
import type { Logstore } from './logstore.ts'
import { SlsRefusal } from './refusal.ts'
import type { RequestCount } from './requests.ts'
import type { Shard } from './shard.ts'
import type { SlsState } from './state.ts'
import { shardState } from './state.ts'
import type { SlsStore } from './store.ts'

export const ADMIN_PREFIX = '/_emulator/'

export interface Administered {
  readonly store: SlsStore
  readonly faults: FaultScript<SlsFaultAction>
  readonly commits: readonly Commit[]
  readonly project: string
  readonly logstore: string
  now(): number
  state(): SlsState
  requests(): RequestCount[]
}

export interface AdminRequest {
  method: string
  /** Behind the prefix. */
  name: string
  query: URLSearchParams
  body: Buffer
}

type Fields = Record<string, unknown>

export function adminReply(emulator: Administered, { method, name, query, body }: AdminRequest): SlsReply {
  const { faults } = emulator
  switch (`${method} ${name}`) {
    case 'GET state':
      return jsonReply(emulator.state())
    case 'GET commits':
      return jsonReply(emulator.commits)
    case 'GET requests':
      return jsonReply(emulator.requests())
    case 'GET faults':
      return jsonReply({ rules: faults.list(), unfired: faults.unfired().map(({ id }) => id) })
    case 'POST faults':
      return jsonReply({ ids: addFaults(faults, parsed(body)) })
    case 'DELETE faults':
      return jsonReply({ removed: faults.remove(query.get('id') ?? undefined) })
    default:
      return change(emulator, `${method} ${name}`, fieldsOf(body))
  }
}

function change(emulator: Administered, request: string, given: Fields): SlsReply {
  const project = text(given, 'project') ?? emulator.project
  const name = text(given, 'logstore') ?? emulator.logstore
  if (request === 'POST logstores') return createLogstore(emulator.store, project, given)
  const logstore = () => emulator.store.logstore(project, name)
  const shard = () => whole(given, 'shard') ?? missing('shard')
  switch (request) {
    case 'POST split': {
      const key = text(given, 'key')
      const count = whole(given, 'shardCount')
      const shards = logstore().split(shard(), {
        ...(key !== undefined && { key }),
        ...(count !== undefined && { count }),
      })
      return jsonReply(shards.map(shardState))
    }
    case 'POST merge':
      return jsonReply(logstore().merge(shard()).map(shardState))
    case 'POST readonly':
      logstore().seal(shard())
      return jsonReply(shardState(logstore().shard(shard())))
    case 'POST expire':
      return jsonReply({ expired: expire(logstore(), given, emulator.now()) })
    default:
      throw new SlsRefusal('InvalidMethod', `no such admin request: ${request}`)
  }
}

function createLogstore(store: SlsStore, project: string, given: Fields): SlsReply {
  const logstore = text(given, 'logstore') ?? missing('logstore')
  const shards = whole(given, 'shards')
  const ttl = whole(given, 'ttl')
  const retentionSeconds = whole(given, 'retentionSeconds')
  if (!store.projects().some(({ name }) => name === project)) store.createProject(project)
  store.createLogstore(project, logstore, {
    ...(shards !== undefined && { shards }),
    ...(ttl !== undefined && { settings: { ttl } }),
    ...(retentionSeconds !== undefined && { retentionSeconds }),
  })
  return jsonReply({ project, logstore })
}

function expire(logstore: Logstore, given: Fields, now: number): number {
  const id = whole(given, 'shard')
  const cursor = text(given, 'cursor')
  const keep = whole(given, 'keep') ?? 0
  const age = whole(given, 'olderThanSeconds')
  const borderOf = (shard: Shard) => {
    if (cursor !== undefined) return shard.positionOf(cursor, 'oldest')
    return age === undefined ? shard.end - keep : shard.positionAt(now - age * 1000)
  }
  const shards = id === undefined ? logstore.shards() : [logstore.shard(id)]
  return shards.reduce((sum, shard) => sum + shard.expireBefore(borderOf(shard)), 0)
}

function addFaults(faults: FaultScript<SlsFaultAction>, given: unknown): string[] {
  try {
    return faults.add(...([given].flat() as SlsFaultRule[]))
  } catch (error) {
    if (error instanceof TypeError) throw new SlsRefusal('ParameterInvalid', error.message)
    throw error
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString() || '{}')
  } catch (error) {
    throw new SlsRefusal('JsonInfoInvalid', `the body is not JSON: ${(error as Error).message}`)
  }
}

function fieldsOf(body: Buffer): Fields {
  const value = parsed(body)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new SlsRefusal('JsonInfoInvalid', 'the body is not a JSON object')
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
