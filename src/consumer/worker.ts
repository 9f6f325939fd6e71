import { Condition } from '../core/condition.ts'
import { Fault } from '../core/errors.ts'
import { ensureConsumerGroup } from './consumer-group.ts'
import { Heartbeats } from './heartbeats.ts'
import { ShardLease } from './lease.ts'
import type { ShardSurroundings } from './running-shard.ts'
import type { ShardOutcome } from './shard-consumer.ts'
import { ShardConsumer } from './shard-consumer.ts'
import { ShardDirectory } from './shard-directory.ts'

export type WorkerOptions = Omit<ShardSurroundings, 'directory'>

interface Running {
  readonly lease: ShardLease
  readonly consumer: ShardConsumer
  draining: boolean
}

/** The last part of a shutdown's grace: what is settled is committed, then deliveries under way are cut off. */
const LAST_COMMIT_MS = 2_000
/** Shards that start together, and the gap to the next ones: each start is a connection, and one answer may bring thousands. */
const STARTS = 16
const STARTS_APART_MS = 16
/** Heartbeats between two looks at the checkpoints of the whole group, which find foreign writes. */
const VERIFY_EVERY = 3

/**
 * One member of the consumer group of one logstore. It starts and drains shard consumers as the answers to heartbeats say.
 * It reports a shard until everything of it is settled, so that the service hands it over without duplicates.
 */
export class Worker {
  readonly #around: ShardSurroundings
  readonly #heartbeats: Heartbeats
  readonly #running = new Map<number, Running>()
  readonly #changed = new Condition()
  readonly #stopped = new AbortController()
  /** The cursor settled or committed, by shard, in case the group is deleted with its checkpoints. */
  readonly #remembered = new Map<number, string>()
  #held = new Set<number>()
  #stopping = false
  #lostWhileStopping = false
  /** Runs that are not over yet, so that a shard taken again begins after its last run has ended. */
  readonly #ending = new Map<number, Promise<void>>()
  #answers = 0
  #bug: unknown

  constructor({ membership, reading, downstream, clock, telemetry }: WorkerOptions) {
    const directory = new ShardDirectory({
      client: membership.client,
      clock,
      telemetry,
      minAgeMs: membership.heartbeatMs / 4,
    })
    this.#around = { membership, reading, downstream, directory, clock, telemetry }
    this.#heartbeats = new Heartbeats({
      membership,
      clock,
      telemetry,
      reported: () => [...this.#running].filter(([, { lease }]) => !lease.signal.aborted).map(([shard]) => shard),
      answered: (held) => this.#obey(held),
      lost: (reason) => this.#loseAll(reason),
      groupMissing: () => this.#ensureGroup(),
    })
  }

  /** Shards held or draining at this moment. */
  get shards(): number[] {
    return [...this.#running.keys()]
  }

  /** Runs until `stop` is done. Rejects only on a bug, after letting go of every shard. */
  async run(): Promise<void> {
    const { signal } = this.#stopped
    try {
      await this.#ensureGroup()
      await this.#heartbeats.run(signal)
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      this.#stopped.abort()
      this.#loseAll('this process is ending')
    }
    if (this.#bug) throw this.#bug
  }

  /**
   * Stops pulling at once, and sends heartbeats until everything pulled is settled and committed, at most for `graceMs`.
   * True when every shard held was drained. Otherwise what is settled is committed, and other replicas pull the rest again.
   */
  async stop(graceMs: number): Promise<boolean> {
    this.#stopping = true
    this.#lostWhileStopping = false
    const { clock } = this.#around
    for (const shard of this.#running.keys()) this.#drain(shard)
    const lastCommitMs = Math.min(LAST_COMMIT_MS, graceMs / 4)
    const deadline = new AbortController()
    const timer = clock.sleep(graceMs - lastCommitMs, deadline.signal).then(
      () => deadline.abort(),
      () => {},
    )
    const empty = (): boolean => this.#running.size === 0
    await this.#changed.until(empty, deadline.signal).catch(() => {})
    deadline.abort()
    await timer
    const clean = empty() && !this.#lostWhileStopping
    if (!empty()) await this.#commitWhatSettled(lastCommitMs)
    this.#stopped.abort()
    return clean
  }

  async #commitWhatSettled(withinMs: number): Promise<void> {
    const { clock, telemetry } = this.#around
    telemetry.notice('warn', 'the time to shut down is over with deliveries still under way; they will be repeated', {
      shards: this.shards,
    })
    const commits = [...this.#running.values()].map(({ consumer }) => consumer.commitSettled())
    const end = new AbortController()
    await Promise.race([Promise.allSettled(commits), clock.sleep(withinMs, end.signal).catch(() => {})])
    end.abort()
  }

  #ensureGroup(): Promise<void> {
    const { membership, reading, clock, telemetry } = this.#around
    const startAtEnd = reading.start.kind === 'end' ? { remembered: this.#remembered } : undefined
    return ensureConsumerGroup(membership, startAtEnd, { clock, telemetry, signal: this.#stopped.signal })
  }

  #obey(held: number[]): void {
    this.#held = new Set(held)
    const givenUp = [...this.#running].filter(([shard, run]) => !this.#held.has(shard) && !run.draining)
    const taken = this.#stopping ? [] : [...this.#held].filter((shard) => !this.#running.has(shard))
    for (const [shard] of givenUp) this.#drain(shard)
    for (const [index, shard] of taken.entries()) this.#take(shard, Math.floor(index / STARTS) * STARTS_APART_MS)
    if (taken.length + givenUp.length > 0) {
      const { membership, telemetry } = this.#around
      telemetry.rebalanced(membership.logstore, { taken, givenUp: givenUp.map(([shard]) => shard) })
    }
    if (this.#answers++ % VERIFY_EVERY === 0) void this.#verifyCheckpoints()
  }

  #take(shard: number, delayMs: number): void {
    const { membership, clock } = this.#around
    const ref = { ...membership.logstore, shard }
    const lease = new ShardLease(ref, this.#heartbeats.renewedUntil, () => clock.monotonic())
    const consumer = new ShardConsumer(lease, this.#around)
    const running: Running = { lease, consumer, draining: false }
    this.#running.set(shard, running)
    const previous = this.#ending.get(shard) ?? Promise.resolve()
    const ending = previous
      .then(() => consumer.run({ remembered: this.#remembered.get(shard), delayMs }))
      .then(
        (outcome) => this.#ended(shard, running, outcome),
        (error) => this.#crash(error),
      )
      .then(() => {
        if (this.#ending.get(shard) === ending) this.#ending.delete(shard)
      })
    this.#ending.set(shard, ending)
  }

  #drain(shard: number): void {
    const running = this.#running.get(shard)
    if (!running || running.draining) return
    running.draining = true
    running.consumer.drain()
  }

  #ended(shard: number, running: Running, outcome: ShardOutcome): void {
    this.#remember(shard, running)
    if (outcome === 'lost') this.#lostWhileStopping = true
    if (this.#running.get(shard) === running) {
      this.#running.delete(shard)
      // The next owner of a drained shard waits for a heartbeat without it. A shard that the service still assigns to us
      // is started again by the next answer.
      if (!this.#held.has(shard)) this.#heartbeats.poke()
    }
    this.#changed.notify()
  }

  #remember(shard: number, { consumer }: Running): void {
    if (consumer.mark !== undefined) this.#remembered.set(shard, consumer.mark)
  }

  #loseAll(reason: string): void {
    for (const [shard, running] of this.#running) {
      this.#remember(shard, running)
      this.#lostWhileStopping = true
      running.lease.lose(reason)
    }
    this.#running.clear()
    this.#held.clear()
    this.#changed.notify()
  }

  /** A bug: lets go of everything and ends, so that other replicas take over from the checkpoints. */
  #crash(error: unknown): void {
    this.#bug ??= error
    this.#stopped.abort()
  }

  async #verifyCheckpoints(): Promise<void> {
    const before = new Map(
      [...this.#running].map(([shard, run]) => [shard, { run, changes: run.consumer.commitChanges }]),
    )
    try {
      const { client, group } = this.#around.membership
      const checkpoints = await client.getCheckpoints(group.name, undefined, this.#stopped.signal)
      for (const seen of checkpoints) {
        if (seen.checkpoint !== '' && !this.#running.has(seen.shard)) this.#remembered.set(seen.shard, seen.checkpoint)
        const asked = before.get(seen.shard)
        if (asked && this.#running.get(seen.shard) === asked.run) {
          asked.run.consumer.verifyCheckpoint(seen, asked.changes)
        }
      }
    } catch (error) {
      // This is only a safeguard: heartbeats and pulls report a service that fails.
      if (!(error instanceof Fault) && !this.#stopped.signal.aborted) this.#crash(error)
    }
  }
}
