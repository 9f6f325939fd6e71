import type { TopicLogs } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import { messageOf } from '../core/errors.ts'
import type { LogstoreRef, ShardRef } from '../core/shard.ts'
import { logstoreKey, shardKey } from '../core/shard.ts'
import type { ShardState } from '../core/telemetry.ts'
import { onOneLine } from '../core/text.ts'
import type { Health } from './health.ts'
import { History } from './history.ts'
import type { Ends, NamedSink } from './names.ts'
import type { Pauses } from './pauses.ts'
import { labelsOf } from './pauses.ts'
import type { TopicShown } from './topics.ts'
import { Topics } from './topics.ts'

/** A shard as Log Service lists it. The service does not say which consumer holds it. */
export interface ListedShard {
  shard: number
  /** `undefined` if the service does not tell. */
  status: 'readwrite' | 'readonly' | undefined
  /** The consumer that committed its checkpoint last, `''` if none has. */
  consumer: string
  /** Unix milliseconds; `undefined` if never. */
  committedAt: number | undefined
}

export interface StatusOptions {
  clock: Clock
  health: Health
  pauses: Pauses
  about: Pick<About, 'version' | 'consumer'>
  ends: Ends
  /** Asks Log Service. Called only while a page is open or a program asks. */
  askGroup: (logstore: LogstoreRef, signal: AbortSignal) => Promise<ListedShard[]>
}

/** The replica and what it reads. */
export interface About {
  version: string
  consumer: string
  /** Of the first logstore. */
  group: string
  project: string
  logstore: string
  logstores: Array<{ source: string; project: string; logstore: string; group: string }>
}

/** The content of `/status.json` and of the status page. Each text is one line and not escaped. */
export interface StatusSnapshot {
  about: About
  ready: boolean
  reasons: string[]
  /** What a person should know although logs flow. */
  notes: string[]
  upSeconds: number
  /** The largest of the shards held; `null` while none is known. */
  lagSeconds: number | null
  deliveredPerSecond: number
  /** Events in every ten seconds that are over, oldest first. */
  delivered: Array<number | null>
  inFlightBytes: number
  deadLettered: number
  sinks: SinkShown[]
  /** Of the pulls that were looked at since the start: the first megabyte of each logstore in a second. */
  topics: TopicShown[]
  pauses: PauseShown[]
  shards: ShardShown[]
  /** Why the shards of other replicas are unknown or out of date. */
  groupProblem: string | null
  faults: FaultShown[]
}

export interface SinkShown {
  name: string
  type: string
  /** What says that events arrived, where sinks of one type differ in it. */
  confirmedBy?: string
  /** `ok`, or why it takes nothing at the moment. */
  state: string
  deliveredPerSecond: number
  deadLettered: number
}

export interface PauseShown {
  reason: string
  /** Name of the sink that waits, if it is one. */
  sink: string | null
  scope: string
  seconds: number
  message: string
  advice: string | null
}

export interface ShardShown {
  source: string
  project: string
  logstore: string
  shard: number
  /** By this replica. */
  held: boolean
  status: 'readwrite' | 'readonly' | null
  /** The consumer that committed last, as the service says, and how long ago. */
  consumer: string | null
  committedSecondsAgo: number | null
  /** Only of shards that this replica holds. */
  lagSeconds: number | null
  checkpointAgeSeconds: number | null
  lag: Array<number | null>
}

export interface FaultShown {
  what: string
  /** Time of the last occurrence, ISO 8601. */
  at: string
  secondsAgo: number
  times: number
  code: string | null
  message: string | null
  advice: string | null
}

interface HeldShard {
  readonly shard: ShardRef
  /** `undefined` until it is told. */
  lagSeconds: number | undefined
  checkpointAgeSeconds: number
  readonly lag: History
}

interface FaultSeen {
  what: string
  fault: Fault | undefined
  times: number
  wall: number
  monotonic: number
}

/** What Log Service last said about the shards of a logstore. */
interface GroupSeen {
  readonly ref: LogstoreRef
  shards: readonly ListedShard[]
  problem: string | undefined
}

interface SinkSeen extends NamedSink {
  readonly delivered: History
  deadLettered: number
}

const GROUP_IS_FRESH_MS = 10_000
const GROUP_TIMEOUT_MS = 5_000
const GROUP_WAIT_MS = 2_000
const FAULTS_KEPT = 20

/** Recent events and figures for the status page. They are collected even while the page is closed; memory is bounded. */
export class Status {
  readonly #options: StatusOptions
  readonly #startedAt: number
  readonly #delivered: History
  readonly #held = new Map<string, HeldShard>()
  readonly #faults = new Map<string, FaultSeen>()
  #inFlightBytes = 0
  #deadLettered = 0
  readonly #sinks: ReadonlyMap<string, SinkSeen>
  readonly #topics = new Topics()
  readonly #groups: readonly GroupSeen[]
  #groupAskedAt = Number.NEGATIVE_INFINITY
  #groupLooked: Promise<unknown> = Promise.resolve()

  constructor(options: StatusOptions) {
    this.#options = options
    this.#startedAt = options.clock.monotonic()
    this.#delivered = new History(options.clock)
    const { sinks, logstores } = options.ends
    const seen = (sink: NamedSink): SinkSeen => ({ ...sink, delivered: new History(options.clock), deadLettered: 0 })
    this.#sinks = new Map(sinks.map((sink) => [sink.name, seen(sink)]))
    this.#groups = logstores.map(({ ref }) => ({ ref, shards: [], problem: undefined }))
  }

  shardLeased(shard: ShardRef): void {
    if (this.#held.has(shardKey(shard))) return
    const lag = new History(this.#options.clock)
    this.#held.set(shardKey(shard), { shard, lag, lagSeconds: undefined, checkpointAgeSeconds: 0 })
  }

  shardReleased(shard: ShardRef): void {
    this.#held.delete(shardKey(shard))
  }

  shardState(shard: ShardRef, state: ShardState): void {
    const held = this.#held.get(shardKey(shard))
    if (held === undefined) return
    Object.assign(held, state)
    held.lag.set(state.lagSeconds)
  }

  delivered(sink: string, events: number): void {
    this.#delivered.add(events)
    this.#sinks.get(sink)?.delivered.add(events)
  }

  deadLettered(sink: string, events: number): void {
    this.#deadLettered += events
    const seen = this.#sinks.get(sink)
    if (seen) seen.deadLettered += events
  }

  topicsSeen({ source }: LogstoreRef, topics: ReadonlyMap<string, TopicLogs>): void {
    this.#topics.add(source, topics)
  }

  inFlight(bytes: number): void {
    this.#inFlightBytes = bytes
  }

  /** Keeps a fault. The same fault again only raises its count. */
  fault(what: string, fault?: Fault): void {
    const { clock } = this.#options
    const key = `${what} ${fault?.kind} ${fault?.code}`
    const times = (this.#faults.get(key)?.times ?? 0) + 1
    // Inserted again, so that the first key of the map happened longest ago.
    this.#faults.delete(key)
    this.#faults.set(key, { what, fault, times, wall: clock.wall(), monotonic: clock.monotonic() })
    const [oldest] = this.#faults.keys()
    if (this.#faults.size > FAULTS_KEPT && oldest !== undefined) this.#faults.delete(oldest)
  }

  /** As `snapshot`, but an answer about the group that is older than 10 s is asked for first. Waits 2 s at most. */
  async freshSnapshot(): Promise<StatusSnapshot> {
    this.#lookAtGroup()
    let timer: NodeJS.Timeout | undefined
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GROUP_WAIT_MS)
    })
    await Promise.race([this.#groupLooked, enough])
    clearTimeout(timer)
    return this.snapshot()
  }

  /** Does not wait: it starts to ask for the group, and the next snapshot shows the answer. */
  snapshot(): StatusSnapshot {
    const { health, pauses, clock } = this.#options
    this.#lookAtGroup()
    const upMs = clock.monotonic() - this.#startedAt
    const lags = [...this.#held.values()].flatMap(({ lagSeconds }) => lagSeconds ?? [])
    return {
      about: this.#about(),
      ...health.ready(),
      notes: health.notes(),
      upSeconds: upMs / 1000,
      lagSeconds: lags.length === 0 ? null : Math.max(...lags),
      deliveredPerSecond: this.#delivered.perSecond(upMs),
      delivered: this.#delivered.counts(),
      inFlightBytes: this.#inFlightBytes,
      deadLettered: this.#deadLettered,
      sinks: [...this.#sinks.values()].map(({ name, type, confirmedBy, delivered, deadLettered }) => ({
        ...{ name, type, state: this.#stateOf(name), deadLettered, ...(confirmedBy !== undefined && { confirmedBy }) },
        deliveredPerSecond: delivered.perSecond(upMs),
      })),
      topics: this.#topics.shown(),
      pauses: [...pauses].map(({ key, scope, fault, since }) => ({
        reason: key.reason,
        sink: labelsOf(key).sink || null,
        scope,
        seconds: this.#secondsSince(since),
        message: onOneLine(fault.message),
        advice: fault.advice === undefined ? null : onOneLine(fault.advice),
      })),
      shards: this.#shards(),
      groupProblem: this.#groupProblem(),
      faults: [...this.#faults.values()].reverse().map(({ what, fault, times, wall, monotonic }) => ({
        what: onOneLine(what),
        at: new Date(wall).toISOString(),
        secondsAgo: this.#secondsSince(monotonic),
        times,
        code: fault === undefined ? null : onOneLine(fault.code),
        message: fault === undefined ? null : onOneLine(fault.message),
        advice: fault?.advice === undefined ? null : onOneLine(fault.advice),
      })),
    }
  }

  #about(): About {
    const { about, ends } = this.#options
    const logstores = ends.logstores.map(({ ref: { source, project, logstore }, group }) => {
      return { source, project, logstore, group }
    })
    const { group, project, logstore } = logstores[0] as (typeof logstores)[number]
    return { ...about, group, project, logstore, logstores }
  }

  #stateOf(sink: string): string {
    const { health, pauses } = this.#options
    const reasons = [...pauses].map(({ key }) => labelsOf(key)).filter((labels) => labels.sink === sink)
    if (reasons.length > 0) return `paused: ${[...new Set(reasons.map(({ reason }) => reason))].join(', ')}`
    if (health.stalls.lasts('sink', sink)) return 'nothing is delivered'
    const endpoints = [...pauses.endpoints.values()].filter((endpoint) => endpoint.sink === sink).length
    return endpoints === 0 ? 'ok' : `ok, ${endpoints} endpoint${endpoints === 1 ? '' : 's'} paused`
  }

  #groupProblem(): string | null {
    const problems = this.#groups.flatMap(({ ref, problem }) =>
      problem === undefined ? [] : this.#groups.length > 1 ? `${ref.project}/${ref.logstore}: ${problem}` : problem,
    )
    return problems.length === 0 ? null : problems.join('; ')
  }

  #shards(): ShardShown[] {
    return this.#groups.flatMap((group) => this.#shardsOf(group))
  }

  #shardsOf({ ref, shards: listed }: GroupSeen): ShardShown[] {
    const wall = this.#options.clock.wall()
    const byNumber = new Map(listed.map((one) => [one.shard, one]))
    const here = [...this.#held.values()].filter(({ shard }) => logstoreKey(shard) === logstoreKey(ref))
    const numbers = new Set([...byNumber.keys(), ...here.map(({ shard }) => shard.shard)])
    return [...numbers]
      .sort((a, b) => a - b)
      .map((shard) => {
        const held = this.#held.get(shardKey({ ...ref, shard }))
        const { status, consumer, committedAt } = byNumber.get(shard) ?? {}
        return {
          ...ref,
          shard,
          held: held !== undefined,
          status: status ?? null,
          consumer: consumer ? onOneLine(consumer) : null,
          committedSecondsAgo: committedAt === undefined ? null : Math.max(0, (wall - committedAt) / 1000),
          lagSeconds: held?.lagSeconds ?? null,
          checkpointAgeSeconds: held?.checkpointAgeSeconds ?? null,
          lag: held?.lag.values() ?? [],
        }
      })
  }

  /** Asks the service every 10 s at most, however many pages are open. A request times out before the next begins. */
  #lookAtGroup(): void {
    const { clock } = this.#options
    if (clock.monotonic() - this.#groupAskedAt < GROUP_IS_FRESH_MS) return
    this.#groupAskedAt = clock.monotonic()
    this.#groupLooked = Promise.all(this.#groups.map((group) => this.#askGroup(group)))
  }

  async #askGroup(group: GroupSeen): Promise<void> {
    const { askGroup } = this.#options
    try {
      group.shards = await askGroup(group.ref, AbortSignal.timeout(GROUP_TIMEOUT_MS))
      group.problem = undefined
    } catch (error) {
      // The page only shows the error: the bridge does not depend on its page.
      group.problem = onOneLine(messageOf(error))
    }
  }

  #secondsSince(monotonic: number): number {
    return (this.#options.clock.monotonic() - monotonic) / 1000
  }
}
