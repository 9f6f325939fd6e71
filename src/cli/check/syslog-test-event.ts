import { randomUUID } from 'node:crypto'
import type { SyslogConfig } from '../../config/model.ts'
import type { Batch } from '../../core/batch.ts'
import { systemClock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import { NO_TELEMETRY } from '../../core/telemetry.ts'
import type { Pieces } from '../../sinks/syslog/frames.ts'
import type { Answer } from '../../sinks/syslog/relp-session.ts'
import { targetsOf } from '../../sinks/syslog/sink.ts'
import type { Finding } from './finding.ts'
import { ok, skip } from './finding.ts'

/**
 * Sends one marked event, and waits for its confirmation. Only this shows that a port without TLS in the URL takes messages. How the
 * collector reads them is seen there: the finding says what to look for.
 */
export function syslogTestEventSender(url: string, sink: SyslogConfig): (signal: AbortSignal) => Promise<Finding> {
  const id = `check:${randomUUID()}`
  return (signal) => sendTestEvent(url, sink, { id, signal })
}

async function sendTestEvent(
  url: string,
  sink: SyslogConfig,
  { id, signal }: { id: string; signal: AbortSignal },
): Promise<Finding> {
  const isConfirmed = url.startsWith('relp') || sink.confirm === 'drain'
  if (!isConfirmed && !url.startsWith('udp:')) {
    return skip(`${url}: no event is sent, because SYSLOG_CONFIRM=written tells nothing of it for a minute`)
  }
  const [target] = targetsOf({ ...sink, urls: [url], sink: sink.name, clock: systemClock, telemetry: NO_TELEMETRY })
  if (target === undefined) throw new Error('a sink without a target')
  const find = `look for ${id} there, and whether its header and text are apart`
  const batch = batchOf(id, sink.name)
  let refusal: Answer | undefined
  try {
    const pieces: Pieces = (next) => target.framer.pieces(batch, { from: 0, to: 1 }, () => {}, next)
    const answered = (_: number, answer: Answer): void => {
      if (answer.code !== '200') refusal = answer
    }
    await target.send(pieces, { leaving: () => {}, answered, alone: true, signal })
  } catch (error) {
    throw signal.aborted ? error : onceOnly(error, find)
  } finally {
    target.close()
  }
  if (refusal !== undefined) {
    throw new Fault('configuration', `${url} refused the event: ${refusal.code} ${refusal.text}`, {
      code: `relp_${refusal.code}`,
      advice: 'The log of the collector says why.',
    })
  }
  if (!target.confirms) return ok(`${url}: sent, and nothing tells whether it arrived; ${find}`)
  return ok(`${url}: sent, and confirmed by ${url.startsWith('relp') ? 'RELP' : 'drain'}; ${find}`)
}

function batchOf(id: string, sink: string): Batch {
  const time = `${Math.floor(systemClock.wall() / 1000)}.000000000`
  const event = { __topic__: '', __source__: '', message: `sls-siem-bridge check: a test event, ${id}` }
  const bytes = Buffer.from(
    `{"time":${time},"host":"sls-siem-bridge-check","event":${JSON.stringify(event)},"fields":{"sls_event_id":"${id}"}}\n`,
  )
  const origin = { source: '', project: '', logstore: '', shard: 0, cursor: '' }
  return { origin, sink, routes: ['check'], bytes, ends: Uint32Array.of(bytes.length), count: 1 }
}

/** After a fault that leaves the outcome open, a retry could repeat the event. */
function onceOnly(error: unknown, find: string): unknown {
  if (!(error instanceof Fault) || error.kind !== 'ambiguous') return error
  const { code, advice } = error
  return new Fault('configuration', `${error.message}; the event may have been taken: ${find}`, {
    code,
    cause: error,
    ...(advice !== undefined && {
      advice: advice.replace(/^(All of it is|Messages without an answer are) sent again\. /, ''),
    }),
  })
}
