import { randomUUID } from 'node:crypto'
import type { Config, SourceConfig, SplunkHecConfig } from '../../config/model.ts'
import { Fault } from '../../core/errors.ts'
import { sourcetypeOf } from '../../pipeline/products.ts'
import type { HecConnection } from '../../sinks/splunk-hec/client.ts'
import { HecClient } from '../../sinks/splunk-hec/client.ts'
import { CookieJar } from '../../sinks/splunk-hec/cookie-jar.ts'
import { judge, judgeAck } from '../../sinks/splunk-hec/response.ts'
import { mayPass } from '../persistently.ts'
import type { Finding } from './finding.ts'
import { ok } from './finding.ts'

/**
 * Posts one marked event. Only this shows whether the token may write to the index and whether acknowledgements come back.
 * The finding says how to search for the event. A retry posts the same event, and only if the first was certainly not taken.
 */
export function testEventSender(
  url: string,
  config: HecEnd,
  connection: HecConnection,
): (signal: AbortSignal) => Promise<Finding> {
  const id = `check:${randomUUID()}`
  return (signal) => sendTestEvent(url, id, { config, connection, signal })
}

/** One Splunk. A test event names the group of a logstore. */
export interface HecEnd {
  readonly hec: SplunkHecConfig & { readonly source: string }
  readonly sls: Pick<SourceConfig, 'consumerGroup'>
  readonly proxies: Config['proxies']
}

interface Means {
  readonly config: HecEnd
  readonly connection: HecConnection
  readonly signal: AbortSignal
}

async function sendTestEvent(
  url: string,
  id: string,
  { config: { hec, sls }, connection, signal }: Means,
): Promise<Finding> {
  const { clock } = connection
  const { index, source, host = 'sls-siem-bridge-check' } = hec
  const event = { message: 'sls-siem-bridge check: a test event', group: sls.consumerGroup }
  const sourcetype = hec.sourcetype === 'auto' ? sourcetypeOf('') : hec.sourcetype
  const time = Math.floor(clock.wall() / 1000)
  const envelope = { time, host, source, sourcetype, ...(index && { index }), event, fields: { sls_event_id: id } }
  const client = new HecClient(url, connection)
  const request = { channel: randomUUID(), cookies: new CookieJar(), signal }
  const found = `find it with: index=${index ?? '*'} sls_event_id::"${id}"`
  try {
    const body = Buffer.from(`${JSON.stringify(envelope)}\n`)
    const answer = await client.post({ to: 'event', body, ...request }).catch((error) => {
      throw signal.aborted ? error : onceOnly(error, found)
    })
    const outcome = judge(answer, 1)
    if (outcome.is !== 'accepted') throw onceOnly(outcome.fault, found)
    const { ackId } = outcome
    if (ackId === undefined || hec.ack === false) return ok(`${url}: accepted; ${found}`)
    const sent = clock.monotonic()
    const question = Buffer.from(JSON.stringify({ acks: [ackId] }))
    while (clock.monotonic() - sent < hec.ackTimeoutMs) {
      await clock.sleep(hec.ackPollMs, signal)
      try {
        const told = judgeAck(await client.post({ to: 'ack', body: question, ...request }))
        if (told instanceof Fault) throw told
        if (told.includes(ackId)) {
          const seconds = ((clock.monotonic() - sent) / 1000).toFixed(1)
          return ok(`${url}: accepted, and acknowledged after ${seconds} s; ${found}`)
        }
      } catch (error) {
        // The question changes nothing, so it is asked again after any fault that may pass.
        if (signal.aborted || !mayPass(error)) throw error
      }
    }
    throw new Fault(
      'configuration',
      `${url}: accepted, but not acknowledged within ${hec.ackTimeoutMs / 1000} s; ${found}`,
      {
        code: 'no_ack',
        advice:
          'Behind a balancer, acknowledgement needs sticky sessions (the bridge sends its cookie back) or the indexers’ own URLs. Otherwise look for full queues in Splunk.',
      },
    )
  } finally {
    await client.close()
  }
}

/** After a fault that leaves the outcome open, a retry could index the event twice. */
function onceOnly(error: unknown, found: string): unknown {
  if (!(error instanceof Fault) || error.kind !== 'ambiguous') return error
  const { code, status } = error
  return new Fault('configuration', `${error.message}; the event may have been accepted: ${found}`, {
    code,
    cause: error,
    ...(status !== undefined && { status }),
    advice: 'Search for the event, then run this again. It is not sent again automatically.',
  })
}
