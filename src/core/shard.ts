/** One logstore under the name of the source that reads it. */
export interface LogstoreRef {
  /** Name of the configured source. */
  readonly source: string
  readonly project: string
  readonly logstore: string
}

/** One shard of a logstore. Numbers of shards are unique within their logstore only. */
export interface ShardRef extends LogstoreRef {
  readonly shard: number
}

/** The same text for the same logstore of a source, for the keys of maps. Names of projects and logstores hold no slash. */
export function logstoreKey({ source, project, logstore }: LogstoreRef): string {
  return `${source}/${project}/${logstore}`
}

/** The same text for the same shard, for the keys of maps. */
export function shardKey(shard: ShardRef): string {
  return `${logstoreKey(shard)}/${shard.shard}`
}

/** How people read it: `shard 3`. */
export function shardName({ shard }: ShardRef): string {
  return `shard ${shard}`
}
