import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { backoffMs } from '../core/retry.ts'
import type { LogstoreRef } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import { SlsError } from '../sls/errors.ts'

export interface ConsumerGroupSettings {
  name: string
  timeoutSeconds: number
  inOrder: boolean
}

/** Where a group that has no checkpoints yet begins, if not at the oldest logs. */
export interface StartAtEnd {
  consumer: string
  /** What this process knows of the group's checkpoints, for a group that was deleted under us. */
  remembered: ReadonlyMap<number, string>
}

const SLOW_RETRY_MS = 15_000

/**
 * Makes the group exist with our timeout and order, and keeps at it until it does: a configuration fault is reported once
 * and probed slowly, anything else is retried. Rejects only when `signal` is aborted.
 */
export async function ensureConsumerGroup(
  client: SlsClient,
  settings: ConsumerGroupSettings,
  startAtEnd: StartAtEnd | undefined,
  {
    logstore,
    clock,
    telemetry,
    signal,
  }: { logstore: LogstoreRef; clock: Clock; telemetry: Telemetry; signal: AbortSignal },
): Promise<void> {
  const pause = { reason: 'sls_configuration', scope: { of: 'group', logstore } } as const
  let ends: Map<number, string> | undefined
  for (let attempt = 1; ; attempt++) {
    try {
      await createOrUpdate(client, settings, telemetry, signal)
      if (startAtEnd) {
        ends ??= await endsOf(client, settings.name, startAtEnd, signal)
        await initialiseAtEnd(client, settings.name, startAtEnd, { ends, signal })
      }
      telemetry.resumed(pause)
      return
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof Fault)) throw error
      if (error.kind === 'configuration') telemetry.paused(pause, error)
      else telemetry.heartbeat(logstore, 'failed', error)
      const slow = error.kind === 'configuration' ? SLOW_RETRY_MS : 0
      await clock.sleep(Math.max(slow * (0.7 + 0.3 * Math.random()), backoffMs(attempt, 500, SLOW_RETRY_MS)), signal)
    }
  }
}

async function createOrUpdate(
  client: SlsClient,
  settings: ConsumerGroupSettings,
  telemetry: Telemetry,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.createConsumerGroup(settings, signal)
    telemetry.notice('info', `created consumer group ${settings.name}`)
    return
  } catch (error) {
    if (!(error instanceof SlsError && error.reaction === 'group_exists')) throw error
  }
  const existing = (await client.listConsumerGroups(signal)).find((group) => group.name === settings.name)
  if (existing?.timeoutSeconds === settings.timeoutSeconds && existing.inOrder === settings.inOrder) return
  await client.updateConsumerGroup(settings, signal)
  telemetry.notice('info', `updated consumer group ${settings.name}`, { before: existing, after: settings })
}

/**
 * `SLS_START=end` means the end at the moment the group starts, for every shard at once. Were each shard left to begin at
 * its own end when it is first leased, logs written to the children of a split before that would be skipped. So a group
 * without any checkpoint gets them all here, before the first heartbeat; a shard that has none later is younger than the
 * group and is read from its beginning.
 */
async function endsOf(
  client: SlsClient,
  group: string,
  { remembered }: StartAtEnd,
  signal: AbortSignal,
): Promise<Map<number, string>> {
  const ends = new Map<number, string>()
  const checkpoints = await client.getCheckpoints(group, undefined, signal)
  if (checkpoints.some(({ checkpoint }) => checkpoint !== '')) return ends
  for (const { shardId } of await client.listShards(signal)) {
    ends.set(shardId, remembered.get(shardId) ?? (await client.getCursor(shardId, 'end', signal)))
  }
  return ends
}

/** Nobody holds a shard yet, which is why these commits are forced. What is committed leaves `ends`: a retry does the rest. */
async function initialiseAtEnd(
  client: SlsClient,
  group: string,
  { consumer }: StartAtEnd,
  { ends, signal }: { ends: Map<number, string>; signal: AbortSignal },
): Promise<void> {
  for (const [shard, cursor] of ends) {
    await client.initialiseCheckpoint(group, consumer, shard, cursor, signal)
    ends.delete(shard)
  }
}
