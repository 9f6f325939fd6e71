/**
 * Consumer groups: create, list, update, delete, heartbeat, checkpoints. Lists are bare arrays: no SDK reads others.
 */
import type { SlsCall, SlsReply } from './call.ts'
import { emptyReply, field, jsonBody, jsonObject, jsonReply, parameter } from './call.ts'
import type { Logstore } from './logstore.ts'
import { SlsRefusal } from './refusal.ts'

/** A checkpoint that was accepted. */
export interface Commit {
  /** Unix milliseconds. */
  at: number
  project: string
  logstore: string
  group: string
  shard: number
  checkpoint: string
  /** `''` if the request named none. */
  consumer: string
  force: boolean
}

export function createConsumerGroup(call: SlsCall, logstore: Logstore): SlsReply {
  const body = jsonObject(call)
  logstore.createGroup({
    name: field(body, 'consumerGroup', 'string'),
    timeoutSeconds: field(body, 'timeout', 'number'),
    order: body['order'] === undefined ? false : field(body, 'order', 'boolean'),
  })
  return emptyReply()
}

export function listConsumerGroups(logstore: Logstore): SlsReply {
  const groups = [...logstore.groups.values()]
  return jsonReply(groups.map(({ name, timeoutSeconds, order }) => ({ name, timeout: timeoutSeconds, order })))
}

export function updateConsumerGroup(call: SlsCall, logstore: Logstore): SlsReply {
  const body = jsonObject(call)
  logstore.updateGroup(call.group, {
    ...(body['timeout'] !== undefined && { timeoutSeconds: field(body, 'timeout', 'number') }),
    ...(body['order'] !== undefined && { order: field(body, 'order', 'boolean') }),
  })
  return emptyReply()
}

export function deleteConsumerGroup(call: SlsCall, logstore: Logstore): SlsReply {
  logstore.deleteGroup(call.group)
  return emptyReply()
}

export function heartbeat(call: SlsCall, logstore: Logstore): SlsReply {
  const group = logstore.group(call.group)
  const consumer = parameter(call, 'consumer')
  const reported = jsonBody(call)
  if (!Array.isArray(reported) || !reported.every((shard) => Number.isInteger(shard))) {
    throw new SlsRefusal('JsonInfoInvalid', 'the body of a heartbeat is a JSON array of shard ids')
  }
  return jsonReply(group.heartbeat(consumer, reported))
}

export function getCheckpoints(call: SlsCall, logstore: Logstore): SlsReply {
  const group = logstore.group(call.group)
  const shard = call.query.get('shard')
  if (shard === undefined || shard === '') return jsonReply(group.checkpoints())
  if (!/^\d{1,9}$/.test(shard)) throw new SlsRefusal('ParameterInvalid', `shard ${shard} is no shard id`)
  return jsonReply(group.checkpoints(Number(shard)))
}

/** `accepted` gets every commit that took effect. */
export function updateCheckpoint(
  call: SlsCall,
  logstore: Logstore,
  accepted: (commit: Omit<Commit, 'at'>) => void,
): SlsReply {
  const group = logstore.group(call.group)
  const body = jsonObject(call)
  const commit = {
    shard: field(body, 'shard', 'number'),
    checkpoint: field(body, 'checkpoint', 'string'),
    consumer: call.query.get('consumer') ?? '',
    // Python spells it `True`.
    force: (call.query.get('forceSuccess') ?? 'false').toLowerCase() === 'true',
  }
  group.commit(commit)
  accepted({ project: logstore.project, logstore: logstore.name, group: group.name, ...commit })
  return emptyReply()
}
