const EVENT = Buffer.from(',"event":')
const FIELDS = Buffer.from(',"fields":{')
const TOPIC_FIRST = Buffer.from('{"__topic__":"')
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The parts of a HEC envelope that a message needs. */
export interface Envelope {
  /** Decimal seconds with nine digits, as text; a double could not hold them. */
  readonly time: string
  /** Empty if the envelope has none. */
  readonly host: string
  readonly id: string
  /** The bytes of the event, JSON on one line. */
  readonly event: Buffer
}

/**
 * Cuts an envelope of the encoder at its places. Neither text can stand elsewhere: quotes inside a string are escaped, and
 * `fields` holds only strings and comes last.
 */
export function cutEnvelope(bytes: Buffer): Envelope {
  const eventAt = bytes.indexOf(EVENT)
  const fieldsAt = bytes.lastIndexOf(FIELDS)
  if (eventAt < 0 || fieldsAt < eventAt) throw new Error('not an envelope of the encoder')
  const head = bytes.toString('utf8', 0, eventAt)
  const time = /^\{"time":([\d.]+)/.exec(head)?.[1] ?? ''
  const fields = bytes.toString('utf8', fieldsAt + FIELDS.length - 1, bytes.lastIndexOf('}'))
  const id = PLAIN_ID.exec(fields)?.[1] ?? (JSON.parse(fields) as { sls_event_id: string }).sls_event_id
  const host = hostOf(head.slice(`{"time":${time}`.length))
  return { time, host, id, event: bytes.subarray(eventAt + EVENT.length, fieldsAt) }
}

/** An id without an escape. */
const PLAIN_ID = /^\{"sls_event_id":"([^"\\]*)"/

/** Neighbours share everything between the time and the event. */
let last = { members: '', host: '' }

/** The host of an envelope. `members`: those between the time and the event. */
function hostOf(members: string): string {
  if (members !== last.members) {
    const { host = '' } = JSON.parse(`{${members.slice(1)}}`) as { host?: string }
    last = { members, host }
  }
  return last.host
}

/** `__topic__` and `__source__` of an event, empty where it has none. The encoder writes them first. */
export function placesOf(event: Buffer): { topic: string; source: string } {
  if (event.subarray(0, TOPIC_FIRST.length).equals(TOPIC_FIRST)) {
    const topicEnd = endOfString(event, TOPIC_FIRST.length)
    const source = /^,"__source__":"/.exec(event.toString('latin1', topicEnd, topicEnd + 15))
    if (source) {
      const from = topicEnd + source[0].length
      const to = endOfString(event, from)
      return { topic: stringOf(event, TOPIC_FIRST.length - 1, topicEnd), source: stringOf(event, from - 1, to) }
    }
  }
  const { __topic__: topic, __source__: source } = Object(JSON.parse(event.toString())) as Record<string, unknown>
  return { topic: typeof topic === 'string' ? topic : '', source: typeof source === 'string' ? source : '' }
}

/** The offset just past the closing quote of the string whose inside begins at `from`. */
export function endOfString(json: Buffer, from: number): number {
  for (let at = from; at < json.length; at++) {
    if (json[at] === BACKSLASH) at++
    else if (json[at] === QUOTE) return at + 1
  }
  throw new Error('a string of the event does not end')
}

function stringOf(json: Buffer, from: number, to: number): string {
  return JSON.parse(json.toString('utf8', from, to)) as string
}
