import type { SyslogConfig } from '../../config/model.ts'
import { systemClock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import { NO_TELEMETRY } from '../../core/telemetry.ts'
import { Dialer, SYSLOG_SETTINGS } from '../../sinks/syslog/connect.ts'
import { answerToEmptyLines, halfClose } from '../../sinks/syslog/probe.ts'
import { RelpSession } from '../../sinks/syslog/relp-session.ts'
import { openUdp } from '../../sinks/syslog/udp-target.ts'
import type { Check, Finding } from './finding.ts'
import { ok, warn } from './finding.ts'
import { syslogTestEventSender } from './syslog-test-event.ts'
import { handshake, speaksTls } from './tls.ts'

const UNTOLD = { sink: '', clock: systemClock, telemetry: NO_TELEMETRY } as const

/** Sends no message, at most empty lines, but the test event. So it cannot tell whether the collector understands header and framing. */
export function syslogChecks(sink: SyslogConfig, testEvent: boolean): Check[] {
  const { urls, confirm, tls } = sink
  return urls.flatMap((url) => {
    const dialer = new Dialer({ url, tls, ...UNTOLD })
    const handshakes: Check[] = /^(relp\+)?tls:/.test(url)
      ? [
          {
            about: 'syslog TLS',
            opens: url,
            run: (signal) => tlsOf(url, tls, signal),
          },
        ]
      : []
    return [
      ...handshakes,
      { about: 'syslog', opens: url, behind: url, run: (signal) => connection(url, { dialer, confirm }, signal) },
      ...(testEvent ? [{ about: 'syslog test event', behind: url, run: syslogTestEventSender(url, sink) }] : []),
    ]
  })
}

/** A port without TLS keeps silent when it gets a TLS greeting, or closes. */
async function tlsOf(url: string, tls: SyslogConfig['tls'], signal: AbortSignal): Promise<Finding> {
  try {
    return await handshake(url, { tls, settings: SYSLOG_SETTINGS }, signal)
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'transient') throw error
    const plain = new Dialer({ url: url.replace('tls:', 'tcp:'), tls, ...UNTOLD })
    const socket = await plain.open(signal).catch(() => undefined)
    if (socket === undefined) throw error
    socket.on('error', () => {}).destroy()
    throw new Fault('transient', `${url}: takes a connection, and makes no TLS handshake`, {
      code: 'no_tls',
      cause: error,
      advice: `Does this port speak TLS? Without it SYSLOG_URL has ${url.startsWith('relp') ? 'relp://' : 'tcp://'}.`,
    })
  }
}

interface Asked {
  readonly dialer: Dialer
  readonly confirm: SyslogConfig['confirm']
}

async function connection(url: string, { dialer, confirm }: Asked, signal: AbortSignal): Promise<Finding> {
  if (url.startsWith('udp:')) {
    const socket = await openUdp(url, signal)
    socket.close()
    return ok(`${url}: has an address. UDP confirms nothing: what the network or the collector drops is lost`)
  }
  if (url.startsWith('relp')) {
    const socket = await dialer.open(signal)
    const session = await RelpSession.open(socket, { name: url, clock: systemClock, ended: () => {} })
    session.close()
    return ok(
      `${url}: connected, and answers each message by RELP; the header is not proven, nor what is behind its queue`,
    )
  }
  const does = await halfClose(url, dialer, systemClock, signal)
  if (does === 'speaks TLS') throw speaks('TLS', url)
  if (does === 'closed early') throw closesAtOnce(url)
  if (url.startsWith('tcp:')) await expectPlain(url, dialer, signal)
  if (confirm === 'written') {
    return warn(
      `${url}: connected; SYSLOG_CONFIRM=written proves nothing`,
      does === 'closes' ? 'This collector confirms with SYSLOG_CONFIRM=drain.' : undefined,
    )
  }
  if (does === 'stays open') {
    return warn(
      `${url}: connected, but it does not close a half-closed connection: SYSLOG_CONFIRM=drain will confirm nothing`,
      'Does this port speak TLS (tls://), or is a proxy on the way? If it always does that, set SYSLOG_CONFIRM=written, which proves less.',
    )
  }
  return ok(`${url}: connected, and confirms by drain; header and framing are not proven`)
}

/** GnuTLS ends a connection without a handshake as plain syslog does. It and RELP answer when they get bytes that are not theirs. */
async function expectPlain(url: string, dialer: Dialer, signal: AbortSignal): Promise<void> {
  const { ended, said } = await answerToEmptyLines(dialer, signal)
  if (/ serverclose /.test(said)) throw speaks('RELP', url)
  // A collector that wants counts ends such a connection, too.
  if (ended && (await speaksTls(url, { tls: { verify: false } }, signal))) throw speaks('TLS', url)
}

function speaks(protocol: 'TLS' | 'RELP', url: string): Fault {
  const advice = `Use ${protocol.toLowerCase()}:// in SYSLOG_URL.`
  return new Fault('configuration', `${url}: this port speaks ${protocol}`, { code: 'other_protocol', advice })
}

/** With TLS 1.3 a server looks at our certificate after the handshake, and not every one says what it finds. */
function closesAtOnce(url: string): Fault {
  const [what, advice] = url.startsWith('tls:')
    ? [
        'ends the connection right after the TLS handshake',
        'It probably wants a client certificate, or another one: set SYSLOG_TLS_CERT_FILE and SYSLOG_TLS_KEY_FILE. The log of the collector says why.',
      ]
    : [
        'accepts a connection, and closes it at once',
        'The collector may take no more connections, or not allow this address. Its log says which.',
      ]
  return new Fault('configuration', `${url}: ${what}`, { code: 'closed_early', advice })
}
