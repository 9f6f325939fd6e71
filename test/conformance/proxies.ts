/** Two proxies that lead clients without an address setting to the emulator and observe them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer as createHttpServer, request as httpRequest } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream'

export interface Detour {
  port: number
  close(): Promise<void>
}

/**
 * Forwards every request unchanged, also absolute-form targets, after it has arrived completely. `onRequest` sees it first. The
 * request waits while the promise of `onRequest` is pending.
 */
export async function startHttpProxy(
  to: number,
  onRequest: (request: IncomingMessage, body: Buffer) => void | Promise<void>,
  onAnswer: (request: IncomingMessage, body: Buffer, answer: IncomingMessage) => void = () => {},
): Promise<Detour> {
  const agent = new Agent({ keepAlive: true })
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await request.toArray().then(Buffer.concat, () => undefined)
    // A client that left during a request gets no answer. A complete request is forwarded even if its sender is gone.
    if (!body) return
    await onRequest(request, body)
    const { method, url, rawHeaders } = request
    const onward = httpRequest({
      ...{ agent, host: '127.0.0.1', port: to, setHost: false },
      ...{ method, path: url, headers: rawHeaders as unknown as Record<string, string> },
    })
    onward.on('response', (answer) => {
      onAnswer(request, body, answer)
      if (response.destroyed) return void answer.resume()
      response.writeHead(answer.statusCode as number, answer.rawHeaders)
      pipeline(answer, response, () => {})
    })
    onward.on('error', () => response.destroy())
    onward.end(body)
  }
  const server = createHttpServer({ keepAliveTimeout: 120_000 }, (request, response) => void pass(request, response))
  const proxy = await listening(server)
  return {
    port: proxy.port,
    close: async () => {
      server.closeAllConnections()
      agent.destroy()
      await proxy.close()
    },
  }
}

/** SOCKS 5 (RFC 1928) without authentication. Every connection goes to `to`, whatever its target. */
export function startSocksProxy(to: number): Promise<Detour> {
  return listening(createServer((client) => greet(client, to)))
}

function greet(client: Socket, to: number): void {
  client.on('error', () => client.destroy())
  client.once('data', () => {
    client.write(Uint8Array.of(5, 0))
    client.once('data', () => {
      const server = connect(to, '127.0.0.1', () => {
        client.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        pipeline(client, server, client, () => {})
      })
      server.on('error', () => client.destroy())
      client.on('close', () => server.destroy())
    })
  })
}

async function listening(server: Server): Promise<Detour> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
