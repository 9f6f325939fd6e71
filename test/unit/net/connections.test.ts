import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ConnectionsOptions } from '../../../src/net/connections.ts'
import { Connections } from '../../../src/net/connections.ts'
import { selfSigned } from '../emulator/hec/certificate.ts'

const answerOf = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** Answers each request as it is told, and counts the connections. */
async function served(
  answer: (socket: Socket, path: string) => void,
  options: Pick<ConnectionsOptions, 'lifeMs' | 'repeatable'> = {},
) {
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
  const connections = new Connections(origin, {
    connect: { timeoutMs: 10_000 },
    ...options,
  })
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

describe('a spare answer', () => {
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

describe('interim answers that were not asked for', () => {
  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
  const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n'
  const inPieces = (socket: Socket, text: string): void => {
    for (const byte of text) socket.write(byte)
  }
  test.each<[name: string, send: (socket: Socket, answer: string) => void]>([
    ['in one piece with the answer', (socket, answer) => socket.write(CONTINUE + answer)],
    ['before the answer', (socket, answer) => socket.write(CONTINUE, () => socket.write(answer))],
    ['several of them', (socket, answer) => socket.write(CONTINUE + HINTS + CONTINUE + answer)],
    ['byte by byte', (socket, answer) => inPieces(socket, CONTINUE + HINTS + answer)],
  ])('%s are passed over, and the connection is used again', async (_, send) => {
    const { get, opened } = await served((socket, path) => send(socket, answerOf(path)))
    for (let round = 0; round < 5; round++) expect(await get(`/${round}`)).toBe(`/${round}`)
    expect(opened()).toBe(1)
  })

  test('an answer that looks like one inside its body arrives whole', async () => {
    const { get } = await served((socket) => socket.write(answerOf(CONTINUE)))
    expect(await get('/')).toBe(CONTINUE)
  })

  test('one after the answer belongs to no request, and ends the connection', async () => {
    const { get, opened } = await served((socket, path) => socket.write(answerOf(path) + CONTINUE))
    expect([await get('/1'), await get('/2')]).toEqual(['/1', '/2'])
    expect(opened()).toBe(2)
  })

  test('what is not HTTP is recognised as such', async () => {
    const { get } = await served((socket) => socket.write('220 mail ready\r\n'))
    await expect(get('/')).rejects.toMatchObject({ name: 'HTTPParserError' })
  })
})

test('a connection that the server closes before any request is told from one that was lost', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const connections = new Connections(origin, { connect: { timeoutMs: 10_000 } })
  onTestFinished(() => connections.end())
  await expect(connections.request({ method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'hung_up' })
})

describe('an answer that comes before any request', () => {
  async function speakingFirst(greeting: string) {
    const server = createServer((socket) => {
      socket.on('error', () => {}).on('data', () => socket.write(answerOf('asked')))
      socket.write(greeting)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const connections = new Connections(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      connect: { timeoutMs: 10_000 },
    })
    onTestFinished(() => connections.end())
    return connections.request({ method: 'GET', path: '/' })
  }

  test('is none: the connection is closed and nothing is sent', async () => {
    await expect(speakingFirst(answerOf('unasked'))).rejects.toMatchObject({ code: 'unasked_answer' })
  })

  test('and is not HTTP is recognised as such', async () => {
    await expect(speakingFirst('220 mail ready\r\n')).rejects.toMatchObject({ name: 'HTTPParserError' })
  })

  test('and is an interim one is passed over', async () => {
    const { body } = await speakingFirst('HTTP/1.1 100 Continue\r\n\r\n')
    expect(await body.text()).toBe('asked')
  })
})

test('an answer that no request waits for closes the connection', async () => {
  const sockets: Socket[] = []
  const { get, opened } = await served((socket, path) => {
    sockets.push(socket)
    socket.write(answerOf(path))
  })
  expect(await get('/first')).toBe('/first')
  const [first] = sockets as [Socket]
  first.write(answerOf('spare'))
  await once(first, 'close')
  expect(await get('/second')).toBe('/second')
  expect(opened()).toBe(2)
})

test('a connection rests for some 5 ms before it is used again, so that a spare answer meets no request', async () => {
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
    const { get, opened } = await served((socket, path) => socket.write(answerOf(path)), { lifeMs: 0 })
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

  test('that ended fail requests under way and later ones', async () => {
    const asked = Promise.withResolvers<void>()
    const { connections, get } = await served(() => asked.resolve())
    const rejected = expect(get('/')).rejects.toMatchObject({ code: 'UND_ERR_DESTROYED' })
    await asked.promise
    await connections.end()
    await rejected
    await expect(get('/later')).rejects.toMatchObject({ code: 'UND_ERR_DESTROYED' })
  })
})

/** More than the operating system takes at once, however far it goes. */
const LARGE = Buffer.alloc(48 << 20, 'event ')

/** Takes each connection by hand. Of what arrives nothing is read before the server reads it. */
async function takenBy(serve: (socket: Socket) => void, { tls = false } = {}) {
  const identity = selfSigned('localhost')
  const sockets = new Set<Socket>()
  const take = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  }
  const server = tls ? createTlsServer(identity, take) : createServer({ noDelay: true }, take)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connections = new Connections(`${tls ? 'https' : 'http'}://localhost:${port}`, {
    connect: { timeoutMs: 10_000, tls: { verify: true, ca: identity.cert } },
  })
  onTestFinished(async () => {
    await connections.end()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return connections
}

/** Answers as soon as the head of a request is there, and leaves its body where it is until told. */
function answeringEarly(head: string) {
  const arrived: Buffer[] = []
  let socket: Socket | undefined
  const serve = (accepted: Socket): void => {
    socket = accepted
    accepted.once('data', (first: Buffer) => {
      accepted.pause()
      arrived.push(first)
      accepted.write(`HTTP/1.1 ${head}\r\nContent-Length: 5\r\n\r\nearly`)
    })
  }
  /** Up to so many bytes, or to the end in whatever way. */
  const readOn = async (bytes = Number.POSITIVE_INFINITY): Promise<Buffer> => {
    let length = arrived.reduce((sum, piece) => sum + piece.length, 0)
    try {
      for await (const piece of socket as Socket) {
        arrived.push(piece as Buffer)
        length += (piece as Buffer).length
        if (length >= bytes) break
      }
    } catch {} // cut off
    return Buffer.concat(arrived)
  }
  return { serve, readOn }
}

const roundsOfTheLoop = async (rounds: number): Promise<void> => {
  for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a server that answers before all of the request has left', () => {
  test.each([{ tls: false }, { tls: true }])(
    'is not done before that, $tls: what leaves later is whole',
    async ({ tls }) => {
      const server = answeringEarly('200 OK')
      const connections = await takenBy(server.serve, { tls })
      const body = Buffer.from(LARGE)
      const { body: answer } = await connections.request({ method: 'POST', path: '/', body })
      let over = false
      // The memory is used for the next batch as soon as this request counts as done.
      const text = answer.text().then((got) => {
        over = true
        body.fill('other ')
        return got
      })
      await roundsOfTheLoop(100)
      expect(over).toBe(false)
      const arrived = await server.readOn(body.length)
      expect(await text).toBe('early')
      expect(arrived.subarray(-LARGE.length).equals(LARGE)).toBe(true)
    },
  )

  test('and closes has not answered', async () => {
    const server = answeringEarly('200 OK\r\nConnection: close')
    const connections = await takenBy(server.serve)
    const { body: answer } = await connections.request({ method: 'POST', path: '/', body: LARGE })
    await expect(answer.text()).rejects.toThrow()
    expect((await server.readOn()).length).toBeLessThan(LARGE.length)
  })

  test('and never reads the rest is given up when the caller has waited long enough', async () => {
    const server = answeringEarly('200 OK')
    const connections = await takenBy(server.serve)
    const waited = new AbortController()
    const { body: answer } = await connections.request({
      ...{ method: 'POST', path: '/', body: LARGE, signal: waited.signal },
    })
    const given = expect(answer.text()).rejects.toThrow('long enough')
    await roundsOfTheLoop(20)
    waited.abort(new Error('long enough'))
    await given
    // Nothing of it leaves any more.
    expect((await server.readOn()).length).toBeLessThan(LARGE.length)
  })

  test.each(['413 Payload Too Large', '413 Payload Too Large\r\nConnection: close', '503 Service Unavailable'])(
    'may refuse it, and gets nothing that lies there later: %j',
    async (head) => {
      const server = answeringEarly(head)
      const connections = await takenBy(server.serve)
      const body = Buffer.from(LARGE)
      const { body: answer } = await connections.request({ method: 'POST', path: '/', body })
      expect(await answer.text()).toBe('early')
      body.fill('other ')
      const arrived = await server.readOn()
      expect(arrived.length).toBeLessThan(body.length)
      expect(arrived.includes('other ')).toBe(false)
    },
  )
})

test('over TLS head and body leave in separate records, so that the body is not copied', async () => {
  const pieces: Buffer[] = []
  const body = Buffer.alloc(1 << 20, 'event ')
  const serve = (socket: Socket): void => {
    socket.on('data', (piece) => {
      pieces.push(piece)
      if (Buffer.concat(pieces).includes(body)) socket.write(answerOf('taken'))
    })
  }
  const connections = await takenBy(serve, { tls: true })
  const answer = await connections.request({ method: 'POST', path: '/', body })
  expect(await answer.body.text()).toBe('taken')
  expect(pieces[0]?.toString('latin1')).toMatch(/^POST .*\r\n\r\n$/s)
})

test('the event loop turns between two large bodies that could leave at once', async () => {
  const { connections, get } = await served((socket, path) => socket.write(answerOf(path)))
  const happened: string[] = []
  let over = false
  onTestFinished(() => {
    over = true
  })
  const round = (): void => {
    happened.push('round')
    if (!over) setImmediate(round)
  }
  // Three connections that are open and have rested.
  await Promise.all(['/1', '/2', '/3'].map((path) => get(path)))
  const rested = performance.now() + 10
  while (performance.now() < rested) await new Promise((resolve) => setImmediate(resolve))
  setImmediate(round)
  const body = Buffer.alloc(1 << 20, 'x')
  const begun = [1, 2, 3].map(() => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const onRequestStart = (): void => {
      happened.push('begun')
      resolve()
    }
    connections.dispatch({ method: 'POST', path: '/', body }, { onRequestStart, onResponseError: () => {} })
    return promise
  })
  await Promise.all(begun)
  expect(happened.join(' ')).not.toContain('begun begun')
})

describe('a connection that was kept ends at the next request', () => {
  /** Answers the first request of each connection and resets it at the next. */
  const resetting = (repeatable: boolean) => {
    const answered = new WeakSet<Socket>()
    return served(
      (socket, path) => {
        if (path === '/always' || answered.has(socket)) socket.resetAndDestroy()
        else socket.write(answerOf(path))
        answered.add(socket)
      },
      { repeatable },
    )
  }

  test('a request that may be repeated is sent again on another one, and its sender sees nothing of it', async () => {
    const { get, opened } = await resetting(true)
    for (let round = 0; round < 6; round++) expect(await get(`/${round}`)).toBe(`/${round}`)
    expect(opened()).toBeGreaterThan(3)
  })

  test('it is sent again once only, and not where the connection is new', async () => {
    const { get, opened } = await resetting(true)
    await expect(get('/always')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(opened()).toBe(1)
    await get('/kept')
    await expect(get('/always')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(opened()).toBe(3)
  })

  test('others fail, since they may have arrived', async () => {
    const { get } = await resetting(false)
    await get('/first')
    await expect(get('/second')).rejects.toMatchObject({ code: 'ECONNRESET' })
  })
})
