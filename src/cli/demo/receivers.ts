import { startHecReceiver } from '../../emulator/hec/server.ts'
import { startSyslogReceiver } from '../../emulator/syslog/server.ts'
import type { ActSink, Receiver } from './act.ts'

export interface ReceiverOptions {
  readonly port: number
  /** The receiver that was there before, so that its clients need not change. */
  readonly before: Receiver | undefined
  readonly received: (logs: readonly Readonly<Record<string, string>>[]) => void
}

export const KINDS: Readonly<Record<ActSink['type'], string>> = {
  splunk_hec: 'HEC receiver',
  syslog: 'syslog collector',
}

/** Rejects when the port can't be had. */
export function openReceiver(sink: ActSink, options: ReceiverOptions): Promise<Receiver> {
  return sink.type === 'syslog' ? openSyslog(options) : openHec(sink, options)
}

async function openHec({ ack, refuses }: ActSink, { port, before, received }: ReceiverOptions): Promise<Receiver> {
  const receiver = await startHecReceiver({
    ...{ port, ack: ack ?? false, ackDelayMs: 300, keep: false },
    ...(before?.token !== undefined && { token: before.token }),
    onIndexed: (events) => received(events.map(({ envelope }) => envelope.event as Record<string, string>)),
  })
  if (refuses !== undefined) receiver.refuse({ contains: refuses })
  return receiver
}

async function openSyslog({ port, received }: ReceiverOptions): Promise<Receiver> {
  const collector = await startSyslogReceiver({
    ...{ port, keep: false },
    onMessage: ({ text }) => received([JSON.parse(text) as Record<string, string>]),
  })
  return {
    url: collector.url,
    port: collector.port,
    environment: () => collector.environment(),
    stall: () => collector.fault({ does: 'stop', afterMessages: READ_BEFORE_STALL, times: 0 }),
    close: () => collector.close(),
  }
}

/** Each connection has these messages read before nothing is read any more. */
const READ_BEFORE_STALL = 20
