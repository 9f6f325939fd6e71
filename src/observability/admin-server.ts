import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Registry } from 'prom-client'
import { Fault, mayComeLater, messageOf } from '../core/errors.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { Health } from './health.ts'
import type { OwnNames } from './own-names.ts'
import { isOwnHost } from './own-names.ts'
import type { Status } from './status.ts'
import { CONTENT_SECURITY_POLICY, statusPage } from './status-page.ts'

export interface AdminServerOptions extends OwnNames {
  /** 0 takes a free port. */
  port: number
  /** If a default port is taken, the next free one above it is used. A port that was set and is taken is an error. */
  portWasSet: boolean
  registry: Registry
  health: Health
  status: Status
  telemetry: Pick<Telemetry, 'notice'>
}

export interface AdminServer {
  readonly host: string
  readonly port: number
  /** `http://host:port` */
  readonly url: string
  /** Resolves when the port is free again. It closes the connections that clients keep open. */
  close(): Promise<void>
}

const PORTS_TRIED = 100

/** A client that says nothing, or only half of a request, is soon disconnected. */
const TIME_LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
}
/** A client that does not read its answer is disconnected. */
const SILENCE_MS = 10_000
/** Prometheus, probes and people need a handful. */
const CONNECTIONS = 64

/** Rejects with a Fault when it cannot listen on the port: `transient` if the address may come or the port become free. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { telemetry } = options
  let rendering: Promise<string> | undefined
  // Requests that come together share one text: making it takes milliseconds, in which nothing is delivered.
  const metrics = (): Promise<string> => {
    rendering ??= options.registry.metrics().finally(() => {
      rendering = undefined
    })
    return rendering
  }
  const server = createServer(TIME_LIMITS, (request, response) => {
    answer(options, metrics, request, response).catch((error: unknown) => {
      telemetry.notice('warn', `${request.url} could not be answered: ${messageOf(error)}`)
      send(request, response, 500, 'internal error\n')
    })
  })
  server.setTimeout(SILENCE_MS)
  limitConnections(server)
  const { address, port } = await listenSomewhere(server, options)
  server.on('error', (error) => telemetry.notice('warn', `the admin server takes no connection: ${messageOf(error)}`))
  const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}`
  const instead = port === options.port || options.port === 0 ? '' : ` (port ${options.port} was taken)`
  telemetry.notice('info', `metrics and health at ${url}${instead}`)
  return {
    host: address,
    port,
    url,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()))
        server.closeAllConnections()
      }),
  }
}

/**
 * Room for the newest connection, so that clients that keep many of them open do not lock a probe out. It replaces the one
 * that has been idle longest, or, if all are being answered, the oldest.
 */
function limitConnections(server: Server): void {
  // The least recently used comes first.
  const idle = new Set<Socket>()
  const answering = new Set<Socket>()
  server.on('connection', (socket) => {
    idle.add(socket)
    socket.once('close', () => {
      idle.delete(socket)
      answering.delete(socket)
    })
    if (idle.size + answering.size <= CONNECTIONS) return
    const [surplus] = idle.size > 1 ? idle : answering
    surplus?.destroy()
  })
  server.on('request', ({ socket }, response) => {
    idle.delete(socket)
    answering.add(socket)
    response.once('close', () => {
      if (answering.delete(socket) && !socket.destroyed) idle.add(socket)
    })
  })
}

interface Listening {
  address: string
  port: number
}

/** Every address of the machine: of both families, or of IPv4 where there is no IPv6. */
const EVERY_ADDRESS = '::'
const EVERY_IPV4_ADDRESS = '0.0.0.0'
const WITHOUT_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL']

async function listenSomewhere(server: Server, options: AdminServerOptions): Promise<Listening> {
  const { host, port, portWasSet } = options
  const last = portWasSet || port === 0 ? port : Math.min(port + PORTS_TRIED - 1, 65_535)
  for (let candidate = port; candidate <= last; candidate++) {
    try {
      return await listen(server, host, candidate)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      if (code === 'EADDRINUSE') continue
      if (host === EVERY_ADDRESS && WITHOUT_IPV6.includes(code)) {
        return await listenSomewhere(server, { ...options, host: EVERY_IPV4_ADDRESS })
      }
      const kind = mayComeLater(error) ? 'transient' : 'configuration'
      throw new Fault(kind, `cannot listen on ${host} port ${candidate}: ${messageOf(error)}`, {
        code: 'admin_address',
        advice: 'set ADMIN_HOST to an address of this machine, and ADMIN_PORT to a port this user may open',
        cause: error,
      })
    }
  }
  const tried = last === port ? `port ${port}` : `ports ${port} to ${last}`
  throw new Fault('transient', `cannot listen on ${host}: ${tried} in use`, {
    code: 'admin_port_in_use',
    advice:
      'set ADMIN_PORT to a free port, or to 0 to have one found; containers on the network of one host need a port each, such as ADMIN_PORT=9465',
  })
}

function listen(server: Server, host: string, port: number): Promise<Listening> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.removeListener('error', reject)
      resolve({ address: host, port: (server.address() as AddressInfo).port })
    })
  })
}

const INDEX = `/             status of this replica, for people
/status.json  the same for programs
/metrics      Prometheus metrics
/livez        200 while the process is alive
/readyz       200 while logs flow or would; 503 and why otherwise
`

const FOREIGN_HOST =
  'the name in this address is not one of this server: use an IP address, or add it to ADMIN_ALLOWED_HOSTS\n'

async function answer(
  options: AdminServerOptions,
  metrics: () => Promise<string>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isOwnHost(request.headers.host, options)) return send(request, response, 403, FOREIGN_HOST)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return send(request, response, 405, 'only GET and HEAD\n')
  }
  switch (request.url?.split('?')[0] ?? '') {
    case '/':
      response.setHeader('content-security-policy', CONTENT_SECURITY_POLICY)
      return send(request, response, 200, statusPage(options.status.snapshot()), 'text/html; charset=utf-8')
    case '/status.json':
      return send(
        request,
        response,
        200,
        `${JSON.stringify(await options.status.freshSnapshot())}\n`,
        'application/json',
      )
    case '/livez':
      return send(request, response, 200, 'ok\n')
    case '/readyz':
      return readiness(options.health, request, response)
    case '/metrics': {
      return send(request, response, 200, await metrics(), options.registry.contentType)
    }
    default:
      return send(request, response, 404, `not found; there is:\n${INDEX}`)
  }
}

/** One reason per line, then notes; or `{"ready","reasons"}`, and `"notes"` if there are any, if the client asks for JSON. */
function readiness(health: Health, request: IncomingMessage, response: ServerResponse): void {
  const { ready, reasons } = health.ready()
  const notes = health.notes()
  const status = ready ? 200 : 503
  if (request.headers.accept?.includes('application/json')) {
    const body = { ready, reasons, ...(notes.length > 0 && { notes }) }
    send(request, response, status, `${JSON.stringify(body)}\n`, 'application/json')
  } else {
    send(request, response, status, `${[...(ready ? ['ok'] : reasons), ...notes].join('\n')}\n`)
  }
}

function send(request: IncomingMessage, response: ServerResponse, status: number, body: string, type?: string): void {
  response.writeHead(status, {
    'content-type': type ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
