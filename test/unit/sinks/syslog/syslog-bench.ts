import { onTestFinished } from 'vitest'
import type { Batch } from '../../../../src/core/batch.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import type { SyslogReceiver, SyslogReceiverOptions } from '../../../../src/emulator/syslog/server.ts'
import { startSyslogReceiver } from '../../../../src/emulator/syslog/server.ts'
import { DeadLetter } from '../../../../src/sinks/dead-letter.ts'
import type { SyslogOptions } from '../../../../src/sinks/syslog/sink.ts'
import { SyslogSink } from '../../../../src/sinks/syslog/sink.ts'
import { LeaseDouble, lettersIn, Recorder, SHARD, temporaryDirectory } from '../delivery-double.ts'

export async function receiver(options: SyslogReceiverOptions = {}): Promise<SyslogReceiver> {
  const started = await startSyslogReceiver({ framing: 'octet', ...options })
  onTestFinished(() => started.close())
  return started
}

export interface Bench {
  readonly sink: SyslogSink
  readonly recorder: Recorder
  readonly lease: LeaseDouble
  deliver(batch: Batch): Promise<void>
  letters(): ReturnType<typeof lettersIn>
}

export const MESSAGES = {
  format: 'json',
  header: 'rfc5424',
  timezone: 'UTC',
  rawField: 'content',
  kvSeparator: '||',
  facility: 1,
  severity: 6,
  appName: 'sls',
  sdId: 'sls@32473',
  maxBytes: 8_000,
  oversize: 'truncate',
} as const

/** A sink with the defaults of the settings, closed when the test ends. `Sink`: of another checkout. */
export async function syslogTo(
  urls: readonly string[],
  options: Partial<SyslogOptions> = {},
  Sink: typeof SyslogSink = SyslogSink,
): Promise<Bench> {
  const recorder = new Recorder()
  const dir = await temporaryDirectory()
  const deadLetter = new DeadLetter({ dir, consumer: 'test' })
  const sink = new Sink({
    ...MESSAGES,
    sink: 'syslog',
    urls,
    framing: 'octet',
    tls: { verify: true },
    confirm: 'drain',
    connections: 2,
    clock: systemClock,
    telemetry: recorder.telemetry,
    deadLetter,
    ...options,
  })
  const lease = new LeaseDouble()
  onTestFinished(async () => {
    lease.lose()
    await sink.close()
    await deadLetter.close()
  })
  return {
    ...{ sink, recorder, lease },
    deliver: (batch) => sink.deliver(batch, lease, () => {}),
    letters: () => lettersIn(dir),
  }
}

interface EventOf {
  readonly id: string
  readonly event?: unknown
  /** The text of the event, where its white space matters. */
  readonly json?: string
  readonly host?: string
  readonly time?: string
}

/** Envelopes as the encoder writes them for this sink. */
export function envelopes(events: readonly EventOf[]): Batch {
  const lines = events.map(({ id, host = 'prod', time = '1790000000.123456789', ...more }) => {
    const event = more.json ?? JSON.stringify(more.event ?? { __topic__: 'audit', __source__: '10.0.0.1', n: id })
    return Buffer.from(
      `{"time":${time},"host":${JSON.stringify(host)},"source":"sls://prod/audit","sourcetype":"aliyun:sls","event":${event},"fields":{"sls_event_id":"${id}"}}\n`,
    )
  })
  const ends = new Uint32Array(lines.length)
  let end = 0
  for (const [i, line] of lines.entries()) ends[i] = end += line.length
  const origin = { ...SHARD, cursor: 'MTYw' }
  return { origin, sink: 'syslog', routes: ['default'], bytes: Buffer.concat(lines), ends, count: lines.length }
}

export const many = (count: number, from = 0): Batch =>
  envelopes(Array.from({ length: count }, (_, i) => ({ id: `audit:3:170:${from + i}` })))

/** Event ids in the order of their arrival. */
export function idsIn({ messages }: SyslogReceiver): string[] {
  return messages.map((message) => /id="([^"]*)"/.exec(message.toString())?.[1] ?? '')
}
