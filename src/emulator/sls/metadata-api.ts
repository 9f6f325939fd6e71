/** Projects and logstores: what tools read and write; consumers and producers call none of it. */
import type { SlsCall, SlsReply } from './call.ts'
import { emptyReply, field, jsonObject, jsonReply } from './call.ts'
import type { Logstore, LogstoreSettings } from './logstore.ts'
import { SlsRefusal } from './refusal.ts'
import type { Project, SlsStore } from './store.ts'

export function getProject(project: Project): SlsReply {
  return jsonReply(projectFields(project))
}

export function listProjects(call: SlsCall, store: SlsStore): SlsReply {
  const wanted = call.query.get('projectName') ?? ''
  const { total, page } = pageOf(
    call,
    store.projects().filter(({ name }) => name.includes(wanted)),
  )
  return jsonReply({ count: page.length, total, projects: page.map(projectFields) })
}

export function createProject(call: SlsCall, store: SlsStore): SlsReply {
  const body = jsonObject(call)
  store.createProject(field(body, 'projectName', 'string'), String(body['description'] ?? ''))
  return emptyReply()
}

export function deleteProject(project: Project, store: SlsStore): SlsReply {
  store.deleteProject(project.name)
  return emptyReply()
}

export function listLogstores(call: SlsCall, project: Project): SlsReply {
  const wanted = call.query.get('logstoreName') ?? ''
  const { total, page } = pageOf(call, [...project.logstores.keys()].filter((name) => name.includes(wanted)).sort())
  return jsonReply({ count: page.length, total, logstores: page })
}

export function getLogstore(logstore: Logstore): SlsReply {
  const { ttl, enableTracking, appendMeta, autoSplit, maxSplitShard } = logstore.settings
  return jsonReply({
    ...{ logstoreName: logstore.name, ttl, shardCount: logstore.shards().length },
    ...{ enable_tracking: enableTracking, appendMeta, autoSplit, maxSplitShard },
    ...{ mode: 'standard', telemetryType: '' },
    createTime: Math.floor(logstore.createdAt / 1000),
    lastModifyTime: Math.floor(logstore.modifiedAt / 1000),
  })
}

export function createLogstore(call: SlsCall, project: Project, store: SlsStore): SlsReply {
  const body = jsonObject(call)
  store.createLogstore(project.name, field(body, 'logstoreName', 'string'), {
    ...(body['shardCount'] !== undefined && { shards: field(body, 'shardCount', 'number') }),
    settings: settingsOf(body),
  })
  return emptyReply()
}

export function updateLogstore(call: SlsCall, logstore: Logstore): SlsReply {
  logstore.update(settingsOf(jsonObject(call)))
  return emptyReply()
}

export function deleteLogstore(call: SlsCall, project: Project, store: SlsStore): SlsReply {
  store.deleteLogstore(project.name, call.logstore)
  return emptyReply()
}

function settingsOf(body: Record<string, unknown>): Partial<LogstoreSettings> {
  const given = (name: string) => body[name] !== undefined && body[name] !== null
  if (given('ttl') && !(Number(body['ttl']) >= 1 && Number(body['ttl']) <= 3650)) {
    throw new SlsRefusal('LogStoreInfoInvalid', `ttl must be from 1 to 3650 days, not ${body['ttl']}`)
  }
  return {
    ...(given('ttl') && { ttl: field(body, 'ttl', 'number') }),
    ...(given('enable_tracking') && { enableTracking: field(body, 'enable_tracking', 'boolean') }),
    ...(given('appendMeta') && { appendMeta: field(body, 'appendMeta', 'boolean') }),
    ...(given('autoSplit') && { autoSplit: field(body, 'autoSplit', 'boolean') }),
    ...(given('maxSplitShard') && { maxSplitShard: field(body, 'maxSplitShard', 'number') }),
  }
}

function projectFields({ name, description, createdAt }: Project): Record<string, unknown> {
  const time = new Date(createdAt).toISOString().slice(0, 19).replace('T', ' ')
  return {
    ...{ projectName: name, description, owner: '', region: 'cn-local', status: 'Normal' },
    ...{ createTime: time, lastModifyTime: time },
  }
}

function pageOf<T>(call: SlsCall, items: T[]): { total: number; page: T[] } {
  const numberOf = (name: string, fallback: number) => {
    const value = Number(call.query.get(name) || fallback)
    if (Number.isInteger(value) && value >= 0) return value
    throw new SlsRefusal('ParameterInvalid', `${name} must be a whole number`)
  }
  const offset = numberOf('offset', 0)
  // -1 is how Python asks for everything.
  const size = call.query.get('size') === '-1' ? items.length : numberOf('size', 500)
  return { total: items.length, page: items.slice(offset, offset + size) }
}
