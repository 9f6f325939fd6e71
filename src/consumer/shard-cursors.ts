import type { Clock } from '../core/clock.ts'
import { retryDelayMs, untilSuccess } from '../core/retry.ts'
import type { ShardRef } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import { cursorNumber } from '../sls/cursor.ts'
import type { Membership } from './consumer-group.ts'
import type { Reading } from './reading.ts'

export interface ShardCursorsOptions {
  shard: ShardRef
  membership: Pick<Membership, 'client' | 'group'>
  reading: Pick<Reading, 'start' | 'expired'>
  /** The cursor that this process had settled of the shard, in case the group was deleted with its checkpoints. */
  remembered: string | undefined
  clock: Clock
  telemetry: Telemetry
}

export interface StartCursor {
  cursor: string
  /** The checkpoint that the service has, `''` for none. */
  checkpoint: string
  /** A consumer without a checkpoint starts here as well (for `end` see `initialiseAtEnd`), so it need not be committed. */
  implied: boolean
}

const RETRY = { minMs: 200, maxMs: 15_000 }
const CHECKPOINT_POLL_MS = 5_000

/** Where reading a shard starts, and where it goes on when its cursor has expired. */
export class ShardCursors {
  readonly #options: ShardCursorsOptions

  constructor(options: ShardCursorsOptions) {
    this.#options = options
  }

  async start(signal: AbortSignal): Promise<StartCursor> {
    const { shard, membership, reading, telemetry, remembered } = this.#options
    const { start } = reading
    const checkpoint = await this.#retried(() => this.#checkpoint(signal), signal)
    if (checkpoint !== '') {
      telemetry.shardTaken(shard, checkpoint, 'checkpoint')
      return { cursor: checkpoint, checkpoint, implied: false }
    }
    if (remembered !== undefined) {
      telemetry.shardTaken(shard, remembered, 'remembered')
      return { cursor: remembered, checkpoint, implied: false }
    }
    // With `end` every shard got its checkpoint when the group started: a shard without one is younger than the group.
    const from = start.kind === 'time' ? start.unixSeconds : 'begin'
    const cursor = await this.#retried(() => membership.client.getCursor(shard.shard, from, signal), signal)
    telemetry.shardTaken(shard, cursor, 'start')
    return { cursor, checkpoint, implied: true }
  }

  /**
   * The service no longer has the logs between `cursor` and the oldest one retained. With `begin` reading goes on at the
   * oldest, which is reported as an error. With `fail` this waits until somebody sets a checkpoint that is not `ours`.
   */
  async afterExpiry(cursor: string, ours: (checkpoint: string) => boolean, signal: AbortSignal): Promise<string> {
    const { shard, membership, reading, telemetry, clock } = this.#options
    const { client } = membership
    if (reading.expired === 'fail') {
      for (;;) {
        await clock.sleep(CHECKPOINT_POLL_MS, signal)
        const checkpoint = await this.#retried(() => this.#checkpoint(signal), signal)
        if (checkpoint !== '' && !ours(checkpoint)) return checkpoint
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
    const { shard, membership } = this.#options
    const entries = await membership.client.getCheckpoints(membership.group.name, shard.shard, signal)
    return entries.find((entry) => entry.shard === shard.shard)?.checkpoint ?? ''
  }

  async #retried<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { telemetry, clock, shard } = this.#options
    const key = { reason: 'sls_configuration', scope: { of: 'start', shard } } as const
    let askedAt = 0
    const asking = (): Promise<T> => {
      askedAt = clock.monotonic()
      return ask()
    }
    try {
      return await untilSuccess(asking, {
        clock,
        signal,
        delayAfter: (fault, attempt) => {
          if (fault.kind === 'lease') throw fault
          if (fault.kind === 'configuration') telemetry.paused(key, fault)
          else telemetry.pullFailed(shard, fault, attempt, (clock.monotonic() - askedAt) / 1000)
          return retryDelayMs(fault, attempt, RETRY)
        },
      })
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
