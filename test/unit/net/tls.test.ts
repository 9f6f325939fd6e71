import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TlsOptions } from 'node:tls'
import { createServer } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Fault } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { Connections } from '../../../src/net/connections.ts'
import { networkFault, variablesOf } from '../../../src/net/network-fault.ts'
import type { Tls } from '../../../src/net/tls.ts'
import { selfSigned } from '../emulator/hec/certificate.ts'

/** Answers every request with 200. Its certificate may be changed. */
async function served(options: TlsOptions) {
  const sockets = new Set<Socket>()
  const server = createServer({ ...options, ciphers: 'DEFAULT@SECLEVEL=0' }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { origin: `https://localhost:${port}`, server }
}

/** Each request has a connection of its own. */
function asking(origin: string, tls: Tls) {
  const notices: string[] = []
  const notice = (level: string, message: string): number => notices.push(`${level}: ${message}`)
  const connections = new Connections(origin, { lifeMs: -1, connect: { timeoutMs: 10_000, tls, notice } })
  onTestFinished(() => connections.end())
  const ask = async (body = ''): Promise<string | Fault> => {
    try {
      const answer = await connections.request({ method: 'POST', path: '/', body })
      return await answer.body.text()
    } catch (error) {
      return networkFault(error as Error, { sent: true, answering: false }, origin, variablesOf('PEER'))
    }
  }
  return { ask, notices }
}

const FOREVER = new Date('2049-12-31T23:59:59Z')
const EXPIRED = new Date('2021-01-01T00:00:00Z')

describe('a certificate that OpenSSL refuses', () => {
  test.each([
    ['a key that is too short', selfSigned('localhost', FOREVER, { rsaBits: 1024 }), 'Put another certificate'],
    ['another purpose', selfSigned('localhost', FOREVER, { forClientsOnly: true }), 'Put another certificate'],
    ['an end in the past', selfSigned('localhost', EXPIRED), 'Renew the certificate'],
    ['another name', selfSigned('elsewhere'), 'PEER_TLS_SERVER_NAME'],
  ])('for %s is a configuration fault with its own remedy, though its CA is trusted', async (_, identity, remedy) => {
    const { origin } = await served(identity)
    const { ask } = asking(origin, { verify: true, ca: identity.cert })
    expect(await ask()).toMatchObject({
      kind: 'configuration',
      message: expect.stringContaining("the server's certificate is refused"),
      advice: expect.stringContaining(remedy),
    })
  })

  test('by an unknown CA calls for that CA', async () => {
    const { origin } = await served(selfSigned('localhost'))
    const { ask } = asking(origin, { verify: true })
    expect(await ask()).toMatchObject({ kind: 'configuration', advice: expect.stringContaining('PEER_TLS_CA_FILE') })
  })
})

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'tls-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

describe('TLS files that change', () => {
  test('are read again for new connections; half-written ones are not used', async () => {
    const [old, fresh] = [selfSigned('localhost'), selfSigned('localhost')]
    const ca = join(folder(), 'ca.pem')
    writeFileSync(ca, old.cert)
    const { origin, server } = await served(old)
    const { ask, notices } = asking(origin, { verify: true, ca: old.cert, files: { ca } })
    expect(await ask()).toBe('ok')

    writeFileSync(ca, fresh.cert.slice(0, 300))
    expect(await ask()).toBe('ok')
    expect(notices).toEqual([expect.stringMatching(/^warn: .* cannot be used/)])

    server.setSecureContext(fresh)
    expect(await ask()).toMatchObject({ kind: 'configuration' })
    writeFileSync(ca, fresh.cert)
    expect(await ask()).toBe('ok')
    expect(notices).toHaveLength(2)
    expect(notices[1]).toMatch(/^info: /)
  })

  test('behind a link that is changed, as Kubernetes does, are read again, too', async () => {
    const [old, fresh] = [selfSigned('localhost'), selfSigned('localhost')]
    const dir = folder()
    writeFileSync(join(dir, 'old.pem'), old.cert)
    writeFileSync(join(dir, 'new.pem'), fresh.cert)
    symlinkSync('old.pem', join(dir, 'ca.pem'))
    const { origin } = await served(fresh)
    const { ask } = asking(origin, { verify: true, ca: old.cert, files: { ca: join(dir, 'ca.pem') } })
    expect(await ask()).toMatchObject({ kind: 'configuration' })
    symlinkSync('new.pem', join(dir, 'next'))
    renameSync(join(dir, 'next'), join(dir, 'ca.pem'))
    expect(await ask()).toBe('ok')
  })

  test('a key that does not fit its certificate yet leaves the old pair in use', async () => {
    const [server, old, fresh] = [selfSigned('localhost'), selfSigned('old'), selfSigned('fresh')]
    const files = { cert: join(folder(), 'client.pem'), key: join(folder(), 'client.key') }
    writeFileSync(files.cert, fresh.cert)
    writeFileSync(files.key, old.key)
    const { origin } = await served({
      ...{ ...server, requestCert: true, rejectUnauthorized: true, ca: [old.cert, fresh.cert] },
    })
    const tls = { verify: true, ca: server.cert, cert: old.cert, key: new Secret(old.key), files }
    const { ask, notices } = asking(origin, tls)
    expect(await ask()).toBe('ok')
    writeFileSync(files.key, fresh.key)
    expect(await ask()).toBe('ok')
    expect(notices.map((notice) => notice.slice(0, 4))).toEqual(['warn', 'info'])
  })
})

test('a client certificate that TLS 1.3 refuses late is recognised at the second connection at the latest', async () => {
  const identity = selfSigned('localhost')
  const { origin } = await served({ ...identity, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' })
  const { ask } = asking(origin, { verify: true, ca: identity.cert })
  const large = 'x'.repeat(8 << 20)
  await ask(large)
  expect(await ask(large)).toMatchObject({
    kind: 'configuration',
    advice: expect.stringContaining('PEER_TLS_CERT_FILE'),
  })
})

test('a host known by an alias only is connected to there, and its certificate may be for either name', async () => {
  const identity = selfSigned('localhost')
  const { origin } = await served(identity)
  const { port } = new URL(origin)
  const connect = { timeoutMs: 10_000, tls: { verify: true, ca: identity.cert }, alias: 'localhost' }
  const connections = new Connections(`https://project.example.invalid:${port}`, { connect })
  onTestFinished(() => connections.end())
  const answer = await connections.request({ method: 'GET', path: '/' })
  expect(await answer.body.text()).toBe('ok')
})
