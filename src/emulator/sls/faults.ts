import type { FaultAction, FaultRule } from '../fault-rule.ts'
import { oneOf, whole, yesOrNo } from '../fault-rule.ts'
import type { FaultScriptOptions } from '../faults.ts'
import { FaultScript } from '../faults.ts'
import type { SlsCall, SlsReply } from './call.ts'
import { errorReply, SLS_APIS } from './call.ts'
import { SlsRefusal, STATUS_OF_CODE } from './refusal.ts'

export interface SlsFaultAction extends FaultAction {
  /**
   * Damage the answer to a pull: `flip` makes its body undecodable, `truncate` sends half, `rawsize` and `count` announce
   * one too many; an empty pull has nothing to damage there and announces one log group instead. `cursor` gives the cursor
   * that was asked for as the next one.
   */
  corrupt?: 'flip' | 'truncate' | 'rawsize' | 'count' | 'cursor'
  /** Answers 500; the request is not handled. */
  drop?: boolean
  /** 403 WriteQuotaExceed for PutLogs, ReadQuotaExceed for anything else. */
  quota?: boolean
  /** The server's clock is this far ahead while it looks at the request (behind if negative). */
  clockSkewMs?: number
}

export type SlsFaultRule = FaultRule<SlsFaultAction>

/** `consumer`, `force` and `checkpoint` match only requests that have them. */
const ATTRIBUTES = 'api method project logstore shard group consumer force checkpoint'.split(' ')
/** A century: no date that can't be written comes of it. */
const MAX_SKEW_MS = 3_155_760_000_000
const ACTIONS = {
  corrupt: oneOf('flip', 'truncate', 'rawsize', 'count', 'cursor'),
  drop: yesOrNo,
  quota: yesOrNo,
  clockSkewMs: whole(-MAX_SKEW_MS, MAX_SKEW_MS),
}

export class SlsFaults extends FaultScript<SlsFaultAction> {
  /** @internal */
  constructor(options: FaultScriptOptions<SlsFaultAction>) {
    super({ attributes: ATTRIBUTES, actions: ACTIONS, refuse }, options)
  }
}

function refuse({ match }: SlsFaultRule): string | undefined {
  const apis: readonly string[] = SLS_APIS
  const api = [match?.['api'] ?? []].flat().find((name) => !apis.includes(String(name)))
  return api === undefined ? undefined : `unknown api ${api}, known are ${SLS_APIS.join(', ')}`
}

export function attributesOf(call: SlsCall): Record<string, unknown> {
  const { api, method, project, logstore, group, query } = call
  const consumer = query.get('consumer')
  const attributes: Record<string, unknown> = { api, method, project, logstore, group, consumer }
  if (!Number.isNaN(call.shard)) attributes['shard'] = call.shard
  if (query.has('shard')) attributes['shard'] = query.get('shard')
  if (api === 'ConsumerGroupUpdateCheckPoint') {
    attributes['force'] = (query.get('forceSuccess') ?? 'false').toLowerCase() === 'true'
    Object.assign(attributes, checkpointOf(call.body))
  }
  return attributes
}

function checkpointOf(body: Buffer): { shard?: unknown; checkpoint?: string } {
  try {
    const { shard, checkpoint } = Object(JSON.parse(body.toString())) as Record<string, unknown>
    return {
      ...(['number', 'string'].includes(typeof shard) && { shard }),
      ...(typeof checkpoint === 'string' && { checkpoint }),
    }
  } catch {
    // Malformed on purpose or not: the handler will say so; such a request just has no shard to match.
    return {}
  }
}

/** The answer an action gives instead of handling the request; undefined if the request is to be handled. */
export function scriptedReply(action: SlsFaultAction, call: SlsCall): SlsReply | undefined {
  if (action.drop) return errorReply(new SlsRefusal('InternalServerError', 'the request was dropped (scripted fault)'))
  const quota = call.api === 'PutLogs' ? 'WriteQuotaExceed' : 'ReadQuotaExceed'
  const code = action.quota ? quota : action.code
  if (code === undefined && action.status === undefined && action.body === undefined) return undefined
  const known = code === undefined ? undefined : STATUS_OF_CODE[String(code)]
  const status = action.status ?? known ?? (code === undefined ? 200 : 400)
  const message = action.message ?? 'scripted fault'
  const fallback = status === 200 ? { status, headers: {}, body: Buffer.alloc(0) } : undefined
  const reply = fallback ?? errorReply({ status, code: String(code ?? codeOf(status)), message })
  return {
    status,
    headers: { ...reply.headers, ...action.headers },
    body: action.body === undefined ? reply.body : Buffer.from(action.body),
  }
}

function codeOf(status: number): string {
  if (status === 503) return 'ServerBusy'
  return status >= 500 ? 'InternalServerError' : 'ParameterInvalid'
}

export function damaged(reply: SlsReply, corrupt: NonNullable<SlsFaultAction['corrupt']>, call: SlsCall): SlsReply {
  const headers = { ...reply.headers }
  if (corrupt === 'cursor') {
    return { ...reply, headers: { ...headers, 'x-log-cursor': call.query.get('cursor') ?? '' } }
  }
  const raise = (name: string) => {
    headers[name] = String(Number(headers[name] ?? 0) + 1)
  }
  if (corrupt === 'rawsize' && reply.body.length > 0) {
    raise('x-log-bodyrawsize')
    return { ...reply, headers }
  }
  if (corrupt === 'count' || reply.body.length === 0) {
    raise('x-log-count')
    return { ...reply, headers }
  }
  if (corrupt === 'truncate') return { ...reply, body: reply.body.subarray(0, reply.body.length >> 1) }
  const body = Buffer.from(reply.body)
  // An LZ4 block that begins with a match reaches back before its start; a zstd frame loses its magic number.
  body[0] = (body[0] as number) & 0x0f
  return { ...reply, body }
}
