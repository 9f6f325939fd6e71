import { once } from 'node:events'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import type { SlsClientOptions } from '../../../src/sls/client.ts'
import { SlsClient } from '../../../src/sls/client.ts'

export interface SeenRequest {
  method: string
  /** As sent, query included. */
  target: string
  path: string
  query: Record<string, string>
  headers: IncomingHttpHeaders
  body: Buffer
  /** Local port of the client: tells connections apart. */
  connection: number
}

export type Reply = (response: ServerResponse, request: SeenRequest) => void

/** A server that answers each request with the next reply, the last one for ever, and remembers what it was asked. */
export async function scriptedServer(...replies: Reply[]) {
  const seen: SeenRequest[] = []
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const target = incoming.url ?? ''
      const { pathname, searchParams } = new URL(target, 'http://ignored')
      const request = {
        method: incoming.method ?? '',
        target,
        path: pathname,
        query: Object.fromEntries(searchParams),
        headers: incoming.headers,
        body: Buffer.concat(chunks),
        connection: incoming.socket.remotePort ?? 0,
      }
      const reply = replies[Math.min(seen.length, replies.length - 1)] as Reply
      seen.push(request)
      reply(response, request)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { seen, port: (server.address() as AddressInfo).port }
}

export function clientOf(port: number, options: Partial<SlsClientOptions> = {}): SlsClient {
  const client = new SlsClient({
    endpoint: `http://127.0.0.1:${port}`,
    project: 'my-project',
    logstore: 'my-logstore',
    credentials: async () => ({ accessKeyId: 'testAccessKeyId', accessKeySecret: new Secret('testAccessKeySecret') }),
    userAgent: 'sls-siem-bridge/test',
    timeoutMs: 5000,
    ...options,
  })
  onTestFinished(() => client.close())
  return client
}

/** A client and the server it talks to. */
export async function connected(replies: Reply | Reply[], options: Partial<SlsClientOptions> = {}) {
  const { seen, port } = await scriptedServer(...[replies].flat())
  return { seen, port, client: clientOf(port, options) }
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', 'x-log-requestid': 'REQUEST1', ...headers })
    response.end(JSON.stringify(body))
  }
}

export function raw(body: string | Uint8Array, status = 200, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, headers)
    response.end(body)
  }
}

export function failure(
  status: number,
  errorCode: string,
  errorMessage = 'text',
  headers: Record<string, string> = {},
) {
  return json({ errorCode, errorMessage }, status, headers)
}

export const empty: Reply = raw('')

/** Takes the request and never answers. */
export const silence: Reply = () => {}
