import type { SyslogConfig } from '../../config/model.ts'
import { systemClock } from '../../core/clock.ts'
import { halfClose } from '../../sinks/syslog/probe.ts'
import type { Check, Finding } from './finding.ts'
import { ok, warn } from './finding.ts'

/** Sends no message. So it cannot tell whether the collector understands header and framing. */
export function syslogChecks({ urls, confirm }: SyslogConfig): Check[] {
  return urls.map((url) => ({ about: 'syslog', run: (signal) => connection(url, confirm, signal) }))
}

async function connection(url: string, confirm: SyslogConfig['confirm'], signal: AbortSignal): Promise<Finding> {
  const does = await halfClose(url, systemClock, signal)
  if (does === 'closed early') {
    return warn(
      `${url}: accepts a connection, and closes it at once`,
      'The collector may take no more connections, not allow this address, or want TLS. Its log says which.',
    )
  }
  if (confirm === 'written') {
    return warn(
      `${url}: connected; SYSLOG_CONFIRM=written proves nothing`,
      does === 'closes' ? 'This collector confirms with SYSLOG_CONFIRM=drain.' : undefined,
    )
  }
  if (does === 'stays open') {
    return warn(
      `${url}: connected, but it does not close a half-closed connection: SYSLOG_CONFIRM=drain will confirm nothing`,
      'Look for a proxy on the way. If it always does that, set SYSLOG_CONFIRM=written, which proves less.',
    )
  }
  return ok(`${url}: connected, and confirms by drain; header and framing are not proven`)
}
