import type { Batch, BatchOrigin } from '../core/batch.ts'
import { bytesOf, routeOf } from '../core/batch.ts'

const EVENT_KEY = ',"event":'

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
  /** Names of the route that the event came by, and of the sink that refused it. */
  readonly route: string
  readonly sink: string
  /** The HEC envelope's own bytes, without the newline. */
  readonly event: Buffer
}

export function deadLetterOf(batch: Batch, index: number, reason: DeadLetterReason): DeadLetterEntry {
  const bytes = bytesOf(batch, { from: index, to: index + 1 })
  const end = bytes.at(-1) === 0x0a ? bytes.length - 1 : bytes.length
  const { origin, sink } = batch
  return { reason, origin, route: routeOf(batch, index), sink, event: bytes.subarray(0, end) }
}

/**
 * `{"reason":…,"origin":…,"at":…,"event":<envelope>}` and a newline. The envelope is spliced in byte for byte: its nine
 * decimals of time would not survive being parsed and written again. `namesSink`: the origin has `route` and `sink`.
 */
export function encodeDeadLetter(entry: DeadLetterEntry, at: Date, namesSink: boolean): Buffer {
  const { reason, origin, route, sink, event } = entry
  const eventId = readEventId(event)
  const { project, logstore, shard } = origin
  const cursor = groupCursor(eventId, origin) ?? origin.cursor
  const head = {
    reason: { code: reason.code, text: reason.text, status: reason.status },
    origin: { project, logstore, shard, cursor, event_id: eventId, ...(namesSink && { route, sink }) },
    at: at.toISOString(),
  }
  return spliced(head, event)
}

function spliced(head: object, event: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(head).slice(0, -1)}${EVENT_KEY}`), event, Buffer.from('}\n')])
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

/**
 * `<logstore>:<shard>:<decimal>:<index>`, with `<project>/` before it where a configuration file is used, names the log group's
 * own cursor, which SLS spells as base64 of the decimal.
 */
function groupCursor(eventId: string | null, { project, logstore, shard }: BatchOrigin): string | undefined {
  for (const prefix of [`${logstore}:${shard}:`, `${project}/${logstore}:${shard}:`]) {
    const decimal = eventId?.startsWith(prefix) ? /^(\d+):\d+$/.exec(eventId.slice(prefix.length))?.[1] : undefined
    if (decimal !== undefined) return Buffer.from(decimal).toString('base64')
  }
  return undefined
}

/** A line read back. */
export interface DeadLetterLine {
  readonly reason: DeadLetterReason
  readonly origin: Omit<BatchOrigin, 'source'> & {
    readonly event_id: string | null
    /** Absent in a line of a replica without a configuration file. */
    readonly route?: string
    readonly sink?: string
  }
  /** ISO 8601. */
  readonly at: string
  /** The HEC envelope as JSON text, byte for byte what was sent: post this, not a re-serialisation. */
  readonly event: string
}

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

/** The line as it was read, with its line end. */
export function sameLine({ reason, origin, at, event }: DeadLetterLine): Buffer {
  return spliced({ reason, origin, at }, Buffer.from(event))
}

function isReason(value: unknown): value is DeadLetterReason {
  const { code, text, status } = Object(value) as Record<string, unknown>
  return isText(code) && isText(text) && (status === null || Number.isInteger(status))
}

function isOrigin(value: unknown): value is DeadLetterLine['origin'] {
  const { project, logstore, shard, cursor, event_id: id, route, sink } = Object(value) as Record<string, unknown>
  const hasPlace = [project, logstore, cursor].every(isText) && Number.isSafeInteger(shard)
  return hasPlace && (id === null || isText(id)) && [route, sink].every((name) => name === undefined || isText(name))
}

const isText = (value: unknown): value is string => typeof value === 'string'
