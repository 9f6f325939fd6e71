/**
 * Remote control of a receiver, on its own port under `/_receiver/…`, without a token, for programs of this
 * machine:
 *
 * | request | does |
 * |---|---|
 * | GET state | the counts, as JSON |
 * | GET events?since=N | kept envelopes from number N on, one JSON object a line; header `X-Receiver-Next` holds the next N. `&detail=true` wraps each: `{seq, path, token, receivedAtMs, answer, ack?, envelope}` |
 * | GET, POST, DELETE faults | list rules with their counters and what has not fired, add one rule or an array, remove all |
 * | GET, POST, DELETE refuse | the same for events refused for good: `{contains, code?, number?}` |
 * | POST token | `{token?, disabled?, ack?}` for the first token or the one named |
 * | POST condition | `{queue?: "ok"\|"warn"\|"full"\|null, ackService?: "ok"\|"down", shuttingDown?, ackDelayMs?: number\|null}`; a null queue is simulated again, a null delay never acknowledges |
 * | POST restart, stall, resume, clear | as the methods of `HecReceiver` |
 */
import type { IncomingMessage } from 'node:http'
import { readBody } from './body.ts'
import type { Condition, HecCollector, RefuseRule } from './collector.ts'
import type { HecFaultRule, HecFaults } from './faults.ts'
import type { HecIndex, IndexedEvent } from './index.ts'
import type { HecReply } from './response.ts'
import { jsonReply } from './response.ts'
import type { HecTokens, TokenChange } from './tokens.ts'

/** The parts of a receiver that can be controlled. */
export interface Controlled {
  readonly faults: HecFaults
  readonly tokens: HecTokens
  readonly collector: HecCollector
  readonly index: HecIndex
  readonly receiver: { state(): object; restart(): Promise<void>; stall(): void; resume(): void; clear(): void }
}

const MAX_BODY = 1_000_000

export async function answerAdmin(parts: Controlled, request: IncomingMessage, url: URL): Promise<HecReply> {
  const route = `${request.method} ${url.pathname.slice('/_receiver/'.length)}`
  if (route === 'GET state') return jsonReply(200, parts.receiver.state())
  if (route === 'GET events') return events(parts.index, url.searchParams)
  const body = await readBody(request, MAX_BODY)
  if (!Buffer.isBuffer(body)) return jsonReply(400, { error: `the body is ${body}` })
  try {
    const given: unknown = body.length === 0 ? {} : JSON.parse(body.toString('utf8'))
    if (typeof given !== 'object' || given === null)
      return jsonReply(400, { error: 'the body must be an object or an array' })
    return await control(parts, route, given as Record<string, unknown>)
  } catch (error) {
    return jsonReply(400, { error: (error as Error).message })
  }
}

function events(index: HecIndex, query: URLSearchParams): HecReply {
  if (!index.kept) return jsonReply(409, { error: 'this receiver does not keep events (keep: false)' })
  const since = Number(query.get('since') ?? 0)
  const describe = query.get('detail') === 'true' ? detail : (event: IndexedEvent) => event.line
  const lines = index.since(Number.isInteger(since) && since > 0 ? since : 0).map(describe)
  const body = lines.length === 0 ? '' : `${lines.join('\n')}\n`
  return { status: 200, body, type: 'application/x-ndjson', headers: { 'X-Receiver-Next': String(index.events) } }
}

function detail({ seq, request, line }: IndexedEvent): string {
  return `${JSON.stringify({ seq, ...request }).slice(0, -1)},"envelope":${line}}`
}

async function control(parts: Controlled, route: string, given: Record<string, unknown>): Promise<HecReply> {
  const { faults, tokens, collector, receiver } = parts
  switch (route) {
    case 'GET faults':
      break
    case 'POST faults':
      faults.add(...listOf<HecFaultRule>(given))
      break
    case 'DELETE faults':
      faults.clear()
      break
    case 'GET refuse':
      return jsonReply(200, { refuse: collector.refuse })
    case 'POST refuse':
      collector.refuse.push(...listOf<RefuseRule>(given).map(checkedRefusal))
      return jsonReply(200, { refuse: collector.refuse })
    case 'DELETE refuse':
      collector.refuse.length = 0
      return jsonReply(200, { refuse: [] })
    case 'POST token':
      return setToken(tokens, given as TokenChange)
    case 'POST condition':
      return jsonReply(200, collector.condition(given as Partial<Condition>))
    case 'POST restart':
      setImmediate(() => void receiver.restart())
      return jsonReply(200, {})
    case 'POST stall':
    case 'POST resume':
    case 'POST clear':
      receiver[route.slice('POST '.length) as 'stall' | 'resume' | 'clear']()
      return jsonReply(200, {})
    default:
      return jsonReply(404, { error: `no such control: ${route}` })
  }
  return jsonReply(200, { rules: faults.list(), unfired: faults.unfired() })
}

function listOf<T>(given: unknown): T[] {
  return (Array.isArray(given) ? given : [given]) as T[]
}

function checkedRefusal(rule: RefuseRule): RefuseRule {
  if (typeof rule.contains !== 'string' || rule.contains === '')
    throw new Error('refuse needs a text: {"contains": "…"}')
  if (rule.code !== undefined && !Number.isInteger(rule.code)) throw new Error('code must be a number')
  return rule
}

function setToken(tokens: HecTokens, given: TokenChange): HecReply {
  const wrong = [given.disabled, given.ack].some((value) => value !== undefined && typeof value !== 'boolean')
  if (wrong) return jsonReply(400, { error: 'disabled and ack must be true or false' })
  if (!tokens.find(given.token)) return jsonReply(404, { error: 'no such token' })
  const { name, disabled, ack } = tokens.change(given)
  return jsonReply(200, { name, disabled, ack })
}
