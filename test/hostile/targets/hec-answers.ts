import { Fault } from '../../../src/core/errors.ts'
import { retryAfterMs } from '../../../src/net/retry-after.ts'
import { judge, judgeAck, readReply } from '../../../src/sinks/splunk-hec/response.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

export const STATUSES = [
  200, 200, 400, 400, 503, 201, 204, 301, 401, 403, 404, 405, 408, 413, 415, 429, 500, 502, 599, 999,
]
const COUNT = 5
const KINDS = ['configuration', 'transient', 'ambiguous', 'event']
const LONGEST_WAIT_MS = 300_000
const NOW = Date.parse('2026-11-25T00:00:00Z')

/** Input: index of the status, length of the `Retry-After`, that, then the body. */
export const hecAnswers: Target = {
  name: 'hec-answers',
  open: () => (input) => {
    const status = STATUSES[(input[0] ?? 0) % STATUSES.length] as number
    const split = 2 + ((input[1] ?? 0) % 40)
    const retryAfter = input.subarray(2, split).toString('latin1')
    const body = input.subarray(split).toString()
    const waitMs = retryAfterMs(retryAfter, NOW, LONGEST_WAIT_MS)
    must(waitMs === undefined || (waitMs >= 0 && waitMs <= LONGEST_WAIT_MS), 'a wait that ends')
    const answer = { status, body, reply: readReply(body), location: undefined, retryAfterMs: waitMs }
    const said = objectOf(body)
    const code = said?.['code']
    acks(judgeAck(answer), status, said)

    const outcome = judge(answer, COUNT)
    const accepted = status === 200 && [0, 24, 25].some((good) => good === code)
    must((outcome.is === 'accepted') === accepted, 'accepted with status 200 and code 0, 24 or 25, and only then')
    if (outcome.is === 'accepted') return `accepted ${outcome.ackId === undefined ? '' : 'with an id'}`
    told(outcome.fault)
    if (outcome.is === 'refused') {
      must(status === 400 && [6, 12, 13, 15].some((bad) => bad === code), 'an event is blamed by HEC alone')
      must(outcome.at === undefined || outcome.at === said?.['invalid-event-number'], 'the event is the one HEC named')
      must(outcome.at === undefined || (outcome.at >= 0 && outcome.at < COUNT), 'the event is one of those sent')
      must(outcome.text.length <= 200 && !/\p{Cc}/u.test(outcome.text), 'the reason is short and printable')
    }
    must(outcome.is !== 'too_large' || status === 413, 'too large is 413')
    must(outcome.is !== 'gzip_refused' || status === 415, 'gzip is refused with 415')
    if (outcome.is === 'failed' && outcome.accepted > 0) {
      must(
        status === 503 && code === 9 && outcome.accepted === said?.['invalid-event-number'],
        'a prefix is HEC’s word',
      )
      must(outcome.accepted < COUNT, 'a prefix leaves something')
    }
    return `${outcome.is} ${outcome.fault.kind} ${outcome.fault.code}`
  },
}

function told(fault: Fault): void {
  must(KINDS.includes(fault.kind), 'a kind the sink knows')
  must(/^(\d{1,2}|http_\d{3})$/.test(fault.code), `a code that can be a label, not ${fault.code}`)
  must(fault.message.length < 500 && !/\p{Cc}/u.test(fault.message), 'a message that is short and printable')
}

function acks(outcome: readonly number[] | Fault, status: number, said: Record<string, unknown> | undefined): void {
  if (outcome instanceof Fault) {
    told(outcome)
    return
  }
  must(status === 200, 'acks come with status 200')
  const named = Object.entries(Object(said?.['acks'])).filter(([, value]) => value === true)
  for (const id of outcome)
    must(
      named.some(([name]) => Number(name) === id),
      'only ids told true are acknowledged',
    )
}

function objectOf(body: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
