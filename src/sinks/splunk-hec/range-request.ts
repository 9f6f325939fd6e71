import type { Batch } from '../../core/batch.ts'
import { bytesOf, sizeOf } from '../../core/batch.ts'
import { Fault } from '../../core/errors.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import { isUnreadable } from '../../net/network-fault.ts'
import type { DeadLetterReason } from '../dead-letter-line.ts'
import type { SendSlots } from '../send-slots.ts'
import type { AckUse, PendingAck } from './ack-poller.ts'
import type { BodyForm } from './body-forms.ts'
import { CookieJar } from './cookie-jar.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventRange } from './range.ts'
import { isSingle } from './range.ts'
import type { HecResponse, Outcome } from './response.ts'
import { isSuccess, judge } from './response.ts'

/**
 * How events were accepted: for good (`delivered`, a token without acknowledgement), with an ack to wait for, or
 * `unacknowledged`: by an ack token that gave no id, so that no answer will ever say whether they are safe.
 */
export type Acceptance = 'delivered' | PendingAck | 'unacknowledged'

/** What the answer to a request decided about the events of its `range`. */
export type Decision =
  | {
      readonly is: 'accepted'
      readonly range: EventRange
      readonly acceptance: 'delivered' | PendingAck
      readonly endpoint: Endpoint
    }
  /** One event is bad: number `at` of the range, or it is unknown which. Those before `at` were accepted. */
  | {
      readonly is: 'refused'
      readonly range: EventRange
      readonly at: number | undefined
      readonly before: Acceptance
      readonly reason: DeadLetterReason
      /** Of the body that was refused. */
      readonly form: BodyForm
      readonly endpoint: Endpoint
    }
  | {
      readonly is: 'too_large'
      readonly range: EventRange
      readonly reason: DeadLetterReason
      readonly endpoint: Endpoint
    }
  /** Not sent: this endpoint is known to take no more than `limit` bytes. */
  | { readonly is: 'over_limit'; readonly range: EventRange; readonly limit: number }

/** The POST failed: `rest` is to be sent again. Events of the range before it, if any, were accepted all the same. */
export interface Failed {
  readonly is: 'failed'
  readonly fault: Fault
  readonly before: Acceptance
  readonly rest: EventRange
}

/** One POST of one range to one endpoint. */
export interface RangeRequest {
  readonly batch: Batch
  readonly range: EventRange
  readonly endpoint: Endpoint
  /** Not on a connection, or with a cookie, that led to a certain server before. */
  readonly newConnection?: boolean
  readonly signal: AbortSignal
  /** Called when the first byte is about to leave; throws when it must not. */
  readonly leaving: () => void
}

/** Shared by all requests of a sink. */
export interface RequestParts {
  readonly slots: SendSlots
  /** The sink's configured name. */
  readonly sink: string
  readonly telemetry: Pick<Telemetry, 'resent' | 'outcomeUnknown'>
}

/**
 * One POST of one range to one endpoint, from the choice of a channel to what its answer decides. An event that is refused
 * alone, in a way that says nothing about it, is sent in milder forms before it is blamed. Throws what `leaving` or the
 * signal says, and the Fault of an endpoint that cannot be asked whether it acknowledges; nothing was sent then.
 */
export async function sendRange(request: RangeRequest, parts: RequestParts): Promise<Decision | Failed> {
  const { batch, range, endpoint, signal } = request
  await endpoint.ready(signal)
  const { limit, forms } = endpoint
  if (!isSingle(range) && sizeOf(batch, range) > limit) return { is: 'over_limit', range, limit }
  const form = forms.current
  // The connection may be the reason: another one may lead to another server, and some are cut at their second request.
  const first = { ...request, newConnection: range.unknown > 0 || range.suspect }
  const decision = isSingle(range) ? await sendUntilSure(form, first, parts) : await sendAs(form, first, parts)
  if (!isSingle(range) || !isUnspecific(decision)) return decision
  const milder = forms.milder(form, {
    lineEndInDoubt: decision.is === 'failed' || decision.at === undefined,
    inDoubt: endpoint.evidence.inDoubt,
  })
  const refused: RangeRequest = { ...request, range: decision.is === 'failed' ? decision.rest : decision.range }
  for (const other of milder) {
    const again = await sendAs(other, refused, parts)
    if (again.is === 'accepted') forms.learn(other)
    if (!isUnspecific(again)) return again
  }
  if (milder.length > 0) forms.hopeless()
  return decision
}

/** A refusal of a single event counts once other connections, which may lead to other servers, bring the same. */
async function sendUntilSure(form: BodyForm, request: RangeRequest, parts: RequestParts): Promise<Decision | Failed> {
  const { consistency, evidence } = request.endpoint
  let { refusals } = request.range
  const newConnection = request.newConnection === true || refusals > 0
  let decision = await sendAs(form, { ...request, newConnection }, parts)
  while (isRefusal(decision) && ++refusals < consistency.refusalsNeeded && !evidence.everythingRefused) {
    const range = { ...(decision.is === 'failed' ? decision.rest : decision.range), refusals }
    decision = await sendAs(form, { ...request, range, newConnection: true }, parts)
  }
  if (decision.is === 'accepted') {
    consistency.taken(refusals)
    // Neither the size nor the form of a body was the reason.
    if (refusals > 0) request.endpoint.forgetLimit()
  }
  return decision
}

function isRefusal(
  decision: Decision | Failed,
): decision is Exclude<Decision | Failed, { is: 'accepted' | 'over_limit' }> {
  return decision.is === 'refused' || decision.is === 'too_large' || isUnspecific(decision)
}

/** Refusals that say that the body was not understood, and not why: it may be the form of the body. */
function isUnspecific(decision: Decision | Failed): decision is Failed | (Decision & { is: 'refused' }) {
  if (decision.is === 'refused') return decision.reason.code === '6'
  return decision.is === 'failed' && ['5', 'http_400', 'http_406', 'http_422'].includes(decision.fault.code)
}

async function sendAs(form: BodyForm, request: RangeRequest, parts: RequestParts): Promise<Decision | Failed> {
  const { batch, range, endpoint, newConnection = false, signal } = request
  const own = range.doubtful || newConnection
  const use = await endpoint.acks.begin({ acks: endpoint.acknowledges, own }, signal)
  const { outcome, rest } = await exchange(request, use, form, parts)
  const sent: RangeRequest = { ...request, range: rest }
  switch (outcome.is) {
    case 'accepted':
      parts.slots.answered(outcome.slowDown)
      endpoint.tookBody(sizeOf(batch, range))
      return await accepted(sent, use, outcome.ackId, parts)
    case 'refused': {
      const { at } = outcome
      const before = acceptancePrior(endpoint, use, at ? outcome.ackId : undefined)
      return { is: 'refused', range: rest, at, before, reason: reasonOf(outcome), form, endpoint }
    }
    case 'too_large':
      use.ended(false)
      if (!isSingle(range) && !endpoint.consistency.contradicts) endpoint.learnLimit(sizeOf(batch, range))
      return { is: 'too_large', range: rest, reason: reasonOf(outcome), endpoint }
    case 'gzip_refused': {
      use.ended(false)
      if (!form.gzip) return failed(outcome.fault, rest)
      const plain = { ...form, gzip: false }
      endpoint.forms.learn(plain)
      return await sendAs(plain, sent, parts)
    }
    case 'failed':
      return await failedWith(outcome, sent, use, parts)
  }
}

/** The request itself, in a slot. `rest`: the range after it, with its reason for a resend counted if a byte left. */
async function exchange(
  { batch, range, endpoint, newConnection = false, signal, leaving }: RangeRequest,
  use: AckUse,
  { gzip, lineEnd }: BodyForm,
  { slots, sink, telemetry }: RequestParts,
): Promise<{ outcome: Outcome; rest: EventRange }> {
  let rest = range
  let left = false
  const request = {
    to: 'event',
    body: lineEnd ? bytesOf(batch, range) : bytesOf(batch, range).subarray(0, -1),
    gzip,
    channel: use.channel,
    cookies: newConnection && !use.own ? new CookieJar() : use.cookies,
    newConnection,
    signal,
    leaving: () => {
      leaving()
      left = true
      rest = { ...range, resend: undefined }
      if (range.resend) telemetry.resent(sink, range.resend, range.to - range.from)
    },
  } as const
  let response: HecResponse
  try {
    response = await slots.run(signal, () => endpoint.client.post(request))
  } catch (error) {
    if (error instanceof Fault && error.kind !== 'lease' && !signal.aborted) {
      return { outcome: { is: 'failed', fault: error, accepted: 0, ackId: undefined }, rest }
    }
    use.ended(left)
    throw error
  }
  return { outcome: judge(response, range.to - range.from), rest }
}

async function accepted(
  request: RangeRequest,
  use: AckUse,
  ackId: number | undefined,
  parts: RequestParts,
): Promise<Decision | Failed> {
  const { range, endpoint } = request
  if (ackId !== undefined && endpoint.sawAckId()) {
    return { is: 'accepted', range, endpoint, acceptance: use.accepted(ackId) }
  }
  if (endpoint.acknowledges) {
    // The token may have been changed just now: ask. Without acknowledgement this 200 is delivery, with it the outcome is unknown.
    endpoint.missedAckId()
    try {
      await endpoint.ready(request.signal)
    } catch (error) {
      use.ended(true)
      if (!(error instanceof Fault) || request.signal.aborted) throw error
      return failed(error, { ...range, resend: 'ambiguous' })
    }
  }
  if (!endpoint.acknowledges) {
    use.ended(false)
    endpoint.delivered()
    return { is: 'accepted', range, endpoint, acceptance: 'delivered' }
  }
  const fault = new Fault('ambiguous', `${endpoint.client.origin} accepted a request without an ack id`, {
    code: 'no_ack_id',
    status: 200,
  })
  return await outcomeUnknown(fault, request, use, parts)
}

async function failedWith(
  outcome: Outcome & { is: 'failed' },
  request: RangeRequest,
  use: AckUse,
  parts: RequestParts,
): Promise<Decision | Failed> {
  const { range, endpoint } = request
  const { fault } = outcome
  if (fault.kind === 'ambiguous') return await outcomeUnknown(fault, request, use, parts)
  if (fault.kind === 'configuration' && (isUnreadable(fault) || isSuccess(fault.status ?? 0))) {
    // An operator must act, and until then the outcome stays unknown: whatever says 204 may have passed the events on.
    parts.telemetry.outcomeUnknown(parts.sink, fault)
    use.ended(true)
    return failed(fault, { ...range, resend: 'ambiguous', unknown: range.unknown + 1 })
  }
  if (fault.code === '27') endpoint.acks.rotate()
  const before = acceptancePrior(endpoint, use, outcome.accepted > 0 ? outcome.ackId : undefined)
  // An answer says that nothing was accepted; without one nothing was sent this time.
  if (outcome.accepted === 0) return failed(fault, fault.status === undefined ? range : { ...range, unknown: 0 })
  if (before === 'unacknowledged') return failed(fault, { ...range, resend: 'partial_unacked' })
  return { is: 'failed', fault, before, rest: { ...range, from: range.from + outcome.accepted } }
}

/** The events may have arrived. On a channel of its own the request is asked about before it is repeated. */
async function outcomeUnknown(
  fault: Fault,
  { range, endpoint, signal }: RangeRequest,
  use: AckUse,
  { sink, telemetry }: RequestParts,
): Promise<Decision | Failed> {
  telemetry.outcomeUnknown(sink, fault)
  if (!use.own) use.ended(true)
  else if ((await use.doubtful()) === 'acked') return { is: 'accepted', range, endpoint, acceptance: 'delivered' }
  signal.throwIfAborted()
  return failed(fault, { ...range, resend: 'ambiguous', doubtful: true, unknown: range.unknown + 1 })
}

/** Nothing of the range was accepted, as far as is known. */
function failed(fault: Fault, rest: EventRange): Failed {
  return { is: 'failed', fault, before: 'unacknowledged', rest }
}

/** Ends the use of the channel by a request of which the first events may have been accepted, and says how those were. */
function acceptancePrior(endpoint: Endpoint, use: AckUse, ackId: number | undefined): Acceptance {
  if (ackId !== undefined && endpoint.sawAckId()) return use.accepted(ackId)
  // No event was accepted, or no id was given: nothing waits for an ack.
  use.ended(false)
  return endpoint.acknowledges ? 'unacknowledged' : 'delivered'
}

function reasonOf({ fault, text }: { fault: Fault; text: string }): DeadLetterReason {
  return { code: fault.code, text: text || fault.message, status: fault.status ?? null }
}
