import { parseTemplate } from '../routing/template.ts'
import type { Parser } from './parsers.ts'
import { items, text } from './parsers.ts'
import { shown } from './problems.ts'

const FACILITIES =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock local0 local1 local2 local3 local4 local5 local6 local7'.split(
    ' ',
  )
const SEVERITIES = 'emerg alert crit err warning notice info debug'.split(' ')
const LONG_SEVERITIES: Readonly<Record<string, string>> = {
  emergency: 'emerg',
  critical: 'crit',
  error: 'err',
  warn: 'warning',
  informational: 'info',
}

/** Value: 0–23. */
export const facility: Parser<number> = numbered(FACILITIES, {})
const fixedSeverity = numbered(SEVERITIES, LONG_SEVERITIES)
/** Value: 0–7, or `auto`. */
export const severity: Parser<number | 'auto'> = {
  allowed: `auto, ${fixedSeverity.allowed}`,
  parse: (text) => (text.toLowerCase() === 'auto' ? { value: 'auto' } : fixedSeverity.parse(text)),
}

/** A name of the list or its number. */
function numbered(list: readonly string[], others: Readonly<Record<string, string>>): Parser<number> {
  return {
    allowed: `${list.join(', ')}, or a number from 0 to ${list.length - 1}`,
    parse(text) {
      const word = text.toLowerCase()
      const number = /^\d{1,2}$/.test(word) ? Number(word) : list.indexOf(others[word] ?? word)
      return number >= 0 && number < list.length ? { value: number } : { refused: 'is not one of the choices' }
    },
  }
}

const SYSLOG_PORTS: Readonly<Record<string, number>> = { tcp: 514, tls: 6514, udp: 514, relp: 2514, 'relp+tls': 6514 }

/** Syslog collectors. Value: `tcp://`, `tls://`, `udp://`, `relp://` or `relp+tls://`, host and port, each once. */
export const syslogUrls: Parser<readonly string[]> = {
  allowed:
    'tcp://, tls://, udp://, relp:// or relp+tls:// with host:port, the port optional; several separated by commas',
  parse(value) {
    const targets = new Set<string>()
    for (const item of items(value)) {
      const [, scheme = '', host = '', port] =
        /^([a-z+]+):\/\/([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?\/?$/.exec(item) ?? []
      const known = SYSLOG_PORTS[scheme]
      if (known === undefined) {
        const meant = item.includes('://') ? '' : `; write tcp://${shown(item)} or another of these`
        return { refused: `is not such a URL: ${shown(item)}${meant}` }
      }
      const number = port === undefined ? known : Number(port)
      if (number < 1 || number > 65_535) return { refused: `has a port that is not from 1 to 65535: ${shown(item)}` }
      targets.add(`${scheme}://${host}:${number}`)
    }
    return targets.size === 0 ? { refused: 'contains no URL' } : { value: [...targets] }
  },
}

/** Text with fields of the log in braces. */
export const hostNameTemplate: Parser<string> = {
  allowed: 'text on one line; `{project}`, `{logstore}`, `{topic}`, `{source}` and `{field}` are replaced',
  parse(value) {
    const template = parseTemplate(value)
    return 'parts' in template ? text.parse(value) : { refused: template.problem }
  },
}

export const timeZone: Parser<string> = {
  allowed: 'IANA name of a time zone',
  parse(value) {
    try {
      return { value: new Intl.DateTimeFormat('en-US', { timeZone: value }).resolvedOptions().timeZone }
    } catch {
      return { refused: 'is not a time zone' }
    }
  },
}
