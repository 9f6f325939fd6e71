import type { Commit } from '../../src/emulator/sls/group-api.ts'
import type { LagSeen } from './lag-watch.ts'
import type { DeadLetterSeen, Delivery, Entry, Ledger, Written } from './ledger.ts'

/**
 * The rules that hold under every fault. A run is judged from outside: by the emulator's store and its record of commits,
 * the events and answers of the HEC receiver, and the files of the dead letter.
 */
const PROPERTIES = {
  lost: 'Every wanted log is at the SIEM, or in the dead letter; but for those the service forgot before anybody read them.',
  invented: 'Nothing arrives that was not written, or that the filter does not want.',
  altered: 'What arrives has the time and the contents that were written, and the id of the place it was written to.',
  refused: 'The dead letter holds what the SIEM refused for good, and nothing else.',
  ahead: 'No checkpoint is ever ahead of an acknowledgement.',
  forced: 'No checkpoint is forced upon the service.',
  repeated:
    'A log arrives twice only if the first time was not acknowledged, or a fault explains why nobody knew of it.',
  trespass: 'Only who holds a shard delivers from it.',
  stuck: 'Within a bound after the last fault everything is delivered and committed.',
  memory: 'Memory stays within its bound.',
  died: 'No process ends by itself, and each leaves with exit code 0 when asked to.',
  'given up':
    'Of events that are all refused, at most ten are dead-lettered by one process without an acceptance between them.',
  endless: 'Nothing is sent again and again: deliveries of one log get rarer.',
  'held up': 'While one event, or one endpoint of two, is refused, everything else arrives within a minute.',
  lag: 'No lag is 0, or missing, while a log of the shard has waited for 40 s.',
  hung: 'A replica answers /livez and leaves when asked to, whatever becomes of its log.',
  unfired: 'Every scripted fault hit something.',
} as const

export type Property = keyof typeof PROPERTIES

export interface Violation {
  readonly property: Property
  readonly what: string
  /** The log it is about. */
  readonly entry?: Entry
}

/** The consequences that a fault may excuse. */
export type Consequence =
  /** An answer or an acknowledgement did not arrive: delivered events are delivered again. */
  | 'answers lost'
  /** A process or its lease ended: the next holder delivers uncommitted events again. */
  | 'lease ends'
  /** Reading starts again somewhere else: anything may be delivered again. */
  | 'cursor moves'
  /** Events are refused with which nothing is wrong: some are dead-lettered. */
  | 'events refused'

/** One fault that happened. Times in Unix milliseconds. */
export interface Injury {
  readonly fault: string
  /** Whom it hit; everybody without. */
  readonly replica?: string
  readonly from: number
  readonly to: number
  readonly may: readonly Consequence[]
  /** How often it was met: requests, packets, signals. */
  readonly hits: number
  /** By how much it set the replica's clock ahead. */
  readonly aheadMs?: number
}

/** The holder of a shard from an instant on: a consumer, or none. */
export interface Holding {
  readonly at: number
  readonly holder: string | null
}

/** A run, as everybody but the bridge saw it. */
export interface Run {
  readonly ledger: Ledger
  readonly commits: readonly Commit[]
  /** By shard, in the order of time. */
  readonly holdings: ReadonlyMap<number, readonly Holding[]>
  readonly injuries: readonly Injury[]
  /** Tokens have indexer acknowledgement. */
  readonly ack: boolean
  /** Of the consumer group. */
  readonly leaseMs: number
  /** Without an acknowledgement for this long a request is sent again. */
  readonly ackTimeoutMs: number
  readonly peakMemoryMb: number
  readonly memoryLimitMb: number
  /** Where replicas said that nothing waits, or said nothing, of shards that they held. */
  readonly lags: readonly LagSeen[]
  /** Violations found during the run: `stuck` and `died`. */
  readonly noticed: readonly Violation[]
}

export interface Counts {
  written: number
  wanted: number
  /** Distinct logs. */
  delivered: number
  /** Deliveries beyond a log's first. */
  duplicated: number
  deadLettered: number
  expired: number
  missing: number
}

/** An answer leaves a moment after its request came in. */
const ANSWER_MS = 3_000
/** How exactly it is known when a shard changed hands. */
const HOLDER_MS = 250
/** So many events are dead-lettered before a process stops to believe that it is the events. */
const MOST_GIVEN_UP = 10
/** One log arrives at most so often within ten seconds from one replica. */
const MOST_COPIES = 8
const COPIES_MS = 10_000
/** What was told last counts for 20 s, is told again every 5 s, and a second passes between two looks at it. */
const MOST_WAITING_MS = 40_000
/** From a fault to the last time its trouble may make anybody send again. */
const AFTERMATH_MS = 60_000

export function countsOf({ ledger }: Pick<Run, 'ledger'>): Counts {
  const counts = { written: 0, wanted: 0, delivered: 0, duplicated: 0, deadLettered: 0, expired: 0, missing: 0 }
  for (const { written, deliveries, deadLetters, expired } of ledger.entries.values()) {
    if (written) counts.written++
    if (written?.wanted) counts.wanted++
    if (deliveries.length > 0) counts.delivered++
    counts.duplicated += Math.max(0, deliveries.length - 1)
    if (deadLetters.length > 0) counts.deadLettered++
    if (!written?.wanted || deliveries.length > 0 || deadLetters.length > 0) continue
    if (expired) counts.expired++
    else counts.missing++
  }
  return counts
}

/** Everything that is wrong with a run; empty when every property held. */
export function judge(record: Run): Violation[] {
  const violations = [...record.noticed]
  const report: Report = (property, what, entry) => {
    violations.push({ property, what, ...(entry && { entry }) })
  }
  const commitsOf = Map.groupBy(record.commits, ({ shard }) => shard)
  for (const entry of record.ledger.entries.values()) judgeEntry(entry, { ...record, commitsOf }, report)
  judgeCommits(record, report)
  judgeGivenUp(record, report)
  judgeLags(record, report)
  for (const { fault, hits } of record.injuries) if (hits === 0) report('unfired', fault)
  const { peakMemoryMb, memoryLimitMb } = record
  if (peakMemoryMb > memoryLimitMb) report('memory', `${peakMemoryMb} MB resident, ${memoryLimitMb} allowed`)
  return violations
}

/** A run, with its commits by shard. */
type Case = Run & { readonly commitsOf: ReadonlyMap<number, readonly Commit[]> }

type Report = (property: Property, what: string, entry?: Entry) => void

function judgeEntry(entry: Entry, record: Case, report: Report): void {
  const { serial, written, deliveries, deadLetters, expired } = entry
  if (!written) {
    report('invented', `${serial}: delivered, never written`)
    return
  }
  if (!written.wanted) {
    if (deliveries.length + deadLetters.length > 0) report('invented', `${serial}: the filter does not want it`)
    return
  }
  if (deliveries.length + deadLetters.length === 0 && !expired) {
    const passed = committedBy(record, written.shard, Number.POSITIVE_INFINITY) > written.position
    report(passed ? 'lost' : 'stuck', placed(serial, written), entry)
  }
  for (const deadLetter of deadLetters) {
    const { code, eventId, digest } = deadLetter
    if (eventId !== written.eventId || digest !== written.digest) {
      report('altered', `${serial}: in the dead letter, under ${eventId}`, entry)
    }
    if (code !== written.refusedFor && !refusedAll(deadLetter, record)) {
      report(
        'refused',
        `${serial}: for ${code}, and the SIEM said ${written.refusedFor ?? 'nothing against it'}`,
        entry,
      )
    }
  }
  for (const { digest, eventId } of deliveries) {
    if (digest !== written.digest) report('altered', `${serial}: other contents, or another time`)
    if (eventId !== written.eventId) report('altered', `${serial}: id ${eventId}, not ${written.eventId}`)
  }
  for (const delivery of deliveries) {
    if (trespassed(written, delivery, record)) {
      report('trespass', `${placed(serial, written)}: by ${delivery.replica} at ${delivery.at}`, entry)
    }
  }
  const inOrder = deliveries.toSorted((a, b) => a.at - b.at)
  for (const [i, second] of inOrder.entries()) {
    const first = inOrder[i - 1]
    if (first && !explained(written, first, second, record)) {
      const by = `by ${first.replica} at ${first.at}, by ${second.replica} at ${second.at}`
      report('repeated', `${placed(serial, written)}: ${by}`, entry)
    }
    const earlier = inOrder[i - MOST_COPIES]
    if (earlier && earlier.replica === second.replica && second.at - earlier.at < COPIES_MS) {
      report('endless', `${placed(serial, written)}: ${inOrder.length} times, by ${second.replica}`, entry)
    }
  }
}

/** Whether everything was refused when this event was. */
function refusedAll(deadLetter: DeadLetterSeen, { injuries }: Run): boolean {
  const at = keptAt(deadLetter, injuries)
  return injuries.some(({ may, from, to }) => may.includes('events refused') && from <= at && at <= to + ANSWER_MS)
}

/** The truth is the store's and the receiver's: what came to the shard by then, and had not left it. */
function judgeLags({ ledger, lags, injuries }: Run, report: Report): void {
  const written = [...ledger.entries.values()].filter((entry) => entry.written?.wanted && !entry.expired)
  const waits = written.map((entry) => {
    const { shard, receivedAt } = entry.written as Written
    const left = [...entry.deliveries.map(({ at }) => at), ...entry.deadLetters.map((each) => keptAt(each, injuries))]
    return { entry, shard, from: receivedAt + MOST_WAITING_MS, to: Math.min(Number.POSITIVE_INFINITY, ...left) }
  })
  const ofShard = Map.groupBy(
    waits.filter(({ from, to }) => from < to),
    ({ shard }) => shard,
  )
  for (const { at, replica, shard, seconds } of lags) {
    const waiting = ofShard.get(shard)?.find(({ from, to }) => from < at && at < to)
    if (!waiting) continue
    const { serial, written: place } = waiting.entry
    const said = `${replica} says ${seconds ?? 'nothing'} of shard ${shard} at ${at}`
    report('lag', `${said}, and ${placed(serial, place as Written)} waits`, waiting.entry)
  }
}

/** An acceptance may be known to the sender up to `ANSWER_MS` after the receiver. */
function judgeGivenUp({ ledger, injuries }: Run, report: Report): void {
  const entries = [...ledger.entries.values()]
  const accepted = new Map<string, number[]>()
  for (const { replica, at } of entries.flatMap(({ deliveries }) => deliveries).toSorted((a, b) => a.at - b.at)) {
    const times = accepted.get(replica) ?? []
    if (times.push(at) === 1) accepted.set(replica, times)
  }
  const given = entries.flatMap(({ deadLetters }) =>
    deadLetters.map((each) => ({ ...each, at: keptAt(each, injuries) })),
  )
  for (const [file, those] of Map.groupBy(given, (each) => `${each.replica} ${each.file}`)) {
    const inOrder = those.toSorted((a, b) => a.at - b.at)
    for (const [i, last] of inOrder.entries()) {
      const first = inOrder[i - MOST_GIVEN_UP]
      if (!first) continue
      const next = firstFrom(accepted.get(first.replica) ?? [], first.at - ANSWER_MS)
      if (next <= last.at) continue
      report('given up', `${file}: more than ${MOST_GIVEN_UP} between ${first.at} and ${last.at}`)
      break
    }
  }
}

/** Whether the sender was told that this delivery is safe, and when; `Infinity` if it never was. */
function acknowledgedAt({ at, request }: Delivery, ack: boolean): number {
  const { answer, ack: token } = request
  if (ack) return token?.toldAtMs ?? Number.POSITIVE_INFINITY
  if (answer.cut || answer.status === undefined) return Number.POSITIVE_INFINITY
  const accepted = answer.status === 200 && [0, 24, 25].includes(answer.code ?? -1)
  // The events before the named one were taken: the answer says so by its number.
  const prefix = [6, 7, 9, 12, 13, 15].includes(answer.code ?? -1)
  return accepted || prefix ? at : Number.POSITIVE_INFINITY
}

function explained(written: Written, first: Delivery, second: Delivery, record: Case): boolean {
  if (first.request === second.request) return false
  const told = acknowledgedAt(first, record.ack)
  if (told === Number.POSITIVE_INFINITY) return true
  // An acknowledgement that came after it had been waited for long enough came too late.
  if (told >= second.at && second.at - first.at >= record.ackTimeoutMs) return true
  return record.injuries.some((injury) => {
    const { replica, from, to, may } = injury
    if (from > second.at || second.at > to + AFTERMATH_MS) return false
    if (may.includes('cursor moves') && first.at <= to + record.leaseMs) return true
    if (replica !== undefined && replica !== first.replica) return false
    const overlaps = (at: number): boolean => from <= at + ANSWER_MS && at <= to + ANSWER_MS
    if (may.includes('answers lost') && (overlaps(first.at) || overlaps(told))) return true
    if (!may.includes('lease ends') || first.at > to + record.leaseMs) return false
    return committedBy(record, written.shard, from) <= written.position
  })
}

/** Position of the shard's checkpoint at an instant: everything before it was committed. */
function committedBy({ ledger, commitsOf }: Case, shard: number, at: number): number {
  const commits = commitsOf.get(shard) ?? []
  let [low, high] = [0, commits.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((commits[middle] as Commit).at <= at) low = middle + 1
    else high = middle
  }
  const commit = commits[low - 1]
  return commit ? ledger.positionOf(commit) : 0
}

/** The first of these times, which are in order, that is not before `from`; `Infinity` if there is none. */
function firstFrom(times: readonly number[], from: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] as number) < from) low = middle + 1
    else high = middle
  }
  return times[low] ?? Number.POSITIVE_INFINITY
}

function trespassed({ shard }: Written, { replica, request }: Delivery, record: Run): boolean {
  const at = request.receivedAtMs
  let holder: string | null = null
  for (const holding of record.holdings.get(shard) ?? []) {
    if (holding.at > at + HOLDER_MS) break
    // Whoever held it at any instant that may have been meant.
    if (holding.at < at - HOLDER_MS) holder = holding.holder
    else if (isOf(holding.holder, replica)) return false
  }
  if (isOf(holder, replica)) return false
  return !record.injuries.some(({ replica: hit, may, from, to }) => {
    if (from > at || (hit !== undefined && hit !== replica)) return false
    // A broken network, or a stalled receiver, held back bytes that were sent while the lease was good; the kernel tries
    // again at intervals that grow with the outage.
    if (may.includes('answers lost') && at <= to + 2 * (to - from) + 1_000) return true
    // Deleting a group ends every lease, and its holders learn of it with the next heartbeat.
    return may.includes('cursor moves') && at <= to + record.leaseMs
  })
}

/** Each start of a replica has a consumer name of its own: the replica's, a point, and a number. */
function isOf(consumer: string | null, replica: string): boolean {
  return consumer?.startsWith(`${replica}.`) === true
}

function judgeCommits(record: Run, report: Report): void {
  const { ledger, commits } = record
  // For each position of a shard, the log before it that was settled last.
  const settled = new Map<number, Array<{ at: number; entry?: Entry }>>()
  for (const [shard, groups] of ledger.groups) {
    let last: { at: number; entry?: Entry } = { at: 0 }
    const lasts = [last]
    for (const serials of groups) {
      for (const serial of serials) {
        const entry = ledger.entries.get(serial) as Entry
        const at = settledAt(entry, record)
        if (at > last.at) last = { at, entry }
      }
      lasts.push(last)
    }
    settled.set(shard, lasts)
  }
  for (const commit of commits) {
    const { shard, at, consumer, force } = commit
    if (force) report('forced', `shard ${shard} by ${consumer} at ${at}`)
    const due = settled.get(shard)?.[ledger.positionOf(commit)]
    if (due && due.at <= at) continue
    const early = due?.entry?.written ? placed(due.entry.serial, due.entry.written) : 'what nobody wrote'
    report('ahead', `shard ${shard} by ${consumer} at ${at}, before ${early} was settled at ${due?.at}`, due?.entry)
  }
}

function settledAt({ written, deliveries, deadLetters, expired }: Entry, { ack, injuries }: Run): number {
  if (!written?.wanted || expired) return 0
  const acknowledged = deliveries.map((delivery) => acknowledgedAt(delivery, ack))
  const kept = deadLetters.map((deadLetter) => keptAt(deadLetter, injuries))
  return Math.min(Number.POSITIVE_INFINITY, ...kept, ...acknowledged)
}

/** A dead letter is dated by its replica's own clock, which a fault may have set. */
function keptAt({ at, replica }: DeadLetterSeen, injuries: readonly Injury[]): number {
  const trueTimes = injuries.map(({ aheadMs, replica: hit, from, to }) => {
    if (aheadMs === undefined || hit !== replica) return at
    // It is noticed within a second, and so is its end.
    return from <= at - aheadMs && at - aheadMs <= to + 1_500 ? at - aheadMs : at
  })
  return Math.min(at, ...trueTimes)
}

function placed(serial: string, { shard, position }: Written): string {
  return `${serial} (shard ${shard}, group ${position})`
}
