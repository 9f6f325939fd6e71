import type { Clock } from '../core/clock.ts'
import { probeDelayMs, retryDelayMs, untilSuccess } from '../core/retry.ts'
import type { LogstoreRef } from '../core/shard.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { SlsClient } from '../sls/client.ts'
import { SlsError } from '../sls/errors.ts'

interface ConsumerGroupSettings {
  name: string
  timeoutSeconds: number
  inOrder: boolean
}

/** A consumer's place in the consumer group of one logstore. */
export interface Membership {
  readonly logstore: LogstoreRef
  readonly client: SlsClient
  readonly group: ConsumerGroupSettings
  /** Unique in the group. */
  readonly consumer: string
  readonly heartbeatMs: number
  /** The longest that a moved low-water mark waits to be written back. */
  readonly commitIntervalMs: number
}

/** What a group without checkpoints gets as its checkpoints, by shard. */
export interface StartAtEnd {
  /** What this process knows of the group's checkpoints, in case the group was deleted. */
  readonly remembered: ReadonlyMap<number, string>
}

const RETRY = { minMs: 500, maxMs: 15_000 }

/**
 * Makes the group exist with our timeout and order, and retries until it does. A configuration fault is a pause, reported
 * once and probed slowly. `startAtEnd`: a group without checkpoints starts at the end, not at the oldest logs. Rejects
 * only when `signal` is aborted.
 */
export async function ensureConsumerGroup(
  { logstore, client, group, consumer }: Pick<Membership, 'logstore' | 'client' | 'group' | 'consumer'>,
  startAtEnd: StartAtEnd | undefined,
  { clock, telemetry, signal }: { clock: Clock; telemetry: Telemetry; signal: AbortSignal },
): Promise<void> {
  const pause = { reason: 'sls_configuration', scope: { of: 'group', logstore } } as const
  let ends: Map<number, string> | undefined
  const ensure = async (): Promise<void> => {
    await createOrUpdate(client, group, telemetry, signal)
    if (startAtEnd === undefined) return
    ends ??= await endsOf(client, group.name, startAtEnd, signal)
    await initialiseAtEnd(client, group.name, consumer, { ends, signal })
  }
  await untilSuccess(ensure, {
    clock,
    signal,
    delayAfter: (fault, attempt) => {
      if (fault.kind !== 'configuration') {
        telemetry.heartbeat(logstore, 'failed', fault)
        return retryDelayMs(fault, attempt, RETRY)
      }
      telemetry.paused(pause, fault)
      return probeDelayMs()
    },
  })
  telemetry.resumed(pause)
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
 * `SLS_START=end` means the end of every shard at the moment the group starts. If each shard began at its own end when it
 * is first leased, logs written to the children of a split before that would be skipped. So a group without any checkpoint
 * gets them all here, before the first heartbeat. A shard that has none later is younger than the group and is read from
 * its beginning.
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

/** These commits are forced because no consumer holds a shard yet. What is committed leaves `ends`: a retry does the rest. */
async function initialiseAtEnd(
  client: SlsClient,
  group: string,
  consumer: string,
  { ends, signal }: { ends: Map<number, string>; signal: AbortSignal },
): Promise<void> {
  for (const [shard, cursor] of ends) {
    await client.initialiseCheckpoint(group, consumer, shard, cursor, signal)
    ends.delete(shard)
  }
}
