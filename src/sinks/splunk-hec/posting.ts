import type { Batch } from '../../core/batch.ts'
import { bytesOf } from '../../core/batch.ts'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import { isUnreadable } from '../../net/network-fault.ts'
import type { AckTurn, PendingAck } from './ack-poller.ts'
import type { HecResponse } from './client.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventRange } from './range.ts'
import { sizeOf } from './range.ts'
import type { Outcome } from './response.ts'
import { judge } from './response.ts'
import type { SendSlots } from './send-slots.ts'

/**
 * Whether the events before a refused one are safe: `none` needed an ack (a token without), `unknown` was given (an ack
 * token that told no id), or the ack to wait for.
 */
export type PrefixAck = PendingAck | 'none' | 'unknown'

/** What one POST decided about the events of its range. Everything else is thrown as a Fault. */
export type Sent =
  | { readonly is: 'accepted'; readonly endpoint: Endpoint; readonly ack: PendingAck | undefined }
  | {
      readonly is: 'refused'
      readonly fault: Fault
      readonly text: string
      readonly at: number | undefined
      readonly prefix: PrefixAck
    }
  | { readonly is: 'too_large'; readonly endpoint: Endpoint; readonly fault: Fault; readonly text: string }
  /** Not sent: this endpoint is known to take no more than `limit` bytes. */
  | { readonly is: 'over_limit'; readonly limit: number }

export interface PostOptions {
  readonly batch: Batch
  readonly run: EventRange
  readonly endpoint: Endpoint
  readonly signal: AbortSignal
  readonly slots: SendSlots
  /** Its configured name. */
  readonly sink: string
  readonly telemetry: Telemetry
  readonly clock: Clock
  readonly maxBytes: number
  /** Called when the first byte is about to leave; throws when it must not. */
  readonly leaving: () => void
  /** A request that failed all the same took the events before `to`. */
  readonly prefixAccepted: (to: number, ack: PrefixAck) => void
}

/** One POST of one range to one endpoint, from the choice of a channel to what its answer decides. */
export async function postOnce(options: PostOptions): Promise<Sent> {
  const { batch, run, endpoint, signal } = options
  await endpoint.ready(signal)
  const limit = Math.min(options.maxBytes, endpoint.limit)
  if (run.to - run.from > 1 && sizeOf(batch, run) > limit) return { is: 'over_limit', limit }
  const turn = await endpoint.acks.begin({ acks: endpoint.acknowledges, own: run.doubtful }, signal)
  const { gzip } = endpoint
  const outcome = await send(options, turn, gzip)
  switch (outcome.is) {
    case 'accepted':
      options.slots.answered(outcome.slowDown)
      return await accepted(options, turn, outcome.ackId)
    case 'refused': {
      const { fault, text, at } = outcome
      const prefix = prefixAck(endpoint, turn, at ? outcome.ackId : undefined)
      return { is: 'refused', fault, text, at, prefix }
    }
    case 'too_large':
      turn.ended(false)
      return { is: 'too_large', endpoint, fault: outcome.fault, text: outcome.text }
    case 'gzip_refused':
      turn.ended(false)
      if (!gzip) throw outcome.fault
      refuseGzip(options)
      return await postOnce(options)
    case 'failed':
      return await failed(options, turn, outcome)
  }
}

/** The request itself, in a slot. A connection that broke is an outcome like any other. */
async function send(options: PostOptions, turn: AckTurn, gzip: boolean): Promise<Outcome> {
  const { batch, run, endpoint, signal, telemetry, sink } = options
  let left = false
  const leaving = (): void => {
    options.leaving()
    left = true
    if (run.resend) telemetry.resent(sink, run.resend, run.to - run.from)
    run.resend = undefined
  }
  const request = {
    to: 'event',
    body: bytesOf(batch, run.from, run.to),
    gzip,
    channel: turn.channel,
    cookies: turn.cookies,
    signal,
    leaving,
  } as const
  let response: HecResponse
  try {
    response = await options.slots.run(signal, () => endpoint.client.post(request))
  } catch (error) {
    if (error instanceof Fault && error.kind !== 'lease' && !signal.aborted) {
      return { is: 'failed', fault: error, accepted: 0, ackId: undefined }
    }
    turn.ended(left)
    throw error
  }
  return judge(response, run.to - run.from)
}

async function accepted(options: PostOptions, turn: AckTurn, ackId: number | undefined): Promise<Sent> {
  const { endpoint, run } = options
  if (ackId !== undefined && endpoint.sawAckId()) return { is: 'accepted', endpoint, ack: turn.accepted(ackId) }
  if (endpoint.acknowledges) {
    // The token may have been changed just now: ask. Without acknowledgement 200 is delivery, with it this was nothing.
    endpoint.missedAckId()
    try {
      await endpoint.ready(options.signal)
    } catch (error) {
      turn.ended(true)
      run.resend = 'ambiguous'
      throw error
    }
  }
  if (!endpoint.acknowledges) {
    turn.ended(false)
    return { is: 'accepted', endpoint, ack: undefined }
  }
  const fault = new Fault('ambiguous', `${endpoint.client.origin} accepted a request without an ack id`, {
    code: 'no_ack_id',
    status: 200,
  })
  return await failed(options, turn, { is: 'failed', fault, accepted: 0, ackId: undefined })
}

async function failed(options: PostOptions, turn: AckTurn, outcome: Outcome & { is: 'failed' }): Promise<Sent> {
  const { run, endpoint, telemetry, sink } = options
  const { fault } = outcome
  if (fault.kind === 'configuration' && isUnreadable(fault)) {
    // Somebody must mend it, and meanwhile nobody knows whether the events were taken.
    telemetry.outcomeUnknown(sink, fault)
    turn.ended(true)
    run.resend = 'ambiguous'
    throw fault
  }
  if (fault.kind !== 'ambiguous') {
    if (fault.code === '27') endpoint.acks.rotate()
    const ackId = outcome.accepted > 0 ? outcome.ackId : undefined
    options.prefixAccepted(run.from + outcome.accepted, prefixAck(endpoint, turn, ackId))
    throw fault
  }
  telemetry.outcomeUnknown(sink, fault)
  if (!turn.own) turn.ended(true)
  else if ((await turn.doubtful()) === 'acked') return { is: 'accepted', endpoint, ack: undefined }
  options.signal.throwIfAborted()
  run.doubtful = true
  run.resend = 'ambiguous'
  throw fault
}

/** Ends the turn of a request of which a prefix may have been taken, and says what is known about that prefix. */
function prefixAck(endpoint: Endpoint, turn: AckTurn, ackId: number | undefined): PrefixAck {
  if (ackId !== undefined && endpoint.sawAckId()) return turn.accepted(ackId)
  // It was answered, and without an id: none was given.
  turn.ended(false)
  return endpoint.acknowledges ? 'unknown' : 'none'
}

function refuseGzip({ endpoint, telemetry }: PostOptions): void {
  if (!endpoint.gzip) return
  endpoint.gzip = false
  telemetry.notice('warn', 'HEC does not take gzip; sending uncompressed there', { endpoint: endpoint.client.origin })
}
