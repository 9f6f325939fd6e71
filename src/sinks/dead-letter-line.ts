import type { Batch, BatchOrigin } from '../core/batch.ts'
import { bytesOf } from '../core/batch.ts'

/** Why an event will never be accepted. */
export interface DeadLetterReason {
  /** The server's own code as text (`6`), `http_413`, or ours (`event_too_large`). */
  readonly code: string
  readonly text: string
  /** HTTP status, `null` when it was never sent. */
  readonly status: number | null
}

/** One refused event on its way into the dead letter. */
export interface DeadLetterEntry {
  readonly reason: DeadLetterReason
  readonly origin: BatchOrigin
  /** The HEC envelope's own bytes, without the newline. */
  readonly event: Buffer
}

export function deadLetterOf(batch: Batch, index: number, reason: DeadLetterReason): DeadLetterEntry {
  const bytes = bytesOf(batch, { from: index, to: index + 1 })
  const end = bytes.at(-1) === 0x0a ? bytes.length - 1 : bytes.length
  return { reason, origin: batch.origin, event: bytes.subarray(0, end) }
}

/**
 * `{"reason":…,"origin":…,"at":…,"event":<envelope>}` and a newline. The envelope is spliced in byte for byte: its nine
 * decimals of time would not survive being parsed and written again.
 */
export function encodeDeadLetter({ reason, origin, event }: DeadLetterEntry, at: Date): Buffer {
  const eventId = readEventId(event)
  const { project, logstore, shard } = origin
  const head = JSON.stringify({
    reason: { code: reason.code, text: reason.text, status: reason.status },
    origin: { project, logstore, shard, cursor: groupCursor(eventId, origin) ?? origin.cursor, event_id: eventId },
    at: at.toISOString(),
  })
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"event":`), event, Buffer.from('}\n')])
}

function readEventId(envelope: Buffer): string | null {
  try {
    const { fields } = JSON.parse(envelope.toString('utf8')) as { fields?: { sls_event_id?: unknown } }
    return typeof fields?.sls_event_id === 'string' ? fields.sls_event_id : null
  } catch {
    // HEC refuses an envelope that is no JSON with code 6: it is kept without an id.
    return null
  }
}

/** `<logstore>:<shard>:<decimal>:<index>` names the log group's own cursor, which SLS spells as base64 of the decimal. */
function groupCursor(eventId: string | null, { logstore, shard }: BatchOrigin): string | undefined {
  const prefix = `${logstore}:${shard}:`
  if (!eventId?.startsWith(prefix)) return undefined
  const decimal = /^(\d+):\d+$/.exec(eventId.slice(prefix.length))?.[1]
  return decimal === undefined ? undefined : Buffer.from(decimal).toString('base64')
}

/** A line read back. */
export interface DeadLetterLine {
  readonly reason: DeadLetterReason
  readonly origin: Omit<BatchOrigin, 'source'> & { readonly event_id: string | null }
  /** ISO 8601. */
  readonly at: string
  /** The HEC envelope as JSON text, byte for byte what was sent: post this, not a re-serialisation. */
  readonly event: string
}

const EVENT_KEY = ',"event":'

/** Throws when the line is not a whole dead letter. */
export function decodeDeadLetter(line: string): DeadLetterLine {
  // Inside a string the quotes would be escaped, and no earlier key of the line contains this text.
  const at = line.indexOf(EVENT_KEY)
  if (at < 0 || !line.endsWith('}')) throw new SyntaxError('not a dead letter')
  const { reason, origin, at: time } = JSON.parse(`${line.slice(0, at)}}`) as Record<string, unknown>
  if (!isReason(reason) || !isOrigin(origin) || typeof time !== 'string') {
    throw new SyntaxError('reason, origin or time is missing or has another shape')
  }
  return { reason, origin, at: time, event: line.slice(at + EVENT_KEY.length, -1) }
}

function isReason(value: unknown): value is DeadLetterReason {
  const { code, text, status } = Object(value) as Record<string, unknown>
  return isText(code) && isText(text) && (status === null || Number.isInteger(status))
}

function isOrigin(value: unknown): value is DeadLetterLine['origin'] {
  const { project, logstore, shard, cursor, event_id: id } = Object(value) as Record<string, unknown>
  return [project, logstore, cursor].every(isText) && Number.isSafeInteger(shard) && (id === null || isText(id))
}

const isText = (value: unknown): value is string => typeof value === 'string'
