import { Changes } from '../core/changes.ts'
import { sleepUnlessAborted } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { ensureConsumerGroup } from './consumer-group.ts'
import { Heartbeats } from './heartbeats.ts'
import { ShardLease } from './lease.ts'
import { NothingWanted } from './nothing-wanted.ts'
import { ReadonlyShards } from './readonly-shards.ts'
import { ReleasedShards } from './released-shards.ts'
import type { ShardContext } from './running-shard.ts'
import type { ShardOutcome } from './shard-consumer.ts'
import { ShardConsumer } from './shard-consumer.ts'
import { TopicsSeen } from './topics-seen.ts'

export type WorkerOptions = Omit<ShardContext, 'readonlyShards' | 'nothingWanted' | 'topicsSeen'>

interface HeldShard {
  readonly lease: ShardLease
  readonly consumer: ShardConsumer
  draining: boolean
}

/** The last part of a shutdown's grace, in which settled cursors are committed. Then deliveries under way are cut off. */
const LAST_COMMIT_MS = 2_000
/** So many shards start together, then a gap follows: each start is a connection, and one answer may bring thousands. */
const STARTS = 16
const STARTS_APART_MS = 16
/** Every third heartbeat we read all checkpoints of the group, to find foreign writes. */
const VERIFY_EVERY = 3

/**
 * One member of the consumer group of one logstore. It starts and drains shard consumers as the answers to heartbeats say.
 * It reports a shard until everything of it is settled, so that the service hands it over without duplicates.
 */
export class Worker {
  readonly #context: ShardContext
  readonly #heartbeats: Heartbeats
  readonly #held = new Map<number, HeldShard>()
  readonly #released: ReleasedShards
  readonly #changed = new Changes()
  readonly #stopped = new AbortController()
  /** Last known cursor of each shard. We use it if somebody deletes the group. */
  readonly #remembered = new Map<number, string>()
  /** The shards that the last answer of the service gives us. */
  #assigned = new Set<number>()
  #stopping = false
  /** Shards lost so far: `stop` looks whether it becomes more. */
  #losses = 0
  /** Runs that are not over yet. A shard that is taken again begins after its last run has ended. */
  readonly #runs = new Map<number, Promise<void>>()
  #answers = 0
  #bug: unknown

  constructor({ membership, reading, downstream, clock, telemetry }: WorkerOptions) {
    const readonlyShards = new ReadonlyShards({
      client: membership.client,
      clock,
      telemetry,
      minAgeMs: membership.heartbeatMs / 4,
    })
    const nothingWanted = new NothingWanted({ logstore: membership.logstore, clock, telemetry })
    const topicsSeen = new TopicsSeen({
      logstore: membership.logstore,
      encoder: downstream.encoder,
      clock,
      telemetry,
    })
    this.#context = { membership, reading, downstream, readonlyShards, nothingWanted, topicsSeen, clock, telemetry }
    this.#released = new ReleasedShards({ membership, readonlyShards, telemetry })
    this.#heartbeats = new Heartbeats({
      membership,
      clock,
      telemetry,
      reported: () => [...this.#held].filter(([, { lease }]) => !lease.signal.aborted).map(([shard]) => shard),
      answered: (assigned) => this.#obey(assigned),
      lost: (reason) => this.#loseAll(reason),
      groupMissing: () => this.#ensureGroup(),
    })
  }

  /** Shards held or draining at this moment. */
  get shards(): number[] {
    return [...this.#held.keys()]
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
   * `tellsDeadline`: whether the log says so. The loss of a sink was told before.
   */
  async stop(graceMs: number, tellsDeadline = true): Promise<boolean> {
    this.#stopping = true
    const { clock } = this.#context
    const lossesBefore = this.#losses
    for (const shard of this.#held.keys()) this.#drain(shard)
    const lastCommitMs = Math.min(LAST_COMMIT_MS, graceMs / 4)
    const deadline = new AbortController()
    void sleepUnlessAborted(clock, graceMs - lastCommitMs, deadline.signal).then(() => deadline.abort())
    const empty = (): boolean => this.#held.size === 0
    await this.#changed.until(empty, deadline.signal).catch(() => {})
    deadline.abort()
    const clean = empty() && this.#losses === lossesBefore
    if (!empty()) await this.#commitWhatSettled(lastCommitMs, tellsDeadline)
    this.#stopped.abort()
    return clean
  }

  /** Ends `run` without finishing anything, because another part of this process has failed. */
  giveUp(): void {
    this.#stopped.abort()
  }

  async #commitWhatSettled(withinMs: number, tellsDeadline: boolean): Promise<void> {
    const { clock, telemetry } = this.#context
    if (tellsDeadline) {
      telemetry.notice('warn', 'the shutdown deadline passed; deliveries still under way will be repeated', {
        shards: this.shards,
      })
    }
    const commits = [...this.#held.values()].map(({ consumer }) => consumer.commitSettled())
    const end = new AbortController()
    await Promise.race([Promise.allSettled(commits), sleepUnlessAborted(clock, withinMs, end.signal)])
    end.abort()
  }

  #ensureGroup(): Promise<void> {
    const { membership, reading, clock, telemetry } = this.#context
    const startAtEnd = reading.start.kind === 'end' ? { remembered: this.#remembered } : undefined
    return ensureConsumerGroup(membership, startAtEnd, { clock, telemetry, signal: this.#stopped.signal })
  }

  #obey(assigned: number[]): void {
    this.#assigned = new Set(assigned)
    const givenUp = [...this.#held].filter(([shard, held]) => !this.#assigned.has(shard) && !held.draining)
    const taken = this.#stopping ? [] : [...this.#assigned].filter((shard) => !this.#held.has(shard))
    for (const [shard] of givenUp) this.#drain(shard)
    for (const [index, shard] of taken.entries()) this.#take(shard, Math.floor(index / STARTS) * STARTS_APART_MS)
    if (taken.length + givenUp.length > 0) {
      const { membership, telemetry } = this.#context
      telemetry.rebalanced(membership.logstore, { taken, givenUp: givenUp.map(([shard]) => shard) })
    }
    if (this.#answers++ % VERIFY_EVERY === 0) void this.#verifyCheckpoints()
  }

  #take(shard: number, delayMs: number): void {
    const { membership, clock } = this.#context
    const ref = { ...membership.logstore, shard }
    const lease = new ShardLease(ref, this.#heartbeats.renewedUntil, () => clock.monotonic())
    const consumer = new ShardConsumer(lease, this.#context)
    const held: HeldShard = { lease, consumer, draining: false }
    this.#held.set(shard, held)
    this.#released.taken(shard)
    const previous = this.#runs.get(shard) ?? Promise.resolve()
    const run = previous
      .then(() => consumer.run({ remembered: this.#remembered.get(shard), delayMs }))
      .then(
        (outcome) => this.#ended(shard, held, outcome),
        (error) => this.#crash(error),
      )
      .then(() => {
        if (this.#runs.get(shard) === run) this.#runs.delete(shard)
      })
    this.#runs.set(shard, run)
  }

  #drain(shard: number): void {
    const held = this.#held.get(shard)
    if (!held || held.draining) return
    held.draining = true
    held.consumer.drain()
  }

  #ended(shard: number, held: HeldShard, outcome: ShardOutcome): void {
    this.#remember(shard, held)
    if (outcome === 'lost') this.#losses++
    if (this.#held.get(shard) === held || !this.#held.has(shard)) this.#released.released(shard)
    if (this.#held.get(shard) === held) {
      this.#held.delete(shard)
      // The next owner waits until a heartbeat of ours no longer lists the shard. A shard that is still assigned to us
      // starts again with the next answer.
      if (!this.#assigned.has(shard)) this.#heartbeats.poke()
    }
    this.#changed.notify()
  }

  #remember(shard: number, { consumer }: HeldShard): void {
    if (consumer.mark !== undefined) this.#remembered.set(shard, consumer.mark)
  }

  #loseAll(reason: string): void {
    for (const [shard, held] of this.#held) {
      this.#remember(shard, held)
      this.#losses++
      held.lease.lose(reason)
    }
    this.#held.clear()
    this.#assigned.clear()
    this.#changed.notify()
  }

  /** A bug: lets go of everything and ends, so that other replicas take over from the checkpoints. */
  #crash(error: unknown): void {
    this.#bug ??= error
    this.#stopped.abort()
  }

  async #verifyCheckpoints(): Promise<void> {
    const before = new Map(
      [...this.#held].map(([shard, held]) => [shard, { held, changes: held.consumer.commitChanges }]),
    )
    try {
      const { client, group } = this.#context.membership
      const checkpoints = await client.getCheckpoints(group.name, undefined, this.#stopped.signal)
      for (const seen of checkpoints) {
        if (seen.checkpoint !== '' && !this.#held.has(seen.shard)) this.#remembered.set(seen.shard, seen.checkpoint)
        const asked = before.get(seen.shard)
        if (asked && this.#held.get(seen.shard) === asked.held) {
          asked.held.consumer.verifyCheckpoint(seen, asked.changes)
        }
      }
      await this.#released.look(checkpoints, this.#stopped.signal)
    } catch (error) {
      // This is only a safeguard: heartbeats and pulls report a service that fails.
      if (!(error instanceof Fault) && !this.#stopped.signal.aborted) this.#crash(error)
    }
  }
}
