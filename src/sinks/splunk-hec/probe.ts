import { randomUUID } from 'node:crypto'
import { Fault } from '../../core/errors.ts'
import type { HecConnection, HecRequest } from './client.ts'
import { HecClient } from './client.ts'
import type { HecResponse } from './response.ts'
import { believedCode, judge, judgeAck } from './response.ts'

const PROBE_TIMEOUT_MS = 10_000
const NOTHING = Buffer.alloc(0)
/** An OpenTelemetry Collector without acknowledgement takes every path for events, and refuses the question with these. */
const REFUSED_AS_EVENT = [5, 6, 12]

export interface ProbeOptions {
  readonly connection: HecConnection
  readonly signal: AbortSignal
  /** An earlier answer carried an ack id, so a missing `/ack` means trouble, not a token without acknowledgement. */
  readonly sawAckIds?: boolean
  /** `false`: acknowledgement is not wanted, so `/ack` is not asked and ack ids are no fault. */
  readonly wantsAck: boolean
}

/**
 * Is the endpoint there, is the token good, does it acknowledge? Ingests nothing: asks `/ack` about an id, and where there
 * is no `/ack` posts an empty body, which HEC answers with code 5 once the token is accepted.
 * Throws the Fault that stands in the way (`transient` or `configuration`).
 */
export async function probe(client: HecClient, options: ProbeOptions): Promise<{ ack: boolean }> {
  if (!options.wantsAck) return await probeWithoutAck(client, options)
  const answer = await ask(client, options, 'ack', Buffer.from('{"acks":[0]}'))
  if (refusedWith(answer, 14)) return { ack: false }
  const told = judgeAck(answer)
  if (!(told instanceof Fault)) return { ack: true }
  const noSuchPath = answer.status === 404 || answer.status === 405
  const noAckAnswer = answer.status === 200 && answer.reply !== undefined
  const noEvent = refusedWith(answer, ...REFUSED_AS_EVENT)
  if (!noSuchPath && !noAckAnswer && !noEvent) throw pageInstead(answer) ? judgedFault(answer) : told
  return await probeWithoutAck(client, options)
}

async function probeWithoutAck(client: HecClient, options: ProbeOptions): Promise<{ ack: boolean }> {
  const answer = await ask(client, options, 'event', NOTHING)
  const noChannel = refusedWith(answer, 10, 28)
  const noData = refusedWith(answer, 5)
  const ackIds = options.sawAckIds === true || answer.reply?.ackId !== undefined || noChannel
  if (ackIds && options.wantsAck && (noData || noChannel || answer.status === 200)) {
    throw new Fault('configuration', `${client.origin} gives ack ids but has no /services/collector/ack`, {
      code: 'ack_unreachable',
      status: answer.status,
      advice: 'Let the balancer pass /services/collector/ack as well, or turn acknowledgement off on the token.',
    })
  }
  if (noData || (answer.status === 200 && answer.reply?.code === 0)) return { ack: false }
  throw judgedFault(answer)
}

/** Does the endpoint take gzip? Posts an empty body, compressed and not, so again nothing is ingested. */
async function probeGzip(client: HecClient, options: ProbeOptions): Promise<boolean> {
  const compressed = await ask(client, options, 'event', NOTHING, { gzip: true })
  if (compressed.status === 415) return false
  if (compressed.status !== 400 || refusedWith(compressed, 5)) return true
  // Where Content-Encoding gets lost, the compressed bytes look like an event that is none.
  const plain = await ask(client, options, 'event', NOTHING)
  return plain.status === compressed.status && plain.reply?.code === compressed.reply?.code
}

/**
 * Both probes on a connection of their own, for a preflight. Throws the Fault that stands in the way. Where acknowledgement
 * is not wanted, `/ack` is not asked: only a token that acknowledges refuses a request without a channel.
 */
export async function preflight(
  url: string,
  { connection, signal, wantsAck }: Pick<ProbeOptions, 'connection' | 'signal' | 'wantsAck'>,
): Promise<{ ack: boolean; gzip: boolean }> {
  const client = new HecClient(url, connection)
  const options = { connection, signal, wantsAck }
  try {
    const { ack } = await probe(client, options)
    const isIgnored = !wantsAck && refusedWith(await ask(client, options, 'event', NOTHING, { channel: undefined }), 10)
    return { ack: ack || isIgnored, gzip: await probeGzip(client, options) }
  } finally {
    await client.close()
  }
}

async function ask(
  client: HecClient,
  options: ProbeOptions,
  to: 'ack' | 'event',
  body: Buffer,
  form: Partial<Pick<HecRequest, 'gzip' | 'channel'>> = {},
): Promise<HecResponse> {
  try {
    return await client.post({
      to,
      body,
      channel: randomUUID(),
      ...form,
      signal: options.signal,
      timeoutMs: Math.min(PROBE_TIMEOUT_MS, options.connection.timeoutMs),
    })
  } catch (error) {
    // A probe changes nothing, so its outcome need not be known.
    if (error instanceof Fault && error.kind === 'ambiguous') throw transient(error)
    throw error
  }
}

function refusedWith(answer: HecResponse, ...codes: number[]): boolean {
  const refusal = believedCode(answer)
  return refusal !== undefined && codes.includes(refusal.code)
}

function pageInstead(answer: HecResponse): boolean {
  return answer.status === 200 && answer.reply === undefined
}

function judgedFault(answer: HecResponse): Fault {
  const outcome = judge(answer, 0)
  if (outcome.is === 'accepted') return new Fault('configuration', 'unexpected answer', { code: 'unexpected' })
  return outcome.fault.kind === 'configuration' ? outcome.fault : transient(outcome.fault)
}

function transient(fault: Fault): Fault {
  return new Fault('transient', fault.message, {
    code: fault.code,
    cause: fault,
    ...(fault.status !== undefined && { status: fault.status }),
    ...(fault.advice !== undefined && { advice: fault.advice }),
    ...(fault.retryAfterMs !== undefined && { retryAfterMs: fault.retryAfterMs }),
  })
}
