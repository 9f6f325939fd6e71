import type { Agent, IncomingHttpHeaders } from 'node:http'
import { request as httpRequest } from 'node:http'
import { onTestFinished } from 'vitest'
import type { HecReceiver, HecReceiverOptions } from '../../../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../../../src/emulator/hec/server.ts'

export const TOKEN = '11111111-2222-3333-4444-555555555555'
export const CHANNEL = 'FE0ECFAD-13D5-401B-847D-77833BD77131'

/** A receiver that is closed when the test ends. */
export async function receiverFor(options: HecReceiverOptions = {}): Promise<HecReceiver> {
  const receiver = await startHecReceiver(options.tokens ? options : { token: TOKEN, ...options })
  onTestFinished(() => receiver.close())
  return receiver
}

export interface Sent {
  method?: string
  body?: string | Buffer
  /** `undefined` (given) sends no Authorization header. */
  authorization?: string | undefined
  channel?: string
  headers?: Record<string, string>
  /** Default: a connection of its own. */
  agent?: Agent
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The body when it is JSON. */
  json: unknown
}

/** One request over a socket. Rejects when the connection ends before the answer is complete. */
export function send(receiver: HecReceiver, path: string, sent: Sent = {}): Promise<Answer> {
  const authorization = 'authorization' in sent ? sent.authorization : `Splunk ${TOKEN}`
  const headers: Record<string, string> = { 'User-Agent': 'test', ...sent.headers }
  if (authorization !== undefined) headers['Authorization'] = authorization
  if (sent.channel !== undefined) headers['X-Splunk-Request-Channel'] = sent.channel
  if (sent.body !== undefined && !headers['Transfer-Encoding'])
    headers['Content-Length'] ??= String(Buffer.byteLength(sent.body))
  return new Promise((resolve, reject) => {
    const method = sent.method ?? 'POST'
    const request = httpRequest(receiver.url + path, { method, headers, agent: sent.agent ?? false })
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = response.headers['content-type']?.startsWith('application/json')
        const json: unknown = isJson && text !== '' ? JSON.parse(text) : undefined
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json })
      })
    })
    request.end(sent.body)
  })
}

export const EVENT = '/services/collector/event'

/** Posts envelopes (objects, or text as it is) back to back. */
export function post(receiver: HecReceiver, events: ReadonlyArray<object | string>, sent: Sent = {}): Promise<Answer> {
  const body = events.map((event) => (typeof event === 'string' ? event : JSON.stringify(event))).join('')
  return send(receiver, EVENT, { body, ...sent })
}

/** What was indexed, as the `event` values. */
export function indexed(receiver: HecReceiver): unknown[] {
  return receiver.events.map((event) => event.envelope.event)
}
