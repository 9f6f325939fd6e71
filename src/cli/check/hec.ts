import { randomBytes, randomUUID } from 'node:crypto'
import { Fault, messageOf } from '../../core/errors.ts'
import { NO_TELEMETRY } from '../../core/telemetry.ts'
import { hecConnection } from '../../parts.ts'
import type { HecConnection } from '../../sinks/splunk-hec/client.ts'
import { HecClient } from '../../sinks/splunk-hec/client.ts'
import { preflight } from '../../sinks/splunk-hec/probe.ts'
import type { HecResponse } from '../../sinks/splunk-hec/response.ts'
import { believedCode } from '../../sinks/splunk-hec/response.ts'
import type { Blamed, Check, Finding } from './finding.ts'
import { ok, skip, warn } from './finding.ts'
import type { HecEnd } from './test-event.ts'
import { testEventSender } from './test-event.ts'
import { handshake, speaksTls } from './tls.ts'

const TIMEOUT_MS = 10_000
/** A larger body would not tell more. */
const LARGEST_PROBE_BYTES = 32 * 1024 * 1024
const SMALL_PROBE_BYTES = 64

interface Learned {
  ack: boolean
  gzip: boolean
}

export function hecChecks(config: HecEnd, testEvent: boolean): Check[] {
  const connection = hecConnection(config.hec, config.proxies, NO_TELEMETRY)
  const learned = new Map<string, Learned>()
  const asked = { config, connection, learned }
  const perUrl = config.hec.urls.map((url) => ({ url, checks: urlChecks(url, asked, testEvent) }))
  if (perUrl.length === 1) return perUrl.flatMap(({ checks }) => checks)
  const named = perUrl.flatMap(({ url, checks }) => checks.map((check) => naming(url, check)))
  return [...named, { about: 'HEC URLs', run: async () => agreement(learned) }]
}

/** A fault of one endpoint of several says which it is. */
function naming(url: string, check: Check): Check {
  const run: Check['run'] = async (signal) => {
    try {
      return await check.run(signal)
    } catch (error) {
      if (!(error instanceof Fault) || error.message.includes(url)) throw error
      throw withAddress(url, error)
    }
  }
  return { ...check, run }
}

function withAddress(address: string, fault: Fault): Fault {
  const { kind, code, status, advice, message } = fault
  const details = {
    code,
    cause: fault,
    ...(status !== undefined && { status }),
    ...(advice !== undefined && { advice }),
  }
  return new Fault(kind, `${address}: ${message}`, details)
}

interface Asked {
  readonly config: HecEnd
  readonly connection: HecConnection
  readonly learned: Map<string, Learned>
}

function urlChecks(url: string, asked: Asked, testEvent: boolean): Check[] {
  const { config, connection } = asked
  const behind = url
  const tls: Check = {
    about: 'HEC TLS',
    opens: url,
    run: (signal) => handshake(url, connection, signal),
    blames: ({ kind }) => (kind === 'transient' ? { about: 'HEC address' } : undefined),
  }
  return [
    ...(url.startsWith('https:') ? [tls] : []),
    { about: 'HEC token', behind, opens: url, run: (signal) => token(url, asked, signal), blames: blamedForToken },
    { about: 'HEC health', behind, run: (signal) => health(url, connection, signal) },
    { about: 'HEC body size', behind, run: (signal) => bodySize(url, asked, signal) },
    { about: 'HEC index', behind, run: (signal) => index(url, asked, signal) },
    ...(testEvent ? [{ about: 'HEC test event', behind, run: testEventSender(url, config, connection) }] : []),
  ]
}

/** Only an answer with a code of HEC is about the token. */
function blamedForToken({ code, status }: Fault): Blamed | undefined {
  if (/^\d+$/.test(code) || code === 'ack_unreachable') return undefined
  if (status === undefined) return { about: 'HEC address' }
  const advice = 'What answered there is not the HTTP Event Collector, or a gateway before it does not reach it.'
  return { about: 'HEC address', advice }
}

/** The address that is asked, where it is not the one that the user wrote. */
function askedAddress(url: string): string {
  return new URL(url).pathname === '/' ? url : `${url}/services/collector/event`
}

async function token(url: string, { config, connection, learned }: Asked, signal: AbortSignal): Promise<Finding> {
  const wantsAck = config.hec.ack !== false
  const { ack, gzip } = await preflight(url, { connection, signal, wantsAck }).catch(async (error) => {
    if (error instanceof Fault && /^http_/.test(error.code)) throw withAddress(`${url}/services/collector/event`, error)
    const unreadable = error instanceof Fault && error.status === undefined && url.startsWith('http:')
    if (!unreadable || signal.aborted || !(await speaksTls(url, connection, signal))) throw error
    throw new Fault('configuration', `${url} speaks TLS`, { code: 'tls', advice: 'Use https:// in SPLUNK_HEC_URL.' })
  })
  learned.set(url, { ack, gzip })
  const said = `${askedAddress(url)}: accepted, indexer acknowledgement ${ack ? 'on' : 'off'}`
  if (config.hec.ack === true && !ack) {
    throw new Fault('configuration', `${url}: the token has indexer acknowledgement off`, {
      code: '14',
      advice: 'Turn it on for the token, or set SPLUNK_HEC_ACK=auto.',
    })
  }
  if (!wantsAck && ack) {
    return warn(
      said,
      'SPLUNK_HEC_ACK=false ignores it, so an event counts as delivered when Splunk has queued it. Set SPLUNK_HEC_ACK=auto.',
    )
  }
  if (config.hec.gzip && !gzip) {
    return warn(`${said}; does not accept gzip, so bodies are sent without compression`, 'Set SPLUNK_HEC_GZIP=false.')
  }
  return ok(said)
}

/** The answer of one node behind a balancer, at this moment. A full queue is no reason not to start. */
async function health(url: string, connection: HecConnection, signal: AbortSignal): Promise<Finding> {
  const client = new HecClient(url, connection)
  try {
    const { status, reply } = await client.health({ channel: randomUUID(), signal, timeoutMs: TIMEOUT_MS })
    if (status === 200 && reply?.code === 17) return ok(`${url}: ${reply.text}`)
    if (status !== 503) return skip(`${url} does not report its health (HTTP ${status})`)
    const said = `${url}: ${reply?.text ?? 'busy'} (HTTP 503)`
    return warn(said, 'This may pass: the bridge waits and retries, and the logs stay in SLS.')
  } catch (error) {
    signal.throwIfAborted()
    return skip(`${url} does not report its health: ${messageOf(error)}`)
  } finally {
    await client.close()
  }
}

/**
 * Sends white space as large as the largest body: HEC finds no event in it, or says that it is too large. A smaller limit
 * of the server costs requests but no events, since refused bodies are halved.
 */
async function bodySize(url: string, { config, connection, learned }: Asked, signal: AbortSignal): Promise<Finding> {
  const bytes = Math.min(config.hec.maxBytes, LARGEST_PROBE_BYTES)
  const gzip = config.hec.gzip && learned.get(url)?.gzip === true
  const blank = (size: number) => once(url, connection, { body: whiteSpace(size), gzip }, signal)
  const tooLarge = (how = ''): Finding =>
    warn(
      `${url} does not accept a body of ${bytes} bytes${how}`,
      'Set SPLUNK_HEC_MAX_BYTES to the size that it accepts (Splunk Cloud: 1000000), or raise max_content_length or the proxy’s limit.',
    )
  let answer: HecResponse
  try {
    answer = await blank(bytes)
  } catch (error) {
    if (signal.aborted || !(error instanceof Fault && error.kind === 'ambiguous')) throw error
    // Some proxies refuse a large body by closing the connection. If a small body fails too, its fault is thrown.
    await blank(SMALL_PROBE_BYTES)
    return tooLarge(`: ${error.message}`)
  }
  const code = believedCode(answer)?.code
  // Splunk Cloud calls a body that is too large "invalid". A server that calls any white space invalid tells nothing about size.
  if (answer.status === 413 || (code === 6 && believedCode(await blank(SMALL_PROBE_BYTES))?.code !== 6))
    return tooLarge()
  if (code === 5) return ok(`${url} accepts bodies of ${bytes} bytes`)
  return skip(`${url} does not tell (HTTP ${answer.status})`)
}

const WHITE_SPACE = Buffer.from(' \t\r\n')

/**
 * Random, because gzip would shrink regular white space so much that no proxy finds it too large. gzip leaves a quarter of
 * this, more than of most logs.
 */
function whiteSpace(size: number): Buffer {
  return randomBytes(size).map((byte) => WHITE_SPACE[byte & 3] as number) as Buffer
}

/** An object without an event is never indexed. A server that looks at the index first answers about the index. */
async function index(url: string, { config, connection }: Asked, signal: AbortSignal): Promise<Finding> {
  const name = config.hec.index
  const body = Buffer.from(JSON.stringify(name === undefined ? {} : { index: name }))
  const answer = name === undefined ? undefined : await once(url, connection, { body }, signal)
  if (answer && believedCode(answer)?.code === 7) {
    throw new Fault('configuration', `${url}: the token has no right to write to ${name}`, {
      code: '7',
      advice: 'Allow the index for the HEC token (or create the index), or correct SPLUNK_HEC_INDEX.',
    })
  }
  const which = name === undefined ? 'the token’s default index' : name
  return skip(`${which}: only --send-test-event shows whether the token may write to it`)
}

async function once(
  url: string,
  connection: HecConnection,
  { body, gzip = false }: { body: Buffer; gzip?: boolean },
  signal: AbortSignal,
): Promise<HecResponse> {
  const client = new HecClient(url, connection)
  try {
    return await client.post({ to: 'event', body, gzip, channel: randomUUID(), signal })
  } finally {
    await client.close()
  }
}

function agreement(learned: ReadonlyMap<string, Learned>): Finding {
  const all = [...learned.values()]
  const differing = (['ack', 'gzip'] as const).filter((key) => new Set(all.map((one) => one[key])).size > 1)
  if (differing.length === 0) return ok(`the ${all.length} that answered have the same settings`)
  return warn(
    `they differ in ${differing.map((key) => (key === 'ack' ? 'indexer acknowledgement' : 'gzip')).join(' and ')}`,
    'Check that all URLs belong to the same Splunk: one token has the same settings on each of its indexers.',
  )
}
