/** Shards: list, split, merge, delete. */
import type { SlsCall, SlsReply } from './call.ts'
import { emptyReply, jsonReply } from './call.ts'
import type { Logstore } from './logstore.ts'
import type { Shard } from './shard.ts'

export function listShards(logstore: Logstore): SlsReply {
  return jsonReply(logstore.shards().map(shardFields))
}

export function splitShard(call: SlsCall, logstore: Logstore): SlsReply {
  const key = call.query.get('key')
  const count = call.query.get('shardCount')
  const shards = logstore.split(call.shard, { ...(key && { key }), ...(count && { count: Number(count) }) })
  return jsonReply(shards.map(shardFields))
}

export function mergeShard(call: SlsCall, logstore: Logstore): SlsReply {
  return jsonReply(logstore.merge(call.shard).map(shardFields))
}

export function deleteShard(call: SlsCall, logstore: Logstore): SlsReply {
  logstore.deleteShard(call.shard)
  return emptyReply()
}

function shardFields(shard: Shard): Record<string, unknown> {
  return {
    shardID: shard.id,
    status: shard.status,
    inclusiveBeginKey: shard.beginKey,
    exclusiveEndKey: shard.endKey,
    createTime: Math.floor(shard.createdAt / 1000),
  }
}
