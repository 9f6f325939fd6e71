import type { Fields } from './line.ts'
import { fieldsOf, Line } from './line.ts'

const HTTP_DATE = /^\d\d\/[A-Za-z]{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}$/
const REQUEST = /^(\w+) (\S+)(?: HTTP\/(\d+(?:\.\d+)?))?$/
const NUMBER = /^\d+$/

/** `127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326`; more may follow. */
export function parseApacheCommon(text: string): Fields | undefined {
  return parseAccess(new Line(text))
}

/** The same with referrer and agent in quotes, also of nginx; more may follow. */
export function parseApacheCombined(text: string): Fields | undefined {
  const line = new Line(text)
  const common = parseAccess(line)
  if (common === undefined || !line.take(' ')) return undefined
  const referrer = line.takeQuoted()
  if (referrer === undefined || !line.take(' ')) return undefined
  const agent = line.takeQuoted()
  return agent === undefined || !isEndOfField(line) ? undefined : new Map([...common, ...fieldsOf({ referrer, agent })])
}

/** Names are grok's. A request that is none is `rawrequest`; `-` for the bytes is no field. */
function parseAccess(line: Line): Fields | undefined {
  const clientip = line.takeWord()
  if (clientip === undefined || !line.take(' ')) return undefined
  const ident = line.takeWord()
  if (ident === undefined || !line.take(' ')) return undefined
  const auth = line.takeUntil(' [')
  const timestamp = line.takeUntil('] ')
  if (auth === undefined || auth === '' || timestamp === undefined || !HTTP_DATE.test(timestamp)) return undefined
  const asked = line.takeQuoted()
  if (asked === undefined || !line.take(' ')) return undefined
  const response = line.takeWord()
  if (response === undefined || !NUMBER.test(response) || !line.take(' ')) return undefined
  const bytes = line.takeWord()
  if (bytes === undefined || (bytes !== '-' && !NUMBER.test(bytes))) return undefined
  const [, verb, request, httpversion] = REQUEST.exec(asked) ?? []
  return fieldsOf({
    ...{ clientip, ident, auth, timestamp, verb, request, httpversion },
    rawrequest: verb === undefined && asked !== '' ? asked : undefined,
    response,
    bytes: bytes === '-' ? undefined : bytes,
  })
}

function isEndOfField(line: Line): boolean {
  return line.isAtEnd || line.text[line.at] === ' '
}

/**
 * Of version 2.0 `[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] message`, of version 2.4
 * `[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] (13)text: [client 72.15.99.187:55] message`.
 */
export function parseApacheError(text: string): Fields | undefined {
  const line = new Line(text)
  const timestamp = takeBracketed(line)
  const [, module, level] = /^(?:(\w*):)?(\w+)$/.exec(takeBracketed(line) ?? '') ?? []
  if (timestamp === undefined || level === undefined || !ERROR_DATE.test(timestamp)) return undefined
  const process = line.text.startsWith('[pid ', line.at) ? takeBracketed(line) : undefined
  const [, pid, tid] = /^pid (\d+)(?::tid (\d+))?$/.exec(process ?? '') ?? []
  const error = takeSystemError(line)
  const client = line.take('[client ') ? line.takeUntil('] ') : undefined
  return fieldsOf({
    ...{ timestamp, module: module === '' ? undefined : module, level, pid, tid },
    ...(client !== undefined && addressOf(client, process !== undefined)),
    message: error + line.rest,
  })
}

const ERROR_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4}$/

/** The inside of `[…]`, and the blank behind it. */
function takeBracketed(line: Line): string | undefined {
  return line.take('[') ? line.takeUntil('] ') : undefined
}

/** What the operating system says, `(13)Permission denied: `, if the client stands behind it. */
function takeSystemError(line: Line): string {
  const client = line.text.indexOf('[client ', line.at)
  if (client === -1 || line.text[line.at] !== '(' || !line.text.startsWith(': ', client - 2)) return ''
  const error = line.text.slice(line.at, client)
  line.at = client
  return error
}

/** Version 2.4 writes the port behind every address, also behind one of IPv6. */
function addressOf(client: string, isVersion24: boolean): { clientip: string; clientport?: string } {
  const colon = client.lastIndexOf(':')
  const port = client.slice(colon + 1)
  if (colon === -1 || !NUMBER.test(port) || !(isVersion24 || client.indexOf(':') === colon)) return { clientip: client }
  return { clientip: client.slice(0, colon), clientport: port }
}
