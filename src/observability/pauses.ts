import type { Clock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import type { ShardRef } from '../core/shard.ts'
import { logstoreKey, shardKey } from '../core/shard.ts'
import type { PauseKey, PauseScope } from '../core/telemetry.ts'
import type { Names } from './names.ts'

/** Something that waits until somebody changes something. */
export interface Pause {
  readonly key: PauseKey
  /** The scope as people read it: `sink`, `group`, `shard 3`, `sink qradar`. */
  readonly scope: string
  /** Monotonic milliseconds. */
  readonly since: number
  /** The latest fault. */
  fault: Fault
}

/** An endpoint of a sink that is paused by itself while the others take its events. */
export interface EndpointPause {
  readonly sink: string
  readonly endpoint: string
  /** Monotonic milliseconds. */
  readonly since: number
  readonly fault: Fault
}

/** Labels of the metric. `sink` is empty where it is not a sink that waits. */
interface PauseLabels {
  readonly reason: string
  readonly sink: string
}

export function labelsOf({ reason, scope }: PauseKey): PauseLabels {
  return { reason, sink: 'sink' in scope ? scope.sink : '' }
}

/** Every pause of this replica. The log, the metric, `/readyz` and the status page all show this one list. */
export class Pauses {
  /** By sink and endpoint. They do not make a replica unready. */
  readonly endpoints: Map<string, EndpointPause> = new Map()
  readonly #clock: Clock
  readonly #names: Names
  /** In the order in which they began. */
  readonly #pauses = new Map<string, Pause>()

  constructor({ clock, names }: { clock: Clock; names: Names }) {
    this.#clock = clock
    this.#names = names
  }

  [Symbol.iterator](): IterableIterator<Pause> {
    return this.#pauses.values()
  }

  /** Begins a pause, or updates the fault of a pause that lasts. `before` is its earlier fault. */
  set(key: PauseKey, fault: Fault): { pause: Pause; before: Fault | undefined } {
    const id = idOf(key)
    const lasting = this.#pauses.get(id)
    const before = lasting?.fault
    const pause = lasting ?? { key, scope: this.#names.scope(key.scope), since: this.#clock.monotonic(), fault }
    pause.fault = fault
    this.#pauses.set(id, pause)
    return { pause, before }
  }

  /** Ends a pause. `undefined` if there was none. */
  end(key: PauseKey): Pause | undefined {
    const id = idOf(key)
    const pause = this.#pauses.get(id)
    this.#pauses.delete(id)
    return pause
  }

  ofShard(shard: ShardRef): Pause[] {
    const key = shardKey(shard)
    return [...this].filter(({ key: { scope } }) => 'shard' in scope && shardKey(scope.shard) === key)
  }

  /** Whether a pause with these labels of the metric lasts. */
  has(labels: PauseLabels): boolean {
    return [...this].some(({ key }) => key.reason === labels.reason && labelsOf(key).sink === labels.sink)
  }
}

function idOf({ reason, scope }: PauseKey): string {
  return `${reason} ${scope.of} ${ownerOf(scope)}`
}

function ownerOf(scope: PauseScope): string {
  if ('sink' in scope) return scope.sink
  return scope.of === 'group' ? logstoreKey(scope.logstore) : shardKey(scope.shard)
}
