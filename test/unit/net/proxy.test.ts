import { once } from 'node:events'
import type { IncomingHttpHeaders, RequestListener } from 'node:http'
import { createServer, request } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { connect, createServer as createTcpServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { proxyUrl } from '../../../src/config/parsers.ts'
import type { Fault } from '../../../src/core/errors.ts'
import { Connections } from '../../../src/net/connections.ts'
import { networkFault, variablesOf } from '../../../src/net/network-fault.ts'
import type { ForwardProxy } from '../../../src/net/proxy.ts'
import { environmentOf, proxyFor, tunnel } from '../../../src/net/proxy.ts'
import { selfSigned } from '../emulator/hec/certificate.ts'

const PROXY: ForwardProxy = { origin: 'http://proxy:3128' }

describe('NO_PROXY', () => {
  test.each<[origin: string, except: string[], proxied: boolean]>([
    ['https://hec.example.com:8088', [], true],
    ['https://hec.example.com:8088', ['*'], false],
    ['https://hec.example.com:8088', ['example.com'], false],
    ['https://hec.example.com:8088', ['.Example.com'], false],
    ['https://hec.example.com:8088', ['*.example.com'], false],
    ['https://hec.example.com:8088', ['ample.com'], true],
    ['https://hec.example.com:8088', ['hec.example.com:8088'], false],
    ['https://hec.example.com:8088', ['hec.example.com:443'], true],
    ['https://hec.example.com', ['hec.example.com:443'], false],
    ['http://10.1.2.3:8088', ['10.0.0.0/8'], false],
    ['http://10.1.2.3:8088', ['10.1.2.3'], false],
    ['http://10.1.2.3:8088', ['10.1.2.4', '10.0.0.0/99', '3'], true],
    ['http://[fd00::1]:8088', ['fd00::/8'], false],
    ['http://[fd00::1]:8088', ['fd00:0::1'], false],
    ['http://[fd00::1]:8088', ['[fd00::1]:8088'], false],
    ['http://[fd00::1]:8088', ['[fd00::1]:80'], true],
  ])('%s with %j → through the proxy: %s', (origin, except, proxied) => {
    expect(proxyFor(origin, { http: PROXY, https: PROXY, except })).toBe(proxied ? PROXY : undefined)
  })

  test('each scheme has its own proxy', () => {
    expect(proxyFor('http://hec', { https: PROXY, except: [] })).toBe(undefined)
    expect(proxyFor('https://hec', { http: PROXY, except: [] })).toBe(undefined)
  })
})

test('credentials reach the agents of Node as they were given', () => {
  const parsed = proxyUrl.parse('http://us%40er:50%25%3A%2541@proxy:3128')
  if (!('value' in parsed)) throw new Error(parsed.refused)
  expect(environmentOf({ https: parsed.value, except: [] })['HTTPS_PROXY']).toBe(
    'http://us%40er:50%25%3A%2541@proxy:3128/',
  )
})

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A forward proxy that notes what it is asked for, and refuses with `refusal` if there is one. */
async function forwardProxy(refusal?: { status: number }) {
  const asked: Array<{ target: string; headers: IncomingHttpHeaders }> = []
  const server = createServer((incoming, outgoing) => {
    asked.push({ target: incoming.url ?? '', headers: incoming.headers })
    if (refusal) outgoing.writeHead(refusal.status).end('no')
    else {
      const { method, headers } = incoming
      const through = request(incoming.url ?? '', { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
        answer.pipe(outgoing)
      })
      incoming.pipe(through)
    }
  })
  server.on('connect', (incoming, socket) => {
    asked.push({ target: incoming.url ?? '', headers: incoming.headers })
    if (refusal) {
      socket.end(`HTTP/1.1 ${refusal.status} No\r\n\r\n`)
      return
    }
    const [, port] = (incoming.url ?? '').split(':')
    const through = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      through.pipe(socket).pipe(through)
    })
    through.on('error', () => socket.destroy())
    onTestFinished(() => {
      through.destroy()
    })
  })
  const parsed = proxyUrl.parse(`http://us%40er:p%3Aass@127.0.0.1:${await listening(server)}`)
  if (!('value' in parsed)) throw new Error(parsed.refused)
  return { proxies: { http: parsed.value, https: parsed.value, except: [] }, asked }
}

const CREDENTIALS = `Basic ${Buffer.from('us@er:p:ass').toString('base64')}`
const taken: RequestListener = (incoming, answer) => {
  incoming.resume().on('end', () => answer.end(`took ${incoming.url}`))
}

function asking(origin: string, proxies: Awaited<ReturnType<typeof forwardProxy>>['proxies'], ca?: string) {
  const tls = ca === undefined ? undefined : { verify: true, ca }
  const connections = new Connections(origin, { connect: { timeoutMs: 5_000, proxies, tls } })
  onTestFinished(() => connections.end())
  return async (path: string): Promise<string | Fault> => {
    try {
      const answer = await connections.request({ method: 'POST', path, headers: { 'x-of': 'ours' }, body: 'events' })
      return await answer.body.text()
    } catch (error) {
      return networkFault(error as Error, { sent: true, answering: false }, origin, variablesOf('PEER'))
    }
  }
}

describe('a forward proxy', () => {
  test('opens a tunnel for https, which one connection after the other uses', async () => {
    const identity = selfSigned('localhost')
    const port = await listening(createHttpsServer(identity, taken))
    const { proxies, asked } = await forwardProxy()
    const ask = asking(`https://localhost:${port}`, proxies, identity.cert)
    expect([await ask('/a'), await ask('/b')]).toEqual(['took /a', 'took /b'])
    expect(asked).toMatchObject([{ target: `localhost:${port}`, headers: { 'proxy-authorization': CREDENTIALS } }])
  })

  test('is asked for the whole URL of http', async () => {
    const port = await listening(createServer(taken))
    const { proxies, asked } = await forwardProxy()
    const ask = asking(`http://127.0.0.1:${port}`, proxies)
    expect([await ask('/a'), await ask('/b?c=d')]).toEqual(['took /a', 'took /b?c=d'])
    expect(asked[1]).toMatchObject({
      target: `http://127.0.0.1:${port}/b?c=d`,
      headers: { 'proxy-authorization': CREDENTIALS, 'x-of': 'ours', host: `127.0.0.1:${port}` },
    })
  })

  test.each(['http', 'https'])(
    'whose credentials are refused pauses with a reason that names them (%s)',
    async (scheme) => {
      const { proxies } = await forwardProxy({ status: 407 })
      expect(await asking(`${scheme}://localhost:1`, proxies)('/')).toMatchObject({
        kind: 'configuration',
        code: 'PROXY_407',
        advice: expect.stringContaining('user name and a password'),
      })
    },
  )

  test('that forbids the host is a configuration fault, one that cannot reach it is not', async () => {
    const fault = async (status: number) => asking('https://localhost:1', (await forwardProxy({ status })).proxies)('/')
    expect(await fault(403)).toMatchObject({ kind: 'configuration', advice: expect.stringContaining('NO_PROXY') })
    expect(await fault(502)).toMatchObject({ kind: 'transient', message: expect.stringContaining('proxy http://127') })
  })

  test('that says more behind its answer is heard once: a page, or the first bytes of the other side', async () => {
    const server = createTcpServer((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n<html>login</html>'))
    })
    const socket = connect(await listening(server), '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    await tunnel(socket, PROXY, 'hec.example.com:8088', 5_000)
    expect(String(socket.read())).toBe('<html>login</html>')
    expect(socket.read()).toBe(null)
  })

  test('that is not there is named', async () => {
    const proxies = { https: { origin: 'http://127.0.0.1:1' }, except: [] }
    const connections = new Connections('https://localhost:2', { connect: { timeoutMs: 5_000, proxies } })
    onTestFinished(() => connections.end())
    const failed = connections.request({ method: 'GET', path: '/' })
    await expect(failed).rejects.toMatchObject({ code: 'ECONNREFUSED', message: /proxy http:\/\/127\.0\.0\.1:1/ })
  })

  test('whose name has no address is not sought at the alias of the origin', async () => {
    const { proxies, asked } = await forwardProxy()
    const { port } = new URL(proxies.https.origin)
    const lost = { ...proxies.https, origin: `http://proxy.invalid:${port}` }
    const connect = { timeoutMs: 5_000, proxies: { https: lost, except: [] }, alias: 'localhost' }
    const connections = new Connections('https://project.invalid:2', { connect })
    onTestFinished(() => connections.end())
    const failed = connections.request({ method: 'GET', path: '/' })
    await expect(failed).rejects.toMatchObject({
      message: /proxy http:\/\/proxy\.invalid:/,
      code: /^(ENOTFOUND|EAI_AGAIN)$/,
    })
    expect(asked).toEqual([])
  })
})
