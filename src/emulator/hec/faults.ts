import type { FaultAction, FaultRule } from '../fault-rule.ts'
import { anything, whole, yesOrNo } from '../fault-rule.ts'
import type { FaultScriptOptions } from '../faults.ts'
import { FaultScript } from '../faults.ts'
import type { EventScript } from './collector.ts'
import type { HecReply } from './response.ts'
import { HEC_CODES, hecReply, htmlReply, JSON_TYPE } from './response.ts'

/**
 * What a fault can do to a HEC request, beyond what both servers know. A `code` is HEC's own and brings its status and
 * text. A `status` alone answers HTML, as a load balancer would. `headers` alone change the true answer, and may lie
 * about its `content-length`. `cut: 'after'` loses the answer after the events were indexed and the ack ids issued.
 */
export interface HecAction extends FaultAction, EventScript {
  code?: number
  /** Do the work first (index, issue ack ids, tell acks), then give the scripted answer instead of the true one. */
  index?: boolean
  /** Lose every channel and ack id before the request is looked at. */
  forgetAcks?: boolean
}

/**
 * Rules match `endpoint` (event, raw, ack, health), `path`, `method`, `channel`, `encoding`, `host` (the `Host` header), and the
 * inflated body: `contains` and `endsWith`. While there is a rule about bodies, each body is read before any rule acts.
 */
export type HecFaultRule = FaultRule<HecAction>

const OF_BODIES = ['contains', 'endsWith']
const ATTRIBUTES = ['endpoint', 'path', 'method', 'channel', 'encoding', 'host', ...OF_BODIES]
const ENDPOINTS = ['event', 'raw', 'ack', 'health']
const NUMBER = whole(0, Number.MAX_SAFE_INTEGER)
const ACTIONS = {
  code: NUMBER,
  index: yesOrNo,
  forgetAcks: yesOrNo,
  accept: NUMBER,
  refuse: { allows: isRefusal, allowed: 'an object with an index or contains' },
  // Anything that JSON can carry, so that a fault can lie.
  number: anything,
}

export class HecFaults extends FaultScript<HecAction> {
  /** @internal */
  constructor(options: FaultScriptOptions<HecAction>) {
    super({ attributes: ATTRIBUTES, actions: ACTIONS, refuse }, options)
  }

  /** @internal */
  get lookAtBodies(): boolean {
    return this.asks(...OF_BODIES)
  }

  /** A rule about the events of a body looks at `/event` requests only, or a poll for acks would use it up. */
  override add(...rules: readonly HecFaultRule[]): string[] {
    return super.add(
      ...rules.map((rule) =>
        isEventScript(rule?.action) ? { ...rule, match: { endpoint: 'event', ...rule.match } } : rule,
      ),
    )
  }
}

export function isEventScript(action: HecAction | undefined): action is HecAction {
  return action?.accept !== undefined || action?.refuse !== undefined
}

/** The answer a rule gives instead of the true one, if it gives one. */
export function scriptedReply(action: HecAction): HecReply | undefined {
  const { status, code, body, message, number, headers } = action
  if (isEventScript(action) || (status === undefined && code === undefined && body === undefined)) return undefined
  const extra = headers ? { headers } : {}
  if (body !== undefined) {
    const type = body.trimStart().startsWith('<') ? 'text/html; charset=UTF-8' : JSON_TYPE
    const known = code === undefined ? {} : { code }
    return { status: status ?? HEC_CODES[code ?? 0]?.[0] ?? 400, ...known, body, type, ...extra }
  }
  if (code === undefined) return { ...htmlReply(status ?? 500, message ?? 'Scripted', message ?? ''), ...extra }
  const reply = hecReply(code, {
    ...(status === undefined ? {} : { status }),
    ...(message === undefined ? {} : { text: message }),
    ...(number === undefined || number === 'none' ? {} : { invalidEventNumber: number }),
  })
  return { ...reply, ...extra }
}

function isRefusal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { index = 0, contains = '' } = value as Record<string, unknown>
  return NUMBER.allows(index) && typeof contains === 'string'
}

function refuse({ match }: HecFaultRule): string | undefined {
  const endpoint = [match?.['endpoint'] ?? []].flat().find((name) => !ENDPOINTS.includes(String(name)))
  return endpoint === undefined ? undefined : `unknown endpoint ${endpoint}, known are ${ENDPOINTS.join(', ')}`
}
