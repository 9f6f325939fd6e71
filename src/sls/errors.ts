import type { FaultDetails, FaultKind } from '../core/errors.ts'
import { Fault } from '../core/errors.ts'
import { beginningOf } from '../core/text.ts'
import { described, proxyFault, tlsAdvice, tlsMessage } from '../net/network-fault.ts'
import { ProxyFailed } from '../net/proxy.ts'
import { retryAfterMs } from '../net/retry-after.ts'
import { tlsProblem } from '../net/tls.ts'

/**
 * What an error answer of Log Service asks of the client:
 * - `retry`, `throttle`: later, with backoff; throttled calls wait at least a second.
 * - `configuration`: nothing changes until the operator acts on the advice.
 * - `lost_shard`: the shard is held by someone else → stop, commit nothing.
 * - `register_again`: the group has forgotten this consumer → drop every shard, then an empty heartbeat.
 * - `group_missing`: the consumer group was deleted → as above, after creating it again.
 * - `group_exists`: another replica created it first → fine, compare its settings.
 * - `invalid_cursor`: expired or malformed → the policy for expired cursors decides.
 * - `shard_gone`: a read-only shard aged out → drop it.
 */
export type SlsReaction =
  | 'retry'
  | 'throttle'
  | 'configuration'
  | 'lost_shard'
  | 'register_again'
  | 'group_missing'
  | 'group_exists'
  | 'invalid_cursor'
  | 'shard_gone'

const KINDS: Record<SlsReaction, FaultKind> = {
  retry: 'transient',
  throttle: 'transient',
  configuration: 'configuration',
  lost_shard: 'lease',
  register_again: 'lease',
  group_missing: 'lease',
  group_exists: 'transient',
  // Without a policy that says where to resume, only an operator may skip data.
  invalid_cursor: 'configuration',
  shard_gone: 'lease',
}

/** An error answer of Log Service; `kind` follows from the reaction. Other failures of a call are plain Faults. */
export class SlsError extends Fault {
  readonly reaction: SlsReaction

  constructor(reaction: SlsReaction, message: string, details: FaultDetails) {
    super(KINDS[reaction], message, details)
    this.name = 'SlsError'
    this.reaction = reaction
  }
}

/** API names as the service documents them, with the RAM action each needs. */
export const RAM_ACTIONS = {
  ListConsumerGroup: 'log:ListConsumerGroup',
  CreateConsumerGroup: 'log:CreateConsumerGroup',
  UpdateConsumerGroup: 'log:UpdateConsumerGroup',
  ConsumerGroupHeartBeat: 'log:ConsumerGroupHeartBeat',
  GetCheckPoint: 'log:GetConsumerGroupCheckPoint',
  ConsumerGroupUpdateCheckPoint: 'log:ConsumerGroupUpdateCheckPoint',
  ListShards: 'log:ListShards',
  GetCursor: 'log:GetCursorOrData',
  GetCursorTime: 'log:GetCursorOrData',
  PullLogs: 'log:GetCursorOrData',
} as const
export type SlsApi = keyof typeof RAM_ACTIONS

export interface CallContext {
  api: SlsApi
  project: string
  logstore: string
  /** Value of the Host header. */
  host: string
  /** As `SLS_CREDENTIALS` names where the credentials come from; absent for an access key pair. */
  credentialsChoice?: string
  /** As SLS_EXPIRED_CURSOR says, so that nothing is advised that is set. */
  expiredCursor?: 'begin' | 'fail'
}

/** An answer whose status is not 200. */
export interface ErrorAnswer {
  status: number
  header: (name: string) => string | undefined
  /** The body or the beginning of it, without secrets. */
  text: string
  /** Our clock when the answer came, in milliseconds since the epoch. */
  receivedAt: number
}

interface AdviceContext extends CallContext {
  answer: ErrorAnswer
}
type Advice = (context: AdviceContext) => string

const clock: Advice = ({ answer }) => {
  const server = serverTime(answer.header)
  const skew = server === undefined ? undefined : Math.round((answer.receivedAt - server) / 1000)
  const seen =
    skew === undefined
      ? ''
      : skew === 0
        ? 'It agrees with the server now. '
        : `It is ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} the server's. `
  return `Synchronise this machine's clock (NTP); Log Service accepts 15 minutes of difference. ${seen}`.trim()
}
/** Advice about a typing mistake fits only an access key pair: other sources give credentials that no one types. */
const given =
  (ofPair: string): Advice =>
  ({ credentialsChoice: from = 'access_key' }) =>
    from === 'access_key'
      ? ofPair
      : `Look at what SLS_CREDENTIALS=${from} gives: Log Service refuses it, and the source is asked again.`
const keyId = given('Check SLS_AK_ID: the access key does not exist, is disabled, or was cut when copied.')
const keySecret = given(
  "Check that SLS_AK_KEY belongs to SLS_AK_ID. If SLS_REGION is set, check that it is the project's region.",
)
const token = given('Renew SLS_STS_TOKEN together with its access key pair: the temporary credentials have expired.')
const permission: Advice = ({ api, project, logstore }) =>
  `Grant the RAM user or role ${RAM_ACTIONS[api]} on acs:log:*:*:project/${project}/logstore/${logstore} and ` +
  'below it (/*); a wrong or expired STS token is refused this way too.'
const project: Advice = (context) =>
  `Check SLS_PROJECT (${context.project}) and that SLS_ENDPOINT is the endpoint of its region (asked: ${context.host}).`
const logstore: Advice = (context) =>
  `Check SLS_LOGSTORE: project ${context.project} has no logstore ${context.logstore}.`
const endpoint: Advice = ({ host }) => `Check SLS_ENDPOINT and proxies in between (asked: ${host}).`
const arrears: Advice = (context) =>
  `Project ${context.project} is disabled: settle overdue payments of the account, or enable it in the console.`
const quota: Advice = () =>
  'A quota of the project is used up: raise it in the console (Quota Center) or free some of it.'
const groupQuota: Advice = ({ logstore: name }) =>
  `Logstore ${name} has all the consumer groups it may have (30; 10 to 20 where older limits apply): delete unused ones ` +
  'in the console or with DeleteConsumerGroup, or set SLS_CG to an existing group.'
const parameter: Advice = ({ api }) =>
  api === 'PullLogs'
    ? 'Check SLS_QUERY (SPL the service must understand) and SLS_FETCH_COUNT (1 to 1000).'
    : 'Check SLS_CG and SLS_CONSUMER (lower-case letters, digits, - and _), and SLS_START.'
const method: Advice = () =>
  'Check SLS_ENDPOINT, SLS_LOGSTORE and SLS_CG: together they make an address the service lacks.'
const malformed: Advice = () =>
  'The service cannot read the request: look for a proxy that changes it; without one, report it with the request id.'
const unknown: Advice = ({ api }) =>
  `Act on the service's text: it refuses ${api} for a reason this program does not know.`
const cursorPolicy: Advice = ({ expiredCursor }) =>
  expiredCursor === 'begin'
    ? 'The position has expired or is malformed: a replica resumes at the oldest log retained (SLS_EXPIRED_CURSOR=begin).'
    : 'The position has expired or is malformed: set SLS_EXPIRED_CURSOR=begin to resume at the oldest log retained.'

const TOKEN_CODES = ['SecurityTokenExpired', 'SecurityTokenInvalid', 'InvalidSecurityToken']

/** SLS protocol: error codes. The one place that says what each of them means to us. */
const TABLE = new Map<string, readonly [SlsReaction, Advice?]>([
  ...rows(['InternalServerError', 'RequestTimeout', 'ServerBusy', 'LogStoreWithoutShard'], 'retry'),
  ...rows(['ReadQuotaExceed', 'WriteQuotaExceed', 'ShardReadQuotaExceed', 'ShardWriteQuotaExceed'], 'throttle'),
  ...rows(['MetaOperationQpsLimitExceeded'], 'throttle'),
  ...rows(['ConsumerNotExist', 'ConsumerNotMatch'], 'lost_shard'),
  ...rows(['NotExistConsumerWithBody'], 'register_again'),
  ...rows(['ConsumerGroupNotExist'], 'group_missing'),
  ...rows(['ConsumerGroupAlreadyExist'], 'group_exists'),
  ...rows(['ShardNotExist'], 'shard_gone'),
  ...rows(['InvalidCursor'], 'invalid_cursor', cursorPolicy),
  ...rows(['RequestTimeTooSkewed', 'RequestTimeExpired', 'InvalidRequestTime'], 'configuration', clock),
  ...rows(['InvalidAccessKeyId', 'MissAccessKeyId'], 'configuration', keyId),
  ...rows(['SignatureNotMatch'], 'configuration', keySecret),
  ...rows(TOKEN_CODES, 'configuration', token),
  ...rows(['Unauthorized'], 'configuration', permission),
  ...rows(['ProjectNotExist'], 'configuration', project),
  ...rows(['ProjectForbidden'], 'configuration', arrears),
  ...rows(['LogStoreNotExist'], 'configuration', logstore),
  ...rows(['ConsumerGroupQuotaExceed'], 'configuration', groupQuota),
  ...rows(['ExceedQuota', 'QuotaExceed', 'ProjectQuotaExceed'], 'configuration', quota),
  ...rows(['ParameterInvalid', 'MissingParameter'], 'configuration', parameter),
  ...rows(['InvalidMethod'], 'configuration', method),
  ...rows(['MissingHost', 'InvalidHost'], 'configuration', endpoint),
  ...rows(['MissingDate', 'InvalidDateFormat', 'MissingAPIVersion', 'InvalidAPIVersion'], 'configuration', malformed),
  ...rows(['MissingSignatureMethod', 'InvalidSignatureMethod', 'MissingContentLength'], 'configuration', malformed),
  ...rows(['MissingContentType', 'InvalidContentType', 'MissingBodyRawSize'], 'configuration', malformed),
  ...rows(['InvalidBodyRawSize', 'InvalidCompressType', 'PostBodyTooLarge'], 'configuration', malformed),
  ...rows(['PostBodyInvalid', 'PostBodyUncompressError', 'JsonInfoInvalid'], 'configuration', malformed),
  ...rows(['InvalidTimestamp', 'InvalidEncoding', 'InvalidKey', 'InvalidShardCheckPoint'], 'configuration', malformed),
])

function rows(codes: string[], ...row: [SlsReaction, Advice?]): Array<[string, [SlsReaction, Advice?]]> {
  return codes.map((code) => [code, row])
}

/** Some SDKs, and perhaps servers, spell these codes `ConsumerNotExsit`. */
function rowOf(code: string): readonly [SlsReaction, Advice?] | undefined {
  return TABLE.get(code.replace('Exsit', 'Exist'))
}

/** Whether other credentials may be accepted; a right that is missing cannot be told from a token that has expired. */
export function refusesCredentials({ status, code }: SlsError): boolean {
  return (status === 401 && code !== 'http_401') || TOKEN_CODES.includes(code)
}

const SETTINGS = { address: 'SLS_ENDPOINT' }
const SHOWN_TEXT_CHARS = 200
const SHOWN_MESSAGE_CHARS = 500
const LONGEST_RETRY_AFTER_MS = 60_000

/** Makes the error of any answer that is not a success, whatever its body holds. */
export function errorOfAnswer(call: CallContext, answer: ErrorAnswer): SlsError {
  const { status, header } = answer
  const { code, text } = readErrorBody(answer.text)
  const [reaction, advice] = (code !== undefined && rowOf(code)) || byStatus(status, code !== undefined)
  const requestId = header('x-log-requestid')
  const named = [code, `HTTP ${status}`, requestId && `request ${requestId}`].filter(Boolean).join(', ')
  const waitMs = retryAfterMs(header('retry-after'), answer.receivedAt, LONGEST_RETRY_AFTER_MS)
  const location = header('location')
  const said = text || (location ? `sends us to ${beginningOf(location, SHOWN_TEXT_CHARS)}` : 'no text')
  return new SlsError(reaction, `${call.api} failed: ${said} (${named})`, {
    code: code ?? `http_${status}`,
    status,
    ...(advice && { advice: advice({ ...call, answer }) }),
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  })
}

/**
 * For codes the table does not know: a refusal waits for an operator, everything else is tried again. A refusal without
 * a code does not come from the service but from something in between.
 */
function byStatus(status: number, coded: boolean): readonly [SlsReaction, Advice?] {
  if (status < 300 || status >= 500 || status === 408 || status === 429) return ['retry']
  if (!coded) return ['configuration', endpoint]
  return ['configuration', status === 401 || status === 403 ? permission : unknown]
}

function readErrorBody(body: string): { code: string | undefined; text: string } {
  const asText = () => ({ code: undefined, text: beginningOf(body, SHOWN_TEXT_CHARS) })
  let answer: unknown
  try {
    answer = JSON.parse(body)
  } catch {
    return asText()
  }
  if (typeof answer !== 'object' || answer === null) return asText()
  const { errorCode, errorMessage } = answer as Record<string, unknown>
  // The code becomes a metric label, so only what looks like one is taken.
  if (typeof errorCode !== 'string' || !/^[A-Za-z][\w.-]{0,63}$/.test(errorCode)) return asText()
  const text = typeof errorMessage === 'string' ? errorMessage : ''
  return { code: errorCode, text: beginningOf(text, SHOWN_MESSAGE_CHARS) }
}

/** When the server says it answered, in milliseconds since the epoch: `x-log-time` (unix seconds), else `date`. */
export function serverTime(header: (name: string) => string | undefined): number | undefined {
  const seconds = header('x-log-time')
  if (seconds !== undefined && /^\d{1,12}$/.test(seconds)) return Number(seconds) * 1000
  const ms = Date.parse(header('date') ?? '')
  return Number.isNaN(ms) ? undefined : ms
}

/**
 * The Fault of a call that got no (complete) answer. TLS failures and headers that cannot be sent are configuration
 * faults; other network failures are transient. Errors that carry no code are bugs and are returned as they are.
 */
export function faultOfTransport(call: CallContext, error: unknown): unknown {
  if (error instanceof Fault || !(error instanceof Error)) return error
  // undici's parser errors are the only failures of the network that may come without a code.
  const { code = error.name === 'HTTPParserError' ? 'HPE_INVALID' : undefined } = error as NodeJS.ErrnoException
  if (typeof code !== 'string') return error
  const message = `${call.api} to ${call.host} failed: ${described(error)}`
  const details = { code: code.toLowerCase(), cause: error }
  if (error instanceof ProxyFailed) return proxyFault(error, message)
  const problem = tlsProblem(error)
  if (problem) {
    const said = `${call.api}: ${tlsMessage(problem, error, call.host)}`
    return new Fault('configuration', said, { ...details, advice: tlsAdvice(problem, SETTINGS) })
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    const advice = 'Check SLS_AK_ID, SLS_AK_KEY and SLS_STS_TOKEN for line breaks and other stray characters.'
    return new Fault('configuration', message, { ...details, advice })
  }
  if (code === 'ENOTFOUND') {
    const advice = `Check SLS_ENDPOINT and SLS_PROJECT if this lasts: ${call.host} does not resolve.`
    return new Fault('transient', message, { ...details, advice })
  }
  return new Fault('transient', message, details)
}
