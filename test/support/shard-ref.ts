import { DEFAULT_SOURCE } from '../../src/config/names.ts'
import type { LogstoreRef, ShardRef } from '../../src/core/shard.ts'

export const LOGSTORE: LogstoreRef = { source: DEFAULT_SOURCE, project: 'p', logstore: 'l' }

export function shardRef(shard: number): ShardRef {
  return { ...LOGSTORE, shard }
}
