import { isIP } from 'node:net'
import { SlsRefusal } from './refusal.ts'
import { queryPairs } from './signature.ts'

/** Names of the service's API operations, as its documentation has them. */
export const SLS_APIS = [
  'PutLogs',
  'PullLogs',
  'GetCursor',
  'GetCursorTime',
  'ListShards',
  'SplitShard',
  'MergeShard',
  'DeleteShard',
  'CreateConsumerGroup',
  'ListConsumerGroup',
  'UpdateConsumerGroup',
  'DeleteConsumerGroup',
  'ConsumerGroupHeartBeat',
  'GetCheckPoint',
  'ConsumerGroupUpdateCheckPoint',
  'GetLogStore',
  'ListLogStores',
  'CreateLogStore',
  'UpdateLogStore',
  'DeleteLogStore',
  'GetProject',
  'ListProject',
  'CreateProject',
  'DeleteProject',
] as const
export type SlsApi = (typeof SLS_APIS)[number]

/** Path, query and host of a request; the path is decoded. */
export interface Target {
  path: string
  rawQuery: string
  /** From the absolute-form target if there is one (the client uses us as its forward proxy), else the Host header. */
  authority: string
}

export interface SlsCall extends Target {
  api: SlsApi
  method: string
  query: ReadonlyMap<string, string>
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Buffer
  /** `undefined` for a bare endpoint (an IP address or `localhost`). */
  project: string | undefined
  logstore: string
  group: string
  /** From the path: NaN where it has none. */
  shard: number
}

export interface SlsReply {
  status: number
  headers: Record<string, string>
  body: Buffer
}

const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)(.*)$/i

export function targetOf(url: string, host: string | undefined): Target {
  const absolute = ABSOLUTE_FORM.exec(url)
  const authority = (absolute ? absolute[1] : host) ?? ''
  const origin = absolute ? absolute[2] || '/' : url
  const mark = origin.indexOf('?')
  const path = mark < 0 ? origin : origin.slice(0, mark)
  try {
    return { path: decodeURIComponent(path), rawQuery: mark < 0 ? '' : origin.slice(mark + 1), authority }
  } catch {
    throw new SlsRefusal('ParameterInvalid', `the path is not URL-encoded UTF-8: ${path}`)
  }
}

/** `proj.anything[:port]` → `proj`; a bare address names none. */
function projectOf(authority: string): string | undefined {
  const host = authority.replace(/:\d*$/, '').toLowerCase()
  const label = host.split('.')[0] ?? ''
  if (label === '' || host === 'localhost' || isIP(host.replace(/^\[|\]$/g, '')) !== 0) return undefined
  return label
}

export function callOf(
  target: Target,
  request: { method: string; headers: SlsCall['headers'] },
  body: Buffer,
): SlsCall {
  const query = new Map(queryPairs(target.rawQuery).map(([key, value]) => [key, value ?? '']))
  const project = projectOf(target.authority)
  const { method } = request
  const [root, logstore = '', collection, item, ...rest] = target.path.split('/').slice(1)
  const known = (root === '' || root === 'logstores') && rest.length === 0
  const shape = [
    root,
    logstore && ':logstore',
    collection,
    item === undefined ? undefined : itemShape(collection, item),
  ]
  const route = `${method === 'HEAD' ? 'GET' : method} ${shape.filter(Boolean).join('/')}`
  const api = known && item !== '' ? apiOf(route, query, project) : undefined
  if (!api) throw new SlsRefusal('InvalidMethod', `Invalid request method : ${method} ${target.path}`)
  return {
    ...target,
    ...{ api, method, query, headers: request.headers, body, project, logstore },
    group: collection === 'consumergroups' ? (item ?? '') : '',
    shard: collection === 'shards' && item !== undefined ? Number(item) : Number.NaN,
  }
}

function itemShape(collection: string | undefined, item: string): string {
  if (collection === 'shards') return /^\d{1,9}$/.test(item) ? ':shard' : item
  return item === '' ? '' : ':group'
}

const ROUTES: Readonly<Record<string, SlsApi>> = {
  'GET ': 'GetProject',
  'POST ': 'CreateProject',
  'DELETE ': 'DeleteProject',
  'GET logstores': 'ListLogStores',
  'POST logstores': 'CreateLogStore',
  'GET logstores/:logstore': 'GetLogStore',
  'PUT logstores/:logstore': 'UpdateLogStore',
  'DELETE logstores/:logstore': 'DeleteLogStore',
  'POST logstores/:logstore': 'PutLogs',
  'POST logstores/:logstore/shards/lb': 'PutLogs',
  'POST logstores/:logstore/shards/route': 'PutLogs',
  'GET logstores/:logstore/shards': 'ListShards',
  'DELETE logstores/:logstore/shards/:shard': 'DeleteShard',
  'GET logstores/:logstore/consumergroups': 'ListConsumerGroup',
  'POST logstores/:logstore/consumergroups': 'CreateConsumerGroup',
  'GET logstores/:logstore/consumergroups/:group': 'GetCheckPoint',
  'PUT logstores/:logstore/consumergroups/:group': 'UpdateConsumerGroup',
  'DELETE logstores/:logstore/consumergroups/:group': 'DeleteConsumerGroup',
}

/** Routes whose meaning is in a query parameter. */
const CHOICES: Readonly<Record<string, { parameter: string; apis: Readonly<Record<string, SlsApi>> }>> = {
  'GET logstores/:logstore/shards/:shard': {
    parameter: 'type',
    apis: { cursor: 'GetCursor', cursor_time: 'GetCursorTime', log: 'PullLogs', logs: 'PullLogs' },
  },
  'POST logstores/:logstore/shards/:shard': {
    parameter: 'action',
    apis: { split: 'SplitShard', merge: 'MergeShard' },
  },
  'POST logstores/:logstore/consumergroups/:group': {
    parameter: 'type',
    apis: { heartbeat: 'ConsumerGroupHeartBeat', checkpoint: 'ConsumerGroupUpdateCheckPoint' },
  },
}

function apiOf(route: string, query: ReadonlyMap<string, string>, project: string | undefined): SlsApi | undefined {
  const choice = CHOICES[route]
  if (choice) {
    const value = query.get(choice.parameter)
    if (value === undefined) throw new SlsRefusal('MissingParameter', `parameter ${choice.parameter} is missing`)
    const api = Object.hasOwn(choice.apis, value) ? choice.apis[value] : undefined
    if (!api) throw new SlsRefusal('ParameterInvalid', `parameter ${choice.parameter} cannot be ${value}`)
    return api
  }
  if (route === 'GET ' && project === undefined) return 'ListProject'
  // GetLogs and GetHistograms share the path of GetLogStore and would otherwise be answered with metadata.
  if (route === 'GET logstores/:logstore' && query.has('type')) return undefined
  return Object.hasOwn(ROUTES, route) ? ROUTES[route] : undefined
}

/** The value of a query parameter that must be there. */
export function parameter(call: SlsCall, name: string): string {
  const value = call.query.get(name)
  if (value === undefined || value === '') throw new SlsRefusal('MissingParameter', `parameter ${name} is missing`)
  return value
}

export function headerOf(call: Pick<SlsCall, 'headers'>, name: string): string {
  return [call.headers[name] ?? ''].flat().join(',').trim()
}

/** A JSON body; JsonInfoInvalid if it is none. */
export function jsonBody(call: Pick<SlsCall, 'body'>): unknown {
  try {
    return JSON.parse(call.body.toString())
  } catch (error) {
    throw new SlsRefusal('JsonInfoInvalid', `the body is not JSON: ${(error as Error).message}`)
  }
}

/** A JSON body that is an object. */
export function jsonObject(call: Pick<SlsCall, 'body'>): Record<string, unknown> {
  const value = jsonBody(call)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new SlsRefusal('JsonInfoInvalid', 'the body is not a JSON object')
}

/** A field of a JSON body, which must have the type named. */
export function field(body: Record<string, unknown>, name: string, type: 'string'): string
export function field(body: Record<string, unknown>, name: string, type: 'number'): number
export function field(body: Record<string, unknown>, name: string, type: 'boolean'): boolean
export function field(body: Record<string, unknown>, name: string, type: string): unknown {
  const value = body[name]
  if (typeof value === type) return value
  throw new SlsRefusal('JsonInfoInvalid', value === undefined ? `${name} is missing` : `${name} must be a ${type}`)
}

export function jsonReply(value: unknown): SlsReply {
  return { status: 200, headers: { 'Content-Type': 'application/json' }, body: Buffer.from(JSON.stringify(value)) }
}

/**
 * Success without a body. It has no JSON content type, because `@alicloud/log` parses every body that claims to be
 * JSON.
 */
export function emptyReply(): SlsReply {
  return { status: 200, headers: {}, body: Buffer.alloc(0) }
}

export function errorReply({ status, code, message }: { status: number; code: string; message: string }): SlsReply {
  const body = Buffer.from(JSON.stringify({ errorCode: code, errorMessage: message }))
  return { status, headers: { 'Content-Type': 'application/json' }, body }
}
