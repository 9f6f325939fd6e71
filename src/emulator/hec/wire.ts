import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FaultAction } from '../fault-rule.ts'
import { answerMidway } from '../faults.ts'
import type { HecReply } from './response.ts'

/** How long the rest of an unwanted body is taken in, so that a client still writing it can read why. */
const DRAIN_MS = 10_000

/**
 * Puts an answer on the wire with the headers splunkd sends; a reply's own headers win, even when they lie. A `cut`
 * sends nothing of it (`after`) or half (`midway`).
 */
export async function sendReply(
  request: IncomingMessage,
  response: ServerResponse,
  reply: HecReply,
  cut?: FaultAction['cut'],
): Promise<void> {
  const { socket } = request
  if (cut === 'after') {
    socket.destroy()
    return
  }
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
  // splunkd speaks HTTP/1.0 without keep-alive to clients that don't introduce themselves (forceHttp10 = auto).
  const closes =
    reply.close === true || !request.headers['user-agent'] || /\bclose\b/i.test(request.headers.connection ?? '')
  const headers = merge(reply.headers, {
    'Content-Type': reply.type,
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': String(body.length),
    Vary: 'Authorization',
    Connection: closes ? 'Close' : 'Keep-Alive',
    'X-Frame-Options': 'SAMEORIGIN',
    Server: 'Splunkd',
  })
  if (cut === 'midway') {
    answerMidway(response, reply.status, headers, body)
    return
  }
  response.writeHead(reply.status, headers)
  const unread = reply.close === true && !request.complete
  if (unread) {
    response.write(body)
    request.resume()
    await once(request, 'close', { signal: AbortSignal.timeout(DRAIN_MS) }).catch(() => socket.destroy())
  }
  response.end(unread || request.method === 'HEAD' ? undefined : body)
  // After a length that lies the connection can't carry another answer.
  if (Object.keys(reply.headers ?? {}).some(isContentLength)) socket.end()
}

/** `own` overridden by `given`; names are compared without case. */
function merge(given: Record<string, string> = {}, own: Record<string, string>): Record<string, string> {
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()))
  const rest = Object.entries(own).filter(([name]) => !names.has(name.toLowerCase()))
  return { ...Object.fromEntries(rest), ...given }
}

function isContentLength(name: string): boolean {
  return name.toLowerCase() === 'content-length'
}
