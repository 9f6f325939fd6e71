import type { Clock } from '../core/clock.ts'
import { Condition } from '../core/condition.ts'
import { Fault } from '../core/errors.ts'
import type { LogstoreRef } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import type { ConsumerGroupSettings } from './consumer-group.ts'
import { ensureConsumerGroup } from './consumer-group.ts'
import { Heartbeats } from './heartbeats.ts'
import { ShardLease } from './lease.ts'
import type { ShardConsumerOptions, ShardOutcome } from './shard-consumer.ts'
import { ShardConsumer } from './shard-consumer.ts'
import { ShardDirectory } from './shard-directory.ts'

export interface WorkerOptions extends Omit<ShardConsumerOptions, 'directory' | 'group' | 'consumer'> {
  client: SlsClient
  /** Which logstore this is, as a configured source names it. */
  logstore: LogstoreRef
  group: ConsumerGroupSettings
  consumer: string
  heartbeatMs: number
  clock: Clock
  telemetry: Telemetry
}

interface Running {
  readonly lease: ShardLease
  readonly consumer: ShardConsumer
  draining: boolean
}

/** Of the time left to shut down, kept back to commit what is settled before deliveries still under way are cut off. */
const LAST_COMMIT_MS = 2_000
/** Shards that start together, and how long the next wait: each start is a connection, and one answer may bring thousands. */
const STARTS = 16
const STARTS_APART_MS = 16
/** Checkpoints of the whole group are read back every this many heartbeats, to notice foreign writes. */
const VERIFY_EVERY = 3

/**
 * One member of the consumer group: obeys the heartbeat answers by starting and draining shard consumers. It reports a
 * shard for as long as anything of it is still on its way, which is what lets the service hand it over without duplicates.
 */
export class Worker {
  readonly #options: WorkerOptions
  readonly #directory: ShardDirectory
  readonly #heartbeats: Heartbeats
  readonly #running = new Map<number, Running>()
  readonly #changed = new Condition()
  readonly #stopped = new AbortController()
  /** What is settled or committed, by shard, in case the group is deleted under us together with its checkpoints. */
  readonly #remembered = new Map<number, string>()
  #held = new Set<number>()
  #stopping = false
  #lostWhileStopping = false
  /** Runs whose lease is gone and which are still letting go, so that a shard's next life does not meet its last one. */
  readonly #ending = new Map<number, Promise<void>>()
  #answers = 0
  #bug: unknown

  constructor(options: WorkerOptions) {
    const { client, logstore, clock, telemetry, heartbeatMs, group, consumer } = options
    this.#options = options
    this.#directory = new ShardDirectory(client, clock, heartbeatMs / 4)
    this.#heartbeats = new Heartbeats({
      client,
      logstore,
      group: group.name,
      consumer,
      intervalMs: heartbeatMs,
      timeoutMs: group.timeoutSeconds * 1000,
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

  /** Runs until `stop` was called and is done. Rejects only on a bug, after letting go of every shard. */
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
   * Stops pulling at once and goes on heartbeating until everything pulled is settled and committed, at most `graceMs`.
   * True when every shard held was drained; otherwise what settled is committed and the rest will be pulled again by others.
   */
  async stop(graceMs: number): Promise<boolean> {
    this.#stopping = true
    this.#lostWhileStopping = false
    const { clock } = this.#options
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
    const { clock, telemetry } = this.#options
    telemetry.notice('warn', 'the time to shut down is over with deliveries still under way; they will be repeated', {
      shards: this.shards,
    })
    const commits = [...this.#running.values()].map(({ consumer }) => consumer.commitSettled())
    const end = new AbortController()
    await Promise.race([Promise.allSettled(commits), clock.sleep(withinMs, end.signal).catch(() => {})])
    end.abort()
  }

  #ensureGroup(): Promise<void> {
    const { client, logstore, group, clock, telemetry, start, consumer } = this.#options
    const startAtEnd = start.kind === 'end' ? { consumer, remembered: this.#remembered } : undefined
    return ensureConsumerGroup(client, group, startAtEnd, {
      logstore,
      clock,
      telemetry,
      signal: this.#stopped.signal,
    })
  }

  #obey(held: number[]): void {
    this.#held = new Set(held)
    const givenUp = [...this.#running].filter(([shard, run]) => !this.#held.has(shard) && !run.draining)
    const taken = this.#stopping ? [] : [...this.#held].filter((shard) => !this.#running.has(shard))
    for (const [shard] of givenUp) this.#drain(shard)
    for (const [index, shard] of taken.entries()) this.#take(shard, Math.floor(index / STARTS) * STARTS_APART_MS)
    if (taken.length + givenUp.length > 0) {
      this.#options.telemetry.rebalanced(this.#options.logstore, { taken, givenUp: givenUp.map(([shard]) => shard) })
    }
    if (this.#answers++ % VERIFY_EVERY === 0) void this.#verifyCheckpoints()
  }

  #take(shard: number, delayMs: number): void {
    const { clock, group, logstore } = this.#options
    const lease = new ShardLease({ ...logstore, shard }, this.#heartbeats.renewedUntil, () => clock.monotonic())
    const consumer = new ShardConsumer(lease, { ...this.#options, group: group.name, directory: this.#directory })
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
      // A drained shard that the service had taken away waits for our report without it; one it wants us to have (back)
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

  /** An error nobody foresaw: let go of everything and end, so that others take over from the checkpoints. */
  #crash(error: unknown): void {
    this.#bug ??= error
    this.#stopped.abort()
  }

  async #verifyCheckpoints(): Promise<void> {
    const before = new Map(
      [...this.#running].map(([shard, run]) => [shard, { run, changes: run.consumer.commitChanges }]),
    )
    try {
      const checkpoints = await this.#options.client.getCheckpoints(
        this.#options.group.name,
        undefined,
        this.#stopped.signal,
      )
      for (const seen of checkpoints) {
        if (seen.checkpoint !== '' && !this.#running.has(seen.shard)) this.#remembered.set(seen.shard, seen.checkpoint)
        const asked = before.get(seen.shard)
        if (asked && this.#running.get(seen.shard) === asked.run) {
          asked.run.consumer.verifyCheckpoint(seen, asked.changes)
        }
      }
    } catch (error) {
      // Only a safeguard: a failing service already shows in heartbeats and pulls.
      if (!(error instanceof Fault) && !this.#stopped.signal.aborted) this.#crash(error)
    }
  }
}
