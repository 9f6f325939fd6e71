import { isIP } from 'node:net'
import type { Column, Reading } from './products.ts'

/** The keys of CEF for an address that is not IPv4. */
const ADDRESS_KEYS: Readonly<Record<string, { readonly v6: string; readonly label: string; readonly name: string }>> = {
  src: { v6: 'c6a2', label: 'Source IPv6 Address', name: 'shost' },
  dst: { v6: 'c6a3', label: 'Destination IPv6 Address', name: 'dhost' },
}

const PROTOCOLS: Readonly<Record<string, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  47: 'gre',
  50: 'esp',
  58: 'ipv6-icmp',
}

const READ: Readonly<Record<Exclude<Reading, 'address'>, (text: string | undefined) => string | undefined>> = {
  text: (text) => text,
  time: (text) => (text === undefined ? undefined : milliseconds(text)),
  seconds: (text) => {
    const seconds = Number(text)
    return text === undefined || Number.isNaN(seconds) ? undefined : String(Math.round(seconds * 1000))
  },
  lower: (text) => text?.toLowerCase(),
  error: (text) => (text === undefined ? 'success' : 'failure'),
  status: (text) => {
    if (text === undefined) return undefined
    return Number(text) < 400 ? 'success' : 'failure'
  },
  code: (text) => (text === undefined ? undefined : (PROTOCOLS[text] ?? text)),
  verdict: (text) => {
    if (text === undefined) return undefined
    return /^(drop|reject|block)/i.test(text) ? 'blocked' : 'allowed'
  },
  direction: (text) => {
    if (text === undefined || !/^(in|out)/.test(text)) return undefined
    return text.startsWith('in') ? '0' : '1'
  },
}

export interface Read {
  readonly key: string
  readonly label?: string | undefined
  readonly text: string
}

/** The key of a format and its value; `undefined` if the log, or the format, has none for this column. */
export function read(
  { as = 'text', cef, leef, label }: Column,
  format: 'cef' | 'leef',
  text?: string,
): Read | undefined {
  const key = format === 'cef' ? cef : leef
  if (key === undefined) return undefined
  if (as === 'address') return text === undefined ? undefined : address(key, format, text)
  const value = READ[as](text)
  return value === undefined ? undefined : { key, label: format === 'cef' ? label : undefined, text: value }
}

function address(key: string, format: 'cef' | 'leef', text: string): Read | undefined {
  const family = isIP(text)
  const others = ADDRESS_KEYS[key]
  if (family === 4 || (family === 6 && format === 'leef') || others === undefined) return { key, text }
  if (format === 'leef') return undefined
  return family === 6 ? { key: others.v6, label: others.label, text } : { key: others.name, text }
}

/** ISO 8601 with a zone, or a unix time in any unit. */
function milliseconds(text: string): string | undefined {
  if (/^\d{10}$/.test(text)) return `${text}000`
  if (/^\d{13}$/.test(text)) return text
  if (/^\d{16}$/.test(text)) return text.slice(0, 13)
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : String(at)
}
