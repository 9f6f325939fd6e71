import { randomUUID } from 'node:crypto'
import type { Config } from '../../config/load.ts'
import { Fault } from '../../core/errors.ts'
import type { HecConnection } from '../../sinks/splunk-hec/client.ts'
import { HecClient } from '../../sinks/splunk-hec/client.ts'
import { CookieJar } from '../../sinks/splunk-hec/cookie-jar.ts'
import { judge, judgeAck } from '../../sinks/splunk-hec/response.ts'
import type { Finding } from './finding.ts'
import { ok } from './finding.ts'

/**
 * Posts one marked event for real: the only way to learn whether the token may write to the index and, with indexer
 * acknowledgement, whether the acknowledgement finds its way back. Says where the event is to be found.
 */
export async function sendTestEvent(
  url: string,
  { hec, sls }: Config,
  connection: HecConnection,
  signal: AbortSignal,
): Promise<Finding> {
  const { clock } = connection
  const id = `check:${randomUUID()}`
  const { index, sourcetype, source, host = 'sls-siem-bridge-check' } = hec
  const event = { message: 'sls-siem-bridge check: a test event', group: sls.consumerGroup }
  const time = Math.floor(clock.wall() / 1000)
  const envelope = { time, host, source, sourcetype, ...(index && { index }), event, fields: { sls_event_id: id } }
  const client = new HecClient(url, connection)
  const request = { channel: randomUUID(), cookies: new CookieJar(), signal }
  try {
    const answer = await client.post({ to: 'event', body: Buffer.from(`${JSON.stringify(envelope)}\n`), ...request })
    const outcome = judge(answer, 1, clock.wall())
    if (outcome.is !== 'accepted') throw outcome.fault
    const { ackId } = outcome
    const found = `find it with: index=${index ?? '*'} sls_event_id::"${id}"`
    if (ackId === undefined || hec.ack === false) return ok(`${url}: accepted; ${found}`)
    const sent = clock.monotonic()
    while (clock.monotonic() - sent < hec.ackTimeoutSeconds * 1000) {
      await clock.sleep(hec.ackPollSeconds * 1000, signal)
      const told = judgeAck(
        await client.post({ to: 'ack', body: Buffer.from(JSON.stringify({ acks: [ackId] })), ...request }),
        clock.wall(),
      )
      if (told instanceof Fault && told.kind === 'configuration') throw told
      if (!(told instanceof Fault) && told.includes(ackId)) {
        const seconds = ((clock.monotonic() - sent) / 1000).toFixed(1)
        return ok(`${url}: accepted, and acknowledged after ${seconds} s; ${found}`)
      }
    }
    throw new Fault(
      'configuration',
      `${url}: accepted, but not acknowledged within ${hec.ackTimeoutSeconds} s; ${found}`,
      {
        code: 'no_ack',
        advice:
          'Behind a balancer, acknowledgement needs sticky sessions (its cookie is sent back) or the indexers’ own URLs; else look for full queues in Splunk.',
      },
    )
  } finally {
    await client.close()
  }
}
