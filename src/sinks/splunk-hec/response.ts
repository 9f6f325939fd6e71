import type { FaultKind } from '../../core/errors.ts'
import { Fault } from '../../core/errors.ts'
import { beginningOf } from '../../core/text.ts'

const SHOWN_CHARACTERS = 200

/** The parts of HEC's JSON answer that matter. Everything is optional: proxies answer too. */
export interface HecReply {
  readonly code: number | undefined
  readonly text: string | undefined
  readonly ackId: number | undefined
  /** As sent, not yet believed. */
  readonly eventNumber: unknown
  /** Of an `/ack` answer: ids told `true`. `undefined` when the answer is none. */
  readonly acked: readonly number[] | undefined
}

/** Meaning of an answer to `/event` for the events that were sent. */
export type Outcome =
  | { readonly is: 'accepted'; readonly ackId: number | undefined; readonly slowDown: boolean }
  /** One event is bad and stopped the parser: number `at`, or which is not known. Those before `at` were accepted. */
  | {
      readonly is: 'refused'
      readonly fault: Fault
      readonly text: string
      readonly at: number | undefined
      readonly ackId: number | undefined
    }
  | { readonly is: 'too_large'; readonly fault: Fault; readonly text: string }
  | { readonly is: 'gzip_refused'; readonly fault: Fault }
  /** Transient, ambiguous or configuration. The first `accepted` events were taken all the same. */
  | { readonly is: 'failed'; readonly fault: Fault; readonly accepted: number; readonly ackId: number | undefined }

/** An answer of HEC, or of something before it. */
export interface HecResponse {
  readonly status: number
  readonly body: string
  /** Where a redirect leads; never followed. */
  readonly location: string | undefined
  readonly reply: HecReply | undefined
  readonly retryAfterMs: number | undefined
}

/** A code that refuses, and what it means. */
interface HecCode {
  readonly code: number
  readonly kind: FaultKind
  readonly advice?: string
}

type Meaning = Omit<HecCode, 'code'>

const TOKEN_DISABLED: Meaning = { kind: 'configuration', advice: 'The HEC token is disabled: enable it in Splunk.' }
const TOKEN_UNKNOWN: Meaning = {
  kind: 'configuration',
  advice: 'Splunk does not know this token: check SPLUNK_HEC_TOKEN.',
}

/** HEC's codes 0–28 as documented by Splunk and measured on 10.4/10.5; `event` = the event named by the answer is bad. */
const CODES: Readonly<Record<number, Meaning>> = {
  1: TOKEN_DISABLED,
  2: { kind: 'configuration', advice: 'The token did not arrive: does a proxy strip the Authorization header?' },
  3: { kind: 'configuration', advice: 'Check SPLUNK_HEC_TOKEN and what a proxy does to the Authorization header.' },
  4: TOKEN_UNKNOWN,
  // We never send a body without an event, so this is about the body and not about any of its events.
  5: {
    kind: 'configuration',
    advice: 'HEC found no event in a body that holds some: look for a proxy that strips bodies.',
  },
  6: { kind: 'event' },
  // HEC's event number is one too high here, so the bad event would be N-1. It is not believed, because a wrong number would
  // skip events. Mostly all events name one index.
  7: {
    kind: 'configuration',
    advice:
      'Allow the index on the HEC token (or create it), or correct SPLUNK_HEC_INDEX, or the route whose `set` names it.',
  },
  8: { kind: 'ambiguous' },
  9: { kind: 'transient' },
  10: { kind: 'configuration', advice: 'A proxy strips the X-Splunk-Request-Channel header.' },
  11: { kind: 'configuration', advice: 'A proxy changes the X-Splunk-Request-Channel header.' },
  12: { kind: 'event' },
  13: { kind: 'event' },
  14: {
    kind: 'configuration',
    advice: 'The token has indexer acknowledgement off: turn it on, or set SPLUNK_HEC_ACK=auto.',
  },
  15: { kind: 'event' },
  16: { kind: 'configuration', advice: 'Remove the token from SPLUNK_HEC_URL: it belongs in SPLUNK_HEC_TOKEN.' },
  18: { kind: 'transient' },
  19: { kind: 'transient' },
  20: { kind: 'transient' },
  21: TOKEN_UNKNOWN,
  22: TOKEN_DISABLED,
  23: { kind: 'transient' },
  26: { kind: 'transient' },
  27: { kind: 'transient' },
  28: {
    kind: 'configuration',
    advice: 'Acknowledgement behind this balancer needs sticky sessions and the channel header.',
  },
}

const ACCEPTED = new Set([0, 24, 25])

/** The one place that says what an answer to a POST of `count` events means. */
export function judge(answer: HecResponse, count: number): Outcome {
  const { status, reply } = answer
  const code = reply?.code
  if (status === 200 && code !== undefined && ACCEPTED.has(code)) {
    return { is: 'accepted', ackId: reply?.ackId, slowDown: code !== 0 }
  }
  const refusal = believedCode(answer)
  if (refusal) return byCode(answer, refusal, count)
  if (status === 413) return { is: 'too_large', fault: faultOf(answer, 'event'), text: 'request too large' }
  if (status === 415) {
    const advice = 'Set SPLUNK_HEC_GZIP=false: something on the way does not take compressed bodies.'
    return { is: 'gzip_refused', fault: faultOf(answer, 'configuration', advice) }
  }
  return { is: 'failed', fault: byStatus(answer), accepted: 0, ackId: undefined }
}

/** Statuses with which HEC gives the codes that decide about events. With other statuses `code` is not HEC's. */
const STATUS: Readonly<Record<number, number>> = {
  ...{ 6: 400, 12: 400, 13: 400, 15: 400, 7: 400 },
  ...{ 8: 500, 9: 503, 18: 503, 19: 503, 20: 503, 23: 503, 26: 429, 27: 429 },
}

/**
 * The code with which HEC refused; `undefined` if the answer is not HEC's. Gateways put small numbers under `code` as well
 * (gRPC: 404 with 5, 500 with 13), and taking those for HEC's would dead-letter a backlog.
 */
export function believedCode({ status, reply }: HecResponse): HecCode | undefined {
  const code = reply?.code
  const meaning = code === undefined ? undefined : CODES[code]
  if (code === undefined || meaning === undefined) return undefined
  const expected = STATUS[code]
  const believed = expected === undefined ? status >= 400 && status < 500 && status !== 404 : status === expected
  return believed ? { code, ...meaning } : undefined
}

function byCode(answer: HecResponse, { code, kind, advice }: HecCode, count: number): Outcome {
  const number = eventNumber(answer.reply)
  const ackId = answer.reply?.ackId
  const fault = faultOf(answer, kind, advice)
  if (kind === 'event') {
    const at = number !== undefined && number < count ? number : undefined
    return { is: 'refused', fault, text: answer.reply?.text ?? '', at, ackId }
  }
  // Busy: the number is where the queue was full.
  if (code === 9 && number !== undefined && number < count) {
    return { is: 'failed', fault, accepted: number, ackId }
  }
  return { is: 'failed', fault, accepted: 0, ackId: undefined }
}

/** Answers without a code of HEC: from proxies, balancers, login pages, or the wrong port. */
function byStatus(answer: HecResponse): Fault {
  const { status } = answer
  const wrongPlace =
    'Check SPLUNK_HEC_URL: what answered there is not the HTTP Event Collector (8088, or 443 on Splunk Cloud).'
  if (isSuccess(status)) {
    const inFront = `Something in front of Splunk answers, a proxy or a login page for example, or another program. ${wrongPlace}`
    return faultOf(answer, 'configuration', inFront)
  }
  if (status === 408 || status === 425 || status === 429 || status === 503) return faultOf(answer, 'transient')
  if (status >= 500) return faultOf(answer, 'ambiguous')
  if (status === 403)
    return faultOf(answer, 'configuration', 'A firewall or proxy refuses the request: see its answer.')
  return faultOf(answer, 'configuration', wrongPlace)
}

function faultOf(answer: HecResponse, kind: FaultKind, advice?: string): Fault {
  const { status, reply } = answer
  const ours = believedCode(answer) !== undefined
  const said = ours
    ? `${reply?.text ?? 'no text'} (code ${reply?.code})`
    : (redirect(answer) ?? (beginningOf(answer.body, SHOWN_CHARACTERS) || 'empty answer'))
  const foreign = isSuccess(status) ? " without Splunk's answer" : ''
  const { retryAfterMs } = answer
  return new Fault(kind, `HEC answered HTTP ${status}${foreign}: ${said}`, {
    code: ours ? String(reply?.code) : `http_${status}`,
    status,
    ...(advice !== undefined && { advice }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** Of HTTP. HEC's own answers of success have its code. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

function redirect({ status, location }: HecResponse): string | undefined {
  return status < 400 && location ? `sends us to ${beginningOf(location, SHOWN_CHARACTERS)}` : undefined
}

/** `invalid-event-number`, counted from 0, if it can be one at all. */
function eventNumber(reply: HecReply | undefined): number | undefined {
  return natural(reply?.eventNumber)
}

function natural(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** `undefined` for anything that is not a JSON object. */
export function readReply(body: string): HecReply | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const answer = value as Record<string, unknown>
  return {
    code: natural(answer['code']),
    text: typeof answer['text'] === 'string' ? beginningOf(answer['text'], SHOWN_CHARACTERS) : undefined,
    ackId: natural(answer['ackId']),
    eventNumber: answer['invalid-event-number'],
    acked: readAcks(answer['acks']),
  }
}

function readAcks(acks: unknown): number[] | undefined {
  if (typeof acks !== 'object' || acks === null || Array.isArray(acks)) return undefined
  const told = Object.entries(acks).filter(([id, told]) => told === true && /^\d+$/.test(id))
  return told.map(([id]) => Number(id))
}

/** Reads an answer to `/ack`: ids told `true`, or the Fault of another answer. Only a real ack answer is believed. */
export function judgeAck(answer: HecResponse): readonly number[] | Fault {
  if (answer.status === 200 && answer.reply?.acked) return answer.reply.acked
  if (answer.status === 200) return faultOf(answer, 'transient')
  const outcome = judge(answer, 0)
  if (outcome.is === 'accepted') return faultOf(answer, 'transient')
  // A query changes nothing, so a question whose answer got lost can simply be asked again.
  return outcome.fault.kind === 'configuration' ? outcome.fault : faultOf(answer, 'transient')
}
