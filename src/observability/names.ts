import type { LogstoreRef, ShardRef } from '../core/shard.ts'
import { logstoreKey, shardName } from '../core/shard.ts'
import type { PauseScope } from '../core/telemetry.ts'

/** A logstore that this replica reads, and its consumer group there. */
export interface ReadLogstore {
  readonly ref: LogstoreRef
  readonly group: string
  /** After this long without a heartbeat the service gives the shards to other replicas. */
  readonly groupTimeoutMs: number
}

export interface NamedSink {
  readonly name: string
  readonly type: string
  /** What says that events arrived, where sinks of one type differ in it. */
  readonly confirmedBy?: string
}

/** The sources and sinks of a replica. */
export interface Ends {
  /** One at least. */
  readonly logstores: readonly ReadLogstore[]
  /** One at least. */
  readonly sinks: readonly NamedSink[]
}

/**
 * Sources, sinks and shards as people read them. Who has one logstore reads `shard 3`, and who has several
 * `shard 3 of project/logstore`. A single sink that nobody gave a name is `sink`.
 */
export class Names {
  readonly #ends: Ends
  readonly #several: boolean
  readonly #sinksHaveNames: boolean

  constructor(ends: Ends) {
    this.#ends = ends
    this.#several = ends.logstores.length > 1
    this.#sinksHaveNames = ends.sinks.length > 1 || ends.sinks.some(({ name, type }) => name !== type)
  }

  sink(name: string): string {
    return this.#sinksHaveNames ? `sink ${name}` : 'sink'
  }

  /** `text`, and for which sink it is if that has to be said. */
  ofSink(text: string, sink: string): string {
    return this.#sinksHaveNames ? `${text} (sink ${sink})` : text
  }

  shard(shard: ShardRef): string {
    return this.#several ? `${shardName(shard)} of ${this.#logstore(shard)}` : shardName(shard)
  }

  /** `text`, and for which logstore it is if that has to be said. */
  of(text: string, logstore: LogstoreRef): string {
    return this.#several ? `${text} of ${this.#logstore(logstore)}` : text
  }

  scope(scope: PauseScope): string {
    switch (scope.of) {
      case 'sink':
        return this.sink(scope.sink)
      case 'refused':
        return this.ofSink('events that a step refused', scope.sink)
      case 'group':
        return this.of('group', scope.logstore)
      case 'pull':
        return this.shard(scope.shard)
      case 'start':
      case 'checkpoint':
        return `${scope.of} of ${this.shard(scope.shard)}`
    }
  }

  /** Fields of a log line that say which logstore it is about, if that has to be said. */
  fields({ source, project, logstore }: LogstoreRef): Record<string, unknown> {
    return this.#several ? { source, project, logstore } : {}
  }

  /** The consumer group in which this replica reads a logstore. */
  group(logstore: LogstoreRef): string {
    const key = logstoreKey(logstore)
    return this.#ends.logstores.find(({ ref }) => logstoreKey(ref) === key)?.group ?? ''
  }

  /** Two sources may read one logstore, each in a group of its own. */
  #logstore({ source, project, logstore }: LogstoreRef): string {
    const readers = this.#ends.logstores.filter(({ ref }) => ref.project === project && ref.logstore === logstore)
    return readers.length > 1 ? `${project}/${logstore} (source ${source})` : `${project}/${logstore}`
  }
}
