import { Secret } from '../core/secret.ts'
import { isPrintable } from '../core/text.ts'
import { shown } from './problems.ts'

export type Parsed<T> = { readonly value: T } | { readonly refused: string }

/** Turns the text of one setting or option into its value, or says what is wrong with the text. */
export interface Parser<T> {
  /** The allowed texts in words, for the documentation and for the problem that is printed. */
  readonly allowed: string
  /** The same as a type of JSON Schema, for editors. Absent: text. */
  readonly json?: JsonType
  parse(text: string): Parsed<T>
}

export type JsonType = Readonly<Record<string, unknown>>

/** Every setting has a `max`, so that a typing error (two digits too many) is found. */
export function wholeNumber(min: number, max: number): Parser<number> {
  return {
    allowed: `whole number from ${min} to ${max}`,
    json: { type: 'integer', minimum: min, maximum: max },
    parse: (text) => (/^\d+$/.test(text) ? inRange(Number(text), min, max) : { refused: 'is not a whole number' }),
  }
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
}

/** Bytes: a whole number, or one with a unit (`64MiB`, `1GB`, `1.5 GiB`). */
export function size(min: number, max: number): Parser<number> {
  return {
    allowed: `bytes from ${min} to ${max}, also with KB, MB, GB, KiB, MiB or GiB`,
    json: { anyOf: [{ type: 'integer', minimum: min, maximum: max }, { type: 'string' }] },
    parse(text) {
      const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([KMG]i?B)?$/i.exec(text) ?? []
      if (number === undefined || (unit === '' && number.includes('.'))) return { refused: 'is not a number of bytes' }
      return inRange(Math.floor(Number(number) * (UNITS[unit.toUpperCase()] ?? 1)), min, max)
    },
  }
}

/** Seconds, with decimals. */
export function seconds(min: number, max: number): Parser<number> {
  return {
    allowed: `seconds from ${min} to ${max}, decimals allowed`,
    json: { type: 'number', minimum: min, maximum: max },
    parse: (text) =>
      /^(\d+(\.\d*)?|\.\d+)$/.test(text) ? inRange(Number(text), min, max) : { refused: 'is not a number of seconds' },
  }
}

function inRange(value: number, min: number, max: number): Parsed<number> {
  if (value < min) return { refused: `is less than ${min}` }
  return value > max ? { refused: `is more than ${max}` } : { value }
}

export function choice<const T extends string>(...options: readonly T[]): Parser<T> {
  return {
    allowed: options.join(', '),
    json: { enum: options },
    parse(text) {
      const found = options.find((option) => option === text.toLowerCase())
      return found === undefined ? { refused: 'is not one of the choices' } : { value: found }
    },
  }
}

const TRUE = new Set(['true', '1', 'yes', 'on'])
const FALSE = new Set(['false', '0', 'no', 'off'])

export const boolean: Parser<boolean> = {
  allowed: 'true or false (also 1, 0, yes, no, on, off)',
  json: { type: 'boolean' },
  parse(text) {
    const word = text.toLowerCase()
    if (TRUE.has(word)) return { value: true }
    return FALSE.has(word) ? { value: false } : { refused: 'is neither true nor false' }
  },
}

export const autoOrBoolean: Parser<'auto' | boolean> = {
  allowed: `auto, ${boolean.allowed}`,
  json: { enum: ['auto', true, false] },
  parse: (text) => (text.toLowerCase() === 'auto' ? { value: 'auto' } : boolean.parse(text)),
}

export function matching(pattern: RegExp, allowed: string): Parser<string> {
  return {
    allowed,
    parse: (text) => (pattern.test(text) ? { value: text } : { refused: 'does not have the right form' }),
  }
}

/** Free text for event metadata and paths. */
export const text: Parser<string> = matching(/^\P{Cc}+$/u, 'text on one line')

/** A query may span lines. */
export const multiLine: Parser<string> = {
  allowed: 'text',
  parse: (value) => (value.includes('\0') ? { refused: 'contains a NUL character' } : { value }),
}

/**
 * For secrets and identifiers, which travel in HTTP headers. A newline or quote that was copied with the value would show
 * much later, as a puzzling "invalid header".
 */
export const printable: Parser<string> = {
  allowed: 'printable ASCII without spaces',
  parse(value) {
    if (/^[“”„‘’«].*[“”‘’»]$/.test(value)) return { refused: 'is wrapped in typographic quotes: give the value alone' }
    if (/^(["']).*\1$/.test(value)) return { refused: 'is wrapped in quotes: give the value alone' }
    return isPrintable(value) ? { value } : { refused: 'contains spaces or characters that are not ASCII' }
  },
}

export const secret: Parser<Secret> = {
  allowed: printable.allowed,
  parse(value) {
    const parsed = printable.parse(value)
    return 'value' in parsed ? { value: new Secret(parsed.value) } : parsed
  },
}

/** Users often copy a HEC token together with the scheme of its `Authorization` header. */
export const hecToken: Parser<Secret> = {
  allowed: `${secret.allowed}; the token alone`,
  parse: (value) =>
    /^splunk\s/i.test(value) ? { refused: 'starts with "Splunk ": give the token alone' } : secret.parse(value),
}

/** How a request to Splunk's REST API authenticates. */
export interface SearchToken {
  /** `Bearer` for an authentication token, `Splunk` for a session key. */
  readonly scheme: 'Bearer' | 'Splunk'
  readonly secret: Secret
}

export const searchToken: Parser<SearchToken> = {
  allowed: `${secret.allowed}; the token alone, or after "Bearer " or "Splunk "`,
  parse(value) {
    const [, scheme = 'Bearer', token = ''] = /^(?:(bearer|splunk)\s+)?(.*)$/is.exec(value) ?? []
    const parsed = secret.parse(token)
    if ('refused' in parsed) return parsed
    return { value: { scheme: scheme.toLowerCase() === 'splunk' ? 'Splunk' : 'Bearer', secret: parsed.value } }
  },
}

export const commaList: Parser<readonly string[]> = {
  allowed: 'comma-separated list',
  parse: (value) => ({ value: [...new Set(items(value))] }),
}

/** Among them the commas of Chinese keyboards. */
const OTHER_SEPARATORS = /[;|；，、\s]+/

/** Topics. A `*` at the end stands for the rest of a name, `""` for the empty topic. Quotes hold a name with blanks. */
export const topicList: Parser<readonly string[]> = {
  allowed: 'topics separated by commas; `prefix*` for all that begin so, `""` for the empty one',
  parse(value) {
    const topics = new Set<string>()
    for (const item of items(value)) {
      const topic = /^"([^"]*)"$/.exec(item)?.[1] ?? item
      const isBare = topic === item
      if (isBare && OTHER_SEPARATORS.test(item)) {
        const meant = item.split(OTHER_SEPARATORS).filter(Boolean).join(',')
        return { refused: `needs commas between topics: write ${shown(meant)}` }
      }
      if (isBare && /['[\]{}]/.test(item)) {
        return { refused: `holds ${shown(item)}: write names alone, or in double quotes if these signs belong to one` }
      }
      if (isBare && item.includes('"')) return { refused: `has a quote that is not closed: ${shown(item)}` }
      if (topic.slice(0, -1).includes('*')) return { refused: `may have * only at the end of a topic: ${shown(item)}` }
      topics.add(topic)
    }
    return { value: [...topics] }
  },
}

/** One item at least, each once. */
export function listOf<T>(item: Parser<T>): Parser<readonly T[]> {
  return {
    allowed: `${item.allowed}; several separated by commas`,
    parse(value) {
      const found: T[] = []
      for (const each of new Set(items(value))) {
        const parsed = item.parse(each)
        if ('refused' in parsed) return { refused: `${parsed.refused}${each === value ? '' : `: ${shown(each)}`}` }
        found.push(parsed.value)
      }
      return found.length === 0 ? { refused: 'contains no name' } : { value: found }
    },
  }
}

export function items(list: string): string[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** Address of Log Service without the project. Value: `https://host[:port]`. */
export const slsEndpoint: Parser<string> = {
  allowed: 'host name or IP, optionally with http:// or https:// (the default) and a port; no path',
  parse(value) {
    const url = httpUrl(value.includes('://') ? value : `https://${value}`)
    if ('refused' in url) return url
    return url.value.pathname === '/' ? { value: url.value.origin } : { refused: 'has a path' }
  },
}

/** HEC base URLs. Value: without trailing slash and without the collector's path, which users copy with the URL. */
export const hecUrls: Parser<readonly string[]> = {
  allowed: 'http:// or https:// URL of the collector, several separated by commas; no credentials, query or fragment',
  parse(value) {
    const bases: string[] = []
    for (const item of items(value)) {
      const base = hecBase(item)
      if ('refused' in base) return base
      if (!bases.includes(base.value)) bases.push(base.value)
    }
    return bases.length === 0 ? { refused: 'contains no URL' } : { value: bases }
  },
}

/**
 * Splunk HEC paths: `/services/collector`, then optionally the kind of endpoint and its version. A path before
 * `/services/collector` is the prefix of a reverse proxy and is kept.
 */
const COLLECTOR_PATH = /^(?:|\/services|(.*)\/services\/collector(?:\/(?:event|raw|ack|health)(?:\/1\.0)?)?)$/

/** Pages of Splunk Web are below a language. */
const SPLUNK_WEB_PATH = /^\/[a-z]{2}-[A-Z]{2}(?:\/|$)/

/** Takes linear time, however many slashes there are. */
const TRAILING_SLASHES = /(?<!\/)\/+$/

function hecBase(item: string): Parsed<string> {
  const url = httpUrl(item)
  if ('refused' in url) return url
  const path = COLLECTOR_PATH.exec(url.value.pathname.replace(TRAILING_SLASHES, ''))
  if (path === null) {
    const { origin, pathname, protocol, hostname } = url.value
    if (SPLUNK_WEB_PATH.test(pathname)) {
      const meant = `${protocol}//${hostname}:8088`
      return { refused: `is an address of Splunk Web: the collector has a port of its own, mostly ${meant}` }
    }
    const meant = `${origin}${shown(pathname.replace(TRAILING_SLASHES, ''))}/services/collector`
    const advice = `: write ${meant} if a proxy has this prefix. The bridge then asks ${meant}/event`
    return {
      refused: `has the path ${shown(pathname)}, which does not end in /services/collector${meant.length > 100 ? '' : advice}`,
    }
  }
  return { value: `${url.value.origin}${path[1] ?? ''}` }
}

/** Splunk's management URL. Value: without trailing slash and without `/services…`, which users copy with the URL. */
export const searchUrl: Parser<string> = {
  allowed: 'http:// or https:// URL of the management port; no credentials, query or fragment',
  parse(value) {
    const url = httpUrl(value)
    if ('refused' in url) return url
    return {
      value: url.value.origin + url.value.pathname.replace(/\/services(?:\/.*)?$/, '').replace(TRAILING_SLASHES, ''),
    }
  },
}

function httpUrl(value: string): Parsed<URL> {
  if (!/^https?:\/\//i.test(value)) return { refused: 'does not start with http:// or https://' }
  const url = URL.parse(value)
  if (url === null) {
    const named = /^https?:\/\/[^/?#@]*[a-z-][^/?#@]*?\.(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\/?$/i.test(value)
    return { refused: named ? 'has a name before an IP address: leave the name out' : 'is not a valid URL' }
  }
  if (url.username !== '' || url.password !== '') return { refused: 'contains a user name or password' }
  if (url.search !== '' || url.hash !== '') return { refused: 'contains a query or fragment' }
  return { value: url }
}

/** A forward proxy: its origin, and the value of `Proxy-Authorization` if the URL has credentials. */
export interface ProxyUrl {
  readonly origin: string
  readonly authorization?: Secret
}

export const proxyUrl: Parser<ProxyUrl> = {
  allowed: 'http:// or https:// URL of a forward proxy, optionally with user:password@; the scheme is optional (http)',
  parse(value) {
    const text = value.includes('://') ? value : `http://${value}`
    if (!/^https?:\/\//i.test(text)) return { refused: 'is no http:// or https:// proxy' }
    const url = URL.parse(text)
    if (url === null) return { refused: 'is not a valid URL' }
    const { username, password, origin } = url
    if (username === '' && password === '') return { value: { origin } }
    try {
      const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
      const authorization = new Secret(`Basic ${Buffer.from(pair).toString('base64')}`)
      return { value: { origin, authorization } }
    } catch {
      return { refused: 'has a % in its user name or password that is not %XX (write %25)' }
    }
  },
}

/** Entries of NO_PROXY. Other programs separate them with commas or spaces, and overlook what they do not understand. */
export const noProxyList: Parser<readonly string[]> = {
  allowed: 'host names, addresses and networks, separated by commas; * for all',
  parse: (value) => ({ value: value.split(/[\s,]+/).filter((entry) => entry !== '') }),
}
