import { Fault } from '../../core/errors.ts'
import { isUnreadable } from '../../net/network-fault.ts'
import { MOST_UNPROVEN } from '../evidence.ts'

/** An event is delivered so often with an unknown outcome; then the sink pauses. */
export const MOST_UNKNOWN = 3

/** Events are refused one after the other, so the refusals are not about events. `last`: what was answered last. */
export function everythingRefused(last: { code: string; text: string; status: number | null }): Fault {
  const answer = last.status === null ? last.text : `HTTP ${last.status}: ${last.text} (${last.code})`
  return new Fault(
    'configuration',
    `everything is refused: ${MOST_UNPROVEN} events were refused and none was accepted between them; the last answer was ${answer}`,
    {
      code: 'everything_refused',
      ...(last.status !== null && { status: last.status }),
      advice: adviceOnRefusals(last),
    },
  )
}

function adviceOnRefusals({ code, status }: { code: string; status: number | null }): string {
  if (status === 413) return 'Raise the limit for request bodies of the proxy or of HEC: it is smaller than one event.'
  if (code === '6') return 'Look for something on the way that changes bodies or drops Content-Encoding.'
  return 'Look at the reasons in the dead letter, and for something on the way that changes requests.'
}

/** The outcome of the same events stayed unknown; `last` is the fault of the last delivery. */
export function outcomeStaysUnknown(last: Fault): Fault {
  return new Fault(
    'configuration',
    `events were sent ${MOST_UNKNOWN} times and it is unknown whether they arrived: ${last.message}`,
    {
      code: last.code,
      cause: last,
      ...(last.status !== undefined && { status: last.status }),
      advice: last.advice ?? adviceOnUnknown(last),
    },
  )
}

function adviceOnUnknown({ code }: Fault): string {
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'Let the proxy send fewer or shorter headers: cookies, for example.'
  return 'Requests arrive and answers do not: check the proxies on the way, their timeouts and their limits.'
}

/** A request was accepted and its acknowledgement will not come. */
export function unacknowledged(result: 'lost' | 'timeout', timeoutMs: number): Fault {
  if (result === 'timeout') {
    return new Fault('ambiguous', `accepted events were not acknowledged within ${timeoutMs / 1000} s`, {
      code: 'ack_timeout',
      advice:
        'If indexers are healthy: acknowledgement behind a balancer needs sticky sessions. Or raise SPLUNK_HEC_ACK_TIMEOUT_SECONDS.',
    })
  }
  return new Fault('ambiguous', 'acknowledgements get lost: HEC gives ack ids that it gave before', {
    code: 'ack_lost',
    advice: 'Acknowledgement behind a balancer needs sticky sessions; or indexers restart all the time.',
  })
}

/** One endpoint accepts events and never acknowledges them, while another works. */
export function neverAcknowledges(origin: string): Fault {
  return new Fault('configuration', `${origin} accepts events and does not acknowledge them`, {
    code: 'never_acknowledged',
    advice: 'Look at the indexers behind it, and whether its balancer has sticky sessions.',
  })
}

/** Refusals that can be about one event. Others of the 4xx are about the client, or ask it to come back. */
const NOT_ABOUT_AN_EVENT = new Set([401, 404, 407, 408, 421, 425, 429])

/** HEC's code for an index that is missing, or that the token may not use. Events name their own. */
export const INDEX_REFUSED = '7'
/** While others are accepted, `fault` concerns these events alone: the sink need not pause for it. */
export function ofTheseEvents(fault: Fault): Fault {
  const { code, message, status, advice } = fault
  return new Fault('transient', message, {
    code,
    cause: fault,
    ...(status !== undefined && { status }),
    ...(advice !== undefined && { advice }),
  })
}

/** Could the contents of the request be the cause? Not where nothing answered it. */
export function mayBeAboutContents(fault: Fault): boolean {
  return fault.kind === 'ambiguous' || isUnreadable(fault) || fault.status !== undefined
}

/** A code of HEC, which is mostly true: about the token, the channel, or how busy it is. Events name their own index. */
export function isWordOfHec({ code, status }: Fault): boolean {
  return status !== undefined && /^\d+$/.test(code) && code !== INDEX_REFUSED
}

/** Whether this answer, given for one event alone and for no other, refuses it for good. */
export function refusesForGood({ code, status }: Fault): boolean {
  if (code === INDEX_REFUSED) return true
  return code.startsWith('http_4') && status !== undefined && !NOT_ABOUT_AN_EVENT.has(status)
}
