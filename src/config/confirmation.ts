import type { SyslogConfig } from './model.ts'

/** Signs for a syslog sink that its messages arrived, from the strongest to none. */
type Confirmation = 'relp' | 'drain' | 'written' | 'none'

/** The worth of each, as a person reads it. */
export const WORTH: Readonly<Record<Confirmation, string>> = {
  relp: 'RELP: the collector answers each message',
  drain: 'drain: the collector has read everything',
  written: 'written: likely, and no proof',
  none: 'none: what UDP loses is lost, and nobody is told',
}

function confirmationOf(url: string, confirm: SyslogConfig['confirm']): Confirmation {
  if (url.startsWith('udp:')) return 'none'
  return url.startsWith('relp') ? 'relp' : confirm
}

/** Of all targets of a sink, each kind once. */
export function confirmationsOf({ urls, confirm }: Pick<SyslogConfig, 'urls' | 'confirm'>): readonly Confirmation[] {
  return [...new Set(urls.map((url) => confirmationOf(url, confirm)))]
}
