import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { backoffMs } from '../core/retry.ts'
import type { ShardRef } from '../core/shard.ts'
import type { StartPosition } from '../core/start-position.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import { cursorNumber } from '../sls/cursor.ts'

export interface ShardCursorsOptions {
  shard: ShardRef
  client: SlsClient
  group: string
  start: StartPosition
  expired: 'begin' | 'fail'
  clock: Clock
  telemetry: Telemetry
  /** What this process committed for the shard earlier: used when the group was deleted under us and its checkpoints with it. */
  remembered: string | undefined
}

export interface StartCursor {
  cursor: string
  /** The checkpoint the server holds, `''` for none. */
  checkpoint: string
  /** Who starts without a checkpoint arrives here again (see `initialiseAtEnd` for `end`): it need not be committed. */
  implied: boolean
}

const RETRY_MAX_MS = 15_000
const CHECKPOINT_POLL_MS = 5_000

/** Where a shard's reading starts, and where it goes on when its cursor no longer exists. */
export class ShardCursors {
  readonly #options: ShardCursorsOptions

  constructor(options: ShardCursorsOptions) {
    this.#options = options
  }

  async start(signal: AbortSignal): Promise<StartCursor> {
    const { shard, start, telemetry, remembered } = this.#options
    const checkpoint = await this.#retried(() => this.#checkpoint(signal), signal)
    if (checkpoint !== '') {
      telemetry.shardTaken(shard, checkpoint, 'checkpoint')
      return { cursor: checkpoint, checkpoint, implied: false }
    }
    if (remembered !== undefined) {
      telemetry.shardTaken(shard, remembered, 'remembered')
      return { cursor: remembered, checkpoint, implied: false }
    }
    // With `end` every shard there was got its checkpoint when the group started: one without is younger than the group.
    const from = start.kind === 'time' ? start.unixSeconds : 'begin'
    const cursor = await this.#retried(() => this.#options.client.getCursor(shard.shard, from, signal), signal)
    telemetry.shardTaken(shard, cursor, 'start')
    return { cursor, checkpoint, implied: true }
  }

  /**
   * The logs between `cursor` and the oldest retained one are gone from the service: with policy `begin` reading goes on at
   * the oldest, said loudly; with `fail` this waits until somebody sets the group's checkpoint to another cursor.
   */
  async afterExpiry(cursor: string, signal: AbortSignal): Promise<string> {
    const { client, shard, expired, telemetry, clock } = this.#options
    if (expired === 'fail') {
      const stale = await this.#retried(() => this.#checkpoint(signal), signal)
      for (;;) {
        await clock.sleep(CHECKPOINT_POLL_MS, signal)
        const checkpoint = await this.#retried(() => this.#checkpoint(signal), signal)
        if (checkpoint !== '' && checkpoint !== stale) return checkpoint
      }
    }
    const begin = await this.#retried(() => client.getCursor(shard.shard, 'begin', signal), signal)
    telemetry.cursorExpired(shard, {
      expired: cursor,
      resumedAt: begin,
      lostGroupsEstimate: groupsBetween(cursor, begin),
    })
    return begin
  }

  async #checkpoint(signal: AbortSignal): Promise<string> {
    const { client, group, shard } = this.#options
    const entries = await client.getCheckpoints(group, shard.shard, signal)
    return entries.find((entry) => entry.shard === shard.shard)?.checkpoint ?? ''
  }

  async #retried<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { telemetry, clock, shard } = this.#options
    const key = { reason: 'sls_configuration', scope: { of: 'start', shard } } as const
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          return await ask()
        } catch (error) {
          signal.throwIfAborted()
          if (!(error instanceof Fault)) throw error
          if (error.kind === 'lease') throw error
          if (error.kind === 'configuration') telemetry.paused(key, error)
          else telemetry.pullFailed(shard, error, attempt)
          await clock.sleep(Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, 200, RETRY_MAX_MS)), signal)
        }
      }
    } finally {
      telemetry.resumed(key)
    }
  }
}

function groupsBetween(from: string, to: string): number | undefined {
  const first = cursorNumber(from)
  const last = cursorNumber(to)
  return first === undefined || last === undefined ? undefined : Math.max(0, Number(last - first))
}
