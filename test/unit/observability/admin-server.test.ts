import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { hostname } from 'node:os'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { AdminServerOptions } from '../../../src/observability/admin-server.ts'
import { startAdminServer } from '../../../src/observability/admin-server.ts'
import { LOGSTORE } from '../../support/shard-ref.ts'
import { fault, observed } from './observed.ts'

async function started(given: Partial<AdminServerOptions> = {}) {
  const it = await observed()
  const options = {
    ...{ host: '127.0.0.1', port: 0, portWasSet: true, allowedHosts: ['bridge.internal'] },
    ...{ registry: it.metrics.registry, ...it, ...given },
  }
  const server = await startAdminServer(options)
  onTestFinished(() => server.close().catch(() => {}))
  return { ...it, server, get: (path: string, init: RequestInit = {}) => fetch(server.url + path, init) }
}

/** A port that is taken and does not answer, with a few free ports above it. */
async function takenPort(): Promise<number> {
  const blocker = createServer()
  blocker.listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  onTestFinished(() => void blocker.close())
  return (blocker.address() as AddressInfo).port
}

describe('the name under which it is asked', () => {
  /** Status and body of the answer to a request with these header lines. */
  async function asked(port: number, path: string, ...lines: string[]): Promise<{ status: number; body: string }> {
    const socket = connect(port, '127.0.0.1')
    socket.end([`GET ${path} HTTP/1.${lines.length === 0 ? 0 : 1}`, ...lines, 'Connection: close', '', ''].join('\r\n'))
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n', 2)
    return { status: Number(head.split(' ')[1]), body }
  }

  test.each([
    '127.0.0.1',
    '10.1.2.3:9464',
    '[::1]:9464',
    'localhost:9464',
    'LOCALHOST',
    'localhost.:80',
    hostname(),
    'bridge.internal:9464',
  ])('%s is its own', async (host) => {
    const { server } = await started()
    expect(await asked(server.port, '/livez', `Host: ${host}`)).toEqual({ status: 200, body: 'ok\n' })
  })

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'bridge.internal.evil',
    'internal',
    '',
  ])('“%s” is foreign, and is refused on every path with what to do', async (host) => {
    const { server } = await started()
    for (const path of ['/', '/metrics', '/livez', '/readyz', '/status.json', '/nothing']) {
      const { status, body } = await asked(server.port, path, `Host: ${host}`)
      expect([status, body]).toEqual([403, expect.stringContaining('ADMIN_ALLOWED_HOSTS')])
    }
  })

  test('a name in ADMIN_HOST is its own, and a request without a Host is answered', async () => {
    const { server } = await started({ host: 'localhost' })
    expect((await asked(server.port, '/livez', 'Host: localhost')).status).toBe(200)
    expect((await asked(server.port, '/livez')).status).toBe(200)
  })
})

describe('endpoints', () => {
  test('/metrics answers in Prometheus’ text format', async () => {
    const { get } = await started()
    const response = await get('/metrics')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain.*version=/)
    expect(await response.text()).toContain('sls_bridge_build_info{version="1.2.3"} 1')
  })

  test('/livez is 200 even while nothing is ready', async () => {
    const { get } = await started()
    expect((await get('/livez')).status).toBe(200)
  })

  test('/readyz says why not, one reason per line, and ok once ready', async () => {
    const { get, telemetry } = await started()
    const before = await get('/readyz')
    expect(before.status).toBe(503)
    expect(await before.text()).toMatch(/^.*consumer group.*\n$/)
    telemetry.heartbeat(LOGSTORE, 'ok')
    const ready = await get('/readyz')
    expect([ready.status, await ready.text()]).toEqual([200, 'ok\n'])
    telemetry.paused(
      { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } },
      fault('configuration', '4', 'Invalid token'),
    )
    telemetry.paused(
      { reason: 'dead_letter', scope: { of: 'sink', sink: 'splunk_hec' } },
      fault('configuration', 'ENOSPC', 'disk full'),
    )
    const paused = await get('/readyz')
    expect(paused.status).toBe(503)
    expect((await paused.text()).split('\n')).toEqual([
      expect.stringContaining('Invalid token'),
      expect.stringContaining('disk full'),
      '',
    ])
  })

  test('/readyz is JSON for a client that asks for JSON', async () => {
    const { get } = await started()
    const response = await get('/readyz', { headers: { accept: 'application/json' } })
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ ready: false, reasons: [expect.stringContaining('consumer group')] })
  })

  test('/readyz names an endpoint that is paused by itself, and stays ready while the others get its events', async () => {
    const { get, telemetry } = await started()
    telemetry.heartbeat(LOGSTORE, 'ok')
    telemetry.endpoint('splunk_hec', 'https://a:8088', undefined)
    telemetry.endpoint('splunk_hec', 'https://b:8088', fault('configuration', '1', 'Token disabled', 'enable it'))
    const named = 'endpoint https://b:8088 is paused: Token disabled (enable it)'
    const ready = await get('/readyz')
    expect([ready.status, await ready.text()]).toEqual([200, `ok\n${named}\n`])
    const asJson = await get('/readyz', { headers: { accept: 'application/json' } })
    expect(await asJson.json()).toEqual({ ready: true, reasons: [], notes: [named] })
    expect(await (await get('/')).text()).toContain('endpoint https://b:8088 is paused')
    telemetry.endpoint('splunk_hec', 'https://b:8088', undefined)
    expect(await (await get('/readyz')).text()).toBe('ok\n')
  })

  test('/ is the status page, with links to them', async () => {
    const { get } = await started()
    const response = await get('/')
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none';/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const text = await response.text()
    for (const path of ['metrics', 'livez', 'readyz', 'status.json']) expect(text).toContain(`href="${path}"`)
  })

  test('/status.json is what the page shows, for programs', async () => {
    const { get, telemetry } = await started()
    telemetry.paused(
      { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } },
      fault('configuration', '4', 'Invalid token', 'fix it'),
    )
    const response = await get('/status.json')
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject({
      about: { consumer: 'replica-1', group: 'g', project: 'p', logstore: 'l' },
      ready: false,
      pauses: [{ reason: 'hec_configuration', scope: 'sink', message: 'Invalid token', advice: 'fix it' }],
    })
  })

  test('a path that does not exist is answered with the list of those that do', async () => {
    const { get } = await started()
    const text = await (await get('/nothing')).text()
    for (const path of ['/ ', '/status.json', '/metrics', '/livez', '/readyz']) expect(text).toContain(path)
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('no path accepts %s', async (method) => {
    const { get } = await started()
    for (const path of ['/', '/status.json', '/metrics']) expect((await get(path, { method })).status).toBe(405)
  })

  test('a query is ignored, an unknown path is 404, another method 405', async () => {
    const { get } = await started()
    expect((await get('/livez?probe=1')).status).toBe(200)
    expect((await get('/nothing')).status).toBe(404)
    const post = await get('/livez', { method: 'POST', body: 'x' })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('HEAD answers as GET does, without the body', async () => {
    const { get } = await started()
    const response = await get('/livez', { method: 'HEAD' })
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '3', ''])
  })
})

describe('the port', () => {
  test('0 takes a free port, and the log says which', async () => {
    const { server, lines } = await started()
    expect(server.port).toBeGreaterThan(0)
    expect(lines()[0]).toMatchObject({ level: 'info', msg: expect.stringContaining(`http://127.0.0.1:${server.port}`) })
  })

  test('a taken default port means the next free one above it, and the log says so', async () => {
    const port = await takenPort()
    const { server, lines, get } = await started({ port, portWasSet: false })
    expect(server.port).toBeGreaterThan(port)
    expect(server.port).toBeLessThan(port + 100)
    expect(lines()[0]?.msg).toContain(String(port))
    expect(lines()[0]?.msg).toContain(server.url)
    expect((await get('/livez')).status).toBe(200)
  })

  test('two replicas with one default port get two ports', async () => {
    const port = await takenPort()
    const first = await started({ port, portWasSet: false })
    const second = await started({ port, portWasSet: false })
    expect(second.server.port).toBeGreaterThan(first.server.port)
  })

  test(':: is reached over IPv6 and over IPv4', async () => {
    const { server } = await started({ host: '::' })
    expect(server.url).toBe(`http://[::]:${server.port}`)
    for (const address of ['127.0.0.1', '[::1]']) {
      expect((await fetch(`http://${address}:${server.port}/livez`)).status).toBe(200)
    }
  })

  test('a free default port is used', async () => {
    const { server } = await started()
    await server.close()
    const again = await started({ port: server.port, portWasSet: false })
    expect(again.server.port).toBe(server.port)
  })

  test('a port that was set and is taken may become free: a transient fault that names it', async () => {
    const port = await takenPort()
    const refused = started({ port, portWasSet: true })
    await expect(refused).rejects.toMatchObject({ name: 'Fault', kind: 'transient', code: 'admin_port_in_use' })
    await expect(refused).rejects.toThrow(String(port))
  })

  test.each(['192.0.2.1', 'not-there-yet.invalid'])(
    'the address %s may come later: a transient fault',
    async (host) => {
      await expect(started({ host })).rejects.toMatchObject({ name: 'Fault', kind: 'transient' })
    },
  )
})

test('closing frees the port, and waits neither for a kept-alive connection nor for half a request', async () => {
  const { server, get } = await started()
  await (await get('/livez')).text()
  const half = connect(server.port, '127.0.0.1')
  half.on('error', () => {})
  half.write('GET /livez HTTP/1.1\r\nHost: x\r\n')
  await once(half, 'connect')
  const closed = new Promise((resolve) => half.once('close', resolve))
  await server.close()
  await closed
  const again = await started({ port: server.port, portWasSet: true })
  expect(again.server.port).toBe(server.port)
})

describe('connections', () => {
  /** Opens one that sends `text`, and resolves with its socket once it is open. */
  async function opened(port: number, text = '') {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    socket.write(text)
    return socket
  }

  test('that are idle do not lock a probe out: the newest replaces the one that is idle longest', async () => {
    const { server, get } = await started()
    const sockets = []
    for (let n = 0; n < 200; n++) sockets.push(await opened(server.port))
    expect((await get('/livez')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(503)
    const oldest = sockets[0]
    if (!oldest?.closed && oldest) await once(oldest, 'close')
    expect(sockets.at(-1)?.closed).toBe(false)
  })

  test('whose clients read no answer do not lock a probe out', { timeout: 30_000 }, async () => {
    const { server, get } = await started()
    for (let n = 0; n < 80; n++) {
      const socket = await opened(server.port, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(10))
      socket.pause()
    }
    expect((await get('/livez')).status).toBe(200)
  })

  test.each([
    ['silent', ''],
    ['stuck in the middle of a request', 'GET /livez HTTP/1.1\r\nHost: x\r\n'],
    ['done', 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('that are %s are closed after seconds', { timeout: 20_000 }, async (_, text) => {
    const { server } = await started()
    const socket = await opened(server.port, text)
    socket.resume()
    await once(socket, 'close')
  })
})
