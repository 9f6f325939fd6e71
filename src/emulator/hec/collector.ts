import type { AckLimits, AckRecord } from './acks.ts'
import { AckChannels } from './acks.ts'
import type { HecAnswer, HecIndex, IndexedRequest } from './index.ts'
import type { EnvelopeDefaults, Lines } from './lines.ts'
import { LineBuilder, rawLines } from './lines.ts'
import type { Envelope } from './parser.ts'
import { EnvelopeReader, judge } from './parser.ts'
import type { QueueLevel, QueueOptions } from './queue.ts'
import { InputQueue } from './queue.ts'
import type { HecReply } from './response.ts'
import { hecReply, jsonReply } from './response.ts'
import type { Authorization, TokenState } from './tokens.ts'

/** An event that is refused for good, in every request, until the rule is removed. */
export interface RefuseRule {
  /** Text that occurs in the envelope as it was sent. */
  contains: string
  /** Default 6. */
  code?: number
  /** A false `invalid-event-number`; `none` leaves it out. Default: the true one. */
  number?: unknown
}

/** The state of the rest of splunkd, as far as a sender notices it. */
export interface Condition {
  /** How full the input queue is; set to null it is simulated again. Answers never say null. */
  queue: QueueLevel | null
  ackService: 'ok' | 'down'
  shuttingDown: boolean
  /** From acceptance to acknowledgement; null never acknowledges. */
  ackDelayMs: number | null
}

/** How a scripted fault changes the handling of one `/event` body. */
export interface EventScript {
  /** Stop before this object, as a queue does that fills up there. */
  accept?: number
  /** Refuse the object with this number, or the first that contains this text. */
  refuse?: { index?: number; contains?: string }
  /** Default 9 with `accept`, 6 with `refuse`. */
  code?: number
  /** As in `RefuseRule`. */
  number?: unknown
}

export interface CollectorOptions {
  index: HecIndex
  /** Milliseconds from acceptance to acknowledgement; Infinity never acknowledges. Default 0. */
  ackDelayMs?: number
  /** Limits of channels and ack ids. Default: Splunk's own. */
  ackLimits?: AckLimits
  /** Bytes of one event. Default 5 MiB (`maxEventSize`). */
  maxEventSize?: number
  /** `warn_at_80` answers 200/24, 200/25, 429/26 and 429/27 where `off` (default) answers 200/0 and 503/9. */
  backpressure?: 'off' | 'warn_at_80'
  /** A queue that fills up and drains. Default: no limit. */
  queue?: QueueOptions
  /** Whether a busy queue says how far it got. Default true. */
  busyNumber?: boolean
  /** Code for a missing channel: 10 (Enterprise, default) or 28 (Splunk Cloud). */
  channelCode?: 10 | 28
  /** Events to refuse for good. */
  refuse?: readonly RefuseRule[]
  /** Events on ack tokens are indexed only when they become acknowledgeable; a restart loses those that did not. */
  loseUnackedOnRestart?: boolean
  /** Only count bytes and lines. */
  discard?: boolean
}

/** One authorized request with its whole body. */
export interface CollectorRequest {
  path: string
  query: URLSearchParams
  /** The `Host` header: the default `host` of events, as in splunkd. */
  authority: string
  token: TokenState
  channel: string | undefined
  body: Buffer
  script?: EventScript | undefined
  /** Filled in by the HTTP layer when the answer leaves. */
  answer?: HecAnswer
}

interface Refusal {
  code: number
  number: unknown
}

const CONDITIONS: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ['queue', (value: unknown) => value === null || value === 'ok' || value === 'warn' || value === 'full'],
  ['ackService', (value: unknown) => value === 'ok' || value === 'down'],
  ['shuttingDown', (value: unknown) => typeof value === 'boolean'],
  ['ackDelayMs', (value: unknown) => value === null || (typeof value === 'number' && value >= 0)],
])
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const TIME = /^\d+(\.\d+)?$/

/** The part of splunkd behind its HTTP layer: channels, envelopes, prefix semantics, queue, acknowledgement, health. */
export class HecCollector {
  readonly acks: AckChannels
  readonly queue: InputQueue
  readonly refuse: RefuseRule[]
  #ackService: Condition['ackService'] = 'ok'
  #shuttingDown = false
  readonly #options: CollectorOptions
  readonly #staged = new Set<{ lines: Lines; request: IndexedRequest; dueAtMs: number }>()

  constructor(options: CollectorOptions) {
    this.#options = options
    this.acks = new AckChannels(options.ackDelayMs ?? 0, options.ackLimits)
    this.queue = new InputQueue(options.queue)
    this.refuse = [...(options.refuse ?? [])]
  }

  /** The output can't be written: nothing is indexed any more. */
  get failed(): boolean {
    return this.#options.index.failure !== undefined
  }

  get shuttingDown(): boolean {
    return this.#shuttingDown
  }

  /** Sets the conditions that are given and returns all of them. Throws a TypeError on an unknown name or value. */
  condition(given: Partial<Condition>): Condition {
    const wrong = Object.entries(given).find(([name, value]) => !CONDITIONS.get(name)?.(value))
    if (wrong) throw new TypeError(`there is no condition ${wrong[0]}: ${JSON.stringify(wrong[1])}`)
    const { queue, ackService, shuttingDown, ackDelayMs } = given
    if (queue !== undefined) this.queue.forced = queue ?? undefined
    this.#ackService = ackService ?? this.#ackService
    this.#shuttingDown = shuttingDown ?? this.#shuttingDown
    if (ackDelayMs !== undefined) this.acks.delayMs = ackDelayMs ?? Infinity
    const { delayMs } = this.acks
    return {
      queue: this.queue.level,
      ackService: this.#ackService,
      shuttingDown: this.#shuttingDown,
      ackDelayMs: Number.isFinite(delayMs) ? delayMs : null,
    }
  }

  /** The refusal a token with ack earns before its body is looked at. */
  channelProblem(token: TokenState, channel: string | undefined): HecReply | undefined {
    if (!token.ack) return undefined
    if (!channel) return hecReply(this.#options.channelCode ?? 10)
    return GUID.test(channel) ? undefined : hecReply(11)
  }

  async event(request: CollectorRequest): Promise<HecReply> {
    const full = this.#atCapacity(request)
    if (full) return full
    if (this.#options.discard) return this.#discard(request)
    const defaults = this.#defaults(request)
    if (!defaults) return hecReply(6, { invalidEventNumber: 0 })
    const reader = new EnvelopeReader(request.body)
    const lines = new LineBuilder(request.body, defaults)
    let refusal: Refusal | undefined
    let objects = 0
    for (let step = reader.next(); step !== 'end' && step !== 'unknown_key'; step = reader.next()) {
      const { envelope } = reader
      refusal = step === 'malformed' ? { code: 6, number: objects } : this.#refusal(request, envelope, objects)
      if (refusal) break
      if (envelope.eventKind || envelope.metric) lines.add(envelope)
      objects += 1
    }
    if (!refusal && objects === 0) return hecReply(5)
    const ack = refusal || !request.token.ack ? undefined : this.acks.issue(request.token.token, request.channel ?? '')
    if (lines.count > 0) await this.#commit(lines.build(), request, ack)
    if (refusal) return hecReply(refusal.code, { invalidEventNumber: refusal.number })
    return this.#accepted(request, ack)
  }

  async raw(request: CollectorRequest): Promise<HecReply> {
    const full = this.#atCapacity(request)
    if (full) return full
    if (this.#options.discard) return this.#discard(request)
    const defaults = this.#defaults(request)
    if (!defaults) return hecReply(6)
    if (!isAllowed(request.token, defaults.index)) return hecReply(7)
    const lines = rawLines(request.body, defaults)
    if (!lines) return hecReply(5)
    if (!this.queue.offer(lines.bytes.length)) return hecReply(this.#busyCode())
    const ack = request.token.ack ? this.acks.issue(request.token.token, request.channel ?? '') : undefined
    await this.#commit(lines, request, ack)
    return this.#accepted(request, ack)
  }

  async ack({ token, channel, body }: CollectorRequest): Promise<HecReply> {
    if (!token.ack) return hecReply(14)
    if (body.length === 0) return hecReply(5)
    const ids = ackIds(body)
    if (!ids) return hecReply(6)
    await this.indexDue()
    return jsonReply(200, { acks: this.acks.query(token.token, channel ?? '', ids) })
  }

  health(authorization: Authorization | undefined, withAck: boolean): HecReply {
    if (this.#shuttingDown) return hecReply(23)
    if (authorization === 1) return hecReply(22)
    if (typeof authorization === 'number') return hecReply(authorization === 16 ? 16 : 21)
    const full = this.queue.level === 'full'
    const down = withAck && this.#ackService === 'down'
    if (full && down) return hecReply(20)
    if (full) return hecReply(18)
    return hecReply(down ? 19 : 17)
  }

  /** Events that wait for their acknowledgement are indexed as soon as they may be acknowledged. */
  async indexDue(now = Date.now()): Promise<void> {
    for (const staged of this.#staged) {
      if (staged.dueAtMs > now) continue
      this.#staged.delete(staged)
      await this.#options.index.append(staged.lines, staged.request)
    }
  }

  /** Forgets channels and acks, and loses what `loseUnackedOnRestart` held back. */
  async restart(): Promise<void> {
    await this.indexDue()
    this.#staged.clear()
    this.acks.forget()
  }

  #refusal(request: CollectorRequest, envelope: Envelope, at: number): Refusal | undefined {
    const { body, script, token } = request
    if (script?.accept === at) return { code: script.code ?? 9, number: numberOf(script, at) }
    const scripted = this.#scripted(request, envelope, at)
    if (scripted) {
      const code = scripted.code ?? 6
      return { code, number: numberOf(scripted, code === 7 ? at + 1 : at) }
    }
    const verdict = judge(body, envelope, this.#options.maxEventSize ?? 5 * 1024 * 1024)
    if (typeof verdict === 'number') return { code: verdict, number: at }
    if (verdict === 'skip') return undefined
    // Splunk names the object after the one with the bad index.
    if (!isAllowed(token, this.#indexOf(request, envelope))) return { code: 7, number: at + 1 }
    if (this.queue.offer(envelope.end - envelope.start)) return undefined
    return { code: this.#busyCode(), number: this.#options.busyNumber === false ? undefined : at }
  }

  #scripted({ body, script }: CollectorRequest, envelope: Envelope, at: number): RefuseRule | EventScript | undefined {
    if (!script?.refuse && this.refuse.length === 0) return undefined
    const text = body.subarray(envelope.start, envelope.end)
    const contains = (part: string | undefined) => part !== undefined && part !== '' && text.includes(part)
    if (script?.refuse && (script.refuse.index === at || contains(script.refuse.contains))) return script
    return this.refuse.find((rule) => contains(rule.contains))
  }

  #indexOf(request: CollectorRequest, { indexStart, indexEnd }: Envelope): string {
    if (indexEnd === 0) return request.query.get('index') || request.token.index
    const index = JSON.parse(request.body.toString('utf8', indexStart, indexEnd)) as string
    return index || request.token.index
  }

  #defaults({ query, token, authority }: CollectorRequest): EnvelopeDefaults | undefined {
    const time = query.get('time') ?? (Date.now() / 1000).toFixed(3)
    if (!TIME.test(time)) return undefined
    return {
      time,
      host: query.get('host') || token.host || authority,
      source: query.get('source') || token.source,
      sourcetype: query.get('sourcetype') || token.sourcetype,
      index: query.get('index') || token.index,
    }
  }

  #atCapacity({ token, channel }: CollectorRequest): HecReply | undefined {
    if (this.queue.forced === 'full') return hecReply(this.#busyCode())
    if (!token.ack || this.acks.room(token.token, channel ?? '') !== 'full') return undefined
    return hecReply(this.#warns ? 27 : 9)
  }

  get #warns(): boolean {
    return this.#options.backpressure === 'warn_at_80'
  }

  #busyCode(): number {
    return this.#warns ? 26 : 9
  }

  #accepted({ token, channel }: CollectorRequest, ack: AckRecord | undefined): HecReply {
    const extras = ack ? { ackId: ack.ackId } : {}
    if (this.#warns && this.queue.level !== 'ok') return hecReply(24, extras)
    const near = ack && this.acks.room(token.token, channel ?? '') !== 'free'
    return hecReply(this.#warns && near ? 25 : 0, extras)
  }

  async #commit(lines: Lines, given: CollectorRequest, ack: AckRecord | undefined): Promise<void> {
    const { path, token, answer = {} } = given
    const request: IndexedRequest = {
      ...{ path, token: token.name, receivedAtMs: Date.now(), answer },
      ...(ack ? { ack } : {}),
    }
    if (!ack || !this.#options.loseUnackedOnRestart) return this.#options.index.append(lines, request)
    this.#staged.add({ lines, request, dueAtMs: ack.ackedAtMs ?? Infinity })
    if (!Number.isFinite(this.acks.delayMs)) return undefined
    // A failing output is reported by the index itself, which then fails every request.
    setTimeout(() => void this.indexDue().catch(() => undefined), this.acks.delayMs + 1).unref()
    return undefined
  }

  #discard(request: CollectorRequest): HecReply {
    const { body, token } = request
    let events = body.length > 0 && body.at(-1) !== 0x0a ? 1 : 0
    for (let at = body.indexOf(0x0a); at !== -1; at = body.indexOf(0x0a, at + 1)) events += 1
    if (events === 0) return hecReply(5)
    this.#options.index.count(events, body.length)
    return this.#accepted(request, token.ack ? this.acks.issue(token.token, request.channel ?? '') : undefined)
  }
}

function numberOf(rule: { number?: unknown }, truth: number): unknown {
  if (rule.number === 'none') return undefined
  return rule.number === undefined ? truth : rule.number
}

function isAllowed(token: TokenState, index: string): boolean {
  return !token.indexes || token.indexes.has(index)
}

function ackIds(body: Buffer): number[] | undefined {
  let query: unknown
  try {
    query = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
  const acks = typeof query === 'object' && query !== null && 'acks' in query ? query.acks : undefined
  return Array.isArray(acks) && acks.every((id) => Number.isInteger(id)) ? acks : undefined
}
