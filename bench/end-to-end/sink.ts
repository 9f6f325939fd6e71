/**
 * A HEC that accepts everything unread, in its own process (fork it), so that the measured program never waits for it.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer as createDrain } from 'node:net'

export interface SinkOptions {
  /** Indexer acknowledgement. */
  ack: boolean
  /** PEM files. */
  tls?: { cert: string; key: string }
  /** Accepts requests with events and never answers them. */
  stalled?: boolean
}

/** Sent when it is ready. */
export interface SinkReady {
  url: string
  /** Port that reads and discards raw bytes. */
  drainPort: number
}

/** Sent from time to time. */
export interface SinkState {
  /** Requests with events, and the bytes of their bodies as received. */
  requests: number
  bytes: number
}

const EVERY_MS = 100

const { ack, tls, stalled } = JSON.parse(process.argv[2] ?? '{}') as SinkOptions
const state: SinkState = { requests: 0, bytes: 0 }
const http = { keepAliveTimeout: 120_000 }
const server = tls
  ? createTlsServer({ ...http, cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, serve)
  : createServer(http, serve)

function serve(request: IncomingMessage, response: ServerResponse): void {
  const answer = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  }
  if (request.method === 'GET') {
    answer(200, { text: 'HEC is healthy', code: 17 })
    return
  }
  if (request.url?.includes('/ack')) {
    void asked(request).then(([status, body]) => answer(status, body))
    return
  }
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  request.on('end', () => {
    if (bytes === 0) {
      answer(400, { text: 'No data', code: 5 })
    } else if (!stalled) {
      state.requests += 1
      state.bytes += bytes
      answer(200, { text: 'Success', code: 0, ...(ack && { ackId: state.requests }) })
    }
  })
}

/** Reports everything as indexed at once. */
async function asked(request: IncomingMessage): Promise<[status: number, body: object]> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  if (!ack) return [400, { text: 'ACK is disabled', code: 14 }]
  const { acks = [] } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { acks?: number[] }
  return [200, { acks: Object.fromEntries(acks.map((id) => [id, true])) }]
}

const drain = createDrain((socket) => socket.resume().on('error', () => socket.destroy()))
server.listen(0, '127.0.0.1')
drain.listen(0, '127.0.0.1')
await Promise.all([once(server, 'listening'), once(drain, 'listening')])
const url = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
process.send?.({ url, drainPort: (drain.address() as AddressInfo).port } satisfies SinkReady)
setInterval(() => process.send?.(state), EVERY_MS)
process.on('disconnect', () => process.exit())
process.on('error', () => process.exit())
