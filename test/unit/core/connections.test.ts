import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Connections } from '../../../src/core/connections.ts'
import { selfSigned } from '../emulator/hec-certificate.ts'

const answerOf = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** Answers each request as it is told, and counts the connections. */
async function served(answer: (socket: Socket, path: string) => void, lifeMs?: number) {
  const sockets = new Set<Socket>()
  let opened = 0
  const server = createServer({ noDelay: true }, (socket) => {
    opened++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    socket.on('data', (bytes) => {
      for (const [, path] of bytes.toString().matchAll(/GET (\S+) /g)) answer(socket, path as string)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const connections = new Connections(origin, { connect: {}, ...(lifeMs !== undefined && { lifeMs }) })
  onTestFinished(async () => {
    await connections.end()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const get = async (path: string): Promise<string> => {
    const { body } = await connections.request({ method: 'GET', path })
    return await body.text()
  }
  return { connections, get, opened: () => opened }
}

describe('an answer too many', () => {
  test.each<[name: string, send: (socket: Socket, first: string, spare: string) => void]>([
    ['in one piece with the first', (socket, first, spare) => socket.write(first + spare)],
    [
      'right behind the first',
      (socket, first, spare) => {
        socket.write(first)
        socket.write(spare)
      },
    ],
  ])('%s is never taken for the answer to the next request', async (_, send) => {
    const { get } = await served((socket, path) => send(socket, answerOf(path), answerOf('spare')))
    for (let round = 0; round < 50; round++) expect(await get(`/${round}`)).toBe(`/${round}`)
    const together = await Promise.all(Array.from({ length: 50 }, (__, n) => get(`/t${n}`)))
    expect(together).toEqual(Array.from({ length: 50 }, (__, n) => `/t${n}`))
  })
})

test('an answer that comes while nobody waits for one costs the connection', async () => {
  const closed = Promise.withResolvers<void>()
  const { get, opened } = await served((socket, path) => {
    socket.write(answerOf(path))
    if (path !== '/first') return
    socket.once('close', closed.resolve)
    setTimeout(() => socket.write(answerOf('spare')), 30)
  })
  expect(await get('/first')).toBe('/first')
  await closed.promise
  expect(await get('/second')).toBe('/second')
  expect(opened()).toBe(2)
})

test('a connection rests for some 5 ms before it is used again, so that an answer too many finds nobody waiting', async () => {
  const answeredAt = new WeakMap<Socket, number>()
  const rests: number[] = []
  const { get, opened } = await served((socket, path) => {
    const before = answeredAt.get(socket)
    if (before !== undefined) rests.push(performance.now() - before)
    answeredAt.set(socket, performance.now())
    socket.write(answerOf(path))
  })
  for (let round = 0; round < 30; round++) await Promise.all([get('/a'), get('/b'), get('/c')])
  // Timers may fire up to a millisecond early by this clock.
  expect(Math.min(...rests)).toBeGreaterThan(3.5)
  expect(opened()).toBe(3)
})

describe('connections', () => {
  test('are as many as there are requests at a time', async () => {
    const waiting: Socket[] = []
    const { get, opened } = await served((socket) => waiting.push(socket))
    const answers = Array.from({ length: 20 }, () => get('/'))
    while (waiting.length < 20) await new Promise((resolve) => setImmediate(resolve))
    expect(opened()).toBe(20)
    for (const socket of waiting) socket.write(answerOf('late'))
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 20 }, () => 'late'))
  })

  test('that are old are replaced', async () => {
    const { get, opened } = await served((socket, path) => socket.write(answerOf(path)), 0)
    for (let round = 0; round < 5; round++) await get(`/${round}`)
    expect(opened()).toBe(5)
  })

  test('that broke are replaced', async () => {
    const { get, opened } = await served((socket, path) => {
      if (path === '/break') socket.destroy()
      else socket.write(answerOf(path))
    })
    await get('/')
    await expect(get('/break')).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' })
    expect(await get('/again')).toBe('/again')
    expect(opened()).toBe(2)
  })

  test('that ended fail what is under way and what comes later', async () => {
    const asked = Promise.withResolvers<void>()
    const { connections, get } = await served(() => asked.resolve())
    const rejected = expect(get('/')).rejects.toMatchObject({ code: 'UND_ERR_DESTROYED' })
    await asked.promise
    await connections.end()
    await rejected
    await expect(get('/later')).rejects.toMatchObject({ code: 'UND_ERR_DESTROYED' })
  })
})

test('over TLS a body does not lie in one record with its head: for that it would have been copied, all of it', async () => {
  const identity = selfSigned('localhost')
  const pieces: Buffer[] = []
  const body = Buffer.alloc(1 << 20, 'event ')
  const server = createTlsServer(identity, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (piece) => {
      pieces.push(piece)
      if (Buffer.concat(pieces).includes(body)) socket.write(answerOf('taken'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connections = new Connections(`https://localhost:${port}`, { connect: { ca: identity.cert } })
  onTestFinished(async () => {
    await connections.end()
    server.close()
  })
  const answer = await connections.request({ method: 'POST', path: '/', body })
  expect(await answer.body.text()).toBe('taken')
  expect(pieces[0]?.toString('latin1')).toMatch(/^POST .*\r\n\r\n$/s)
})
