import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { OfficialClient } from '../../../src/sls/official-client.ts'
import type { Reply } from './scripted-server.ts'
import { empty, failure, json, raw, scriptedServer } from './scripted-server.ts'

const GROUP = { logs: [{ timestamp: 1_700_000_000, content: { a: 'b' } }] }

async function writer(...replies: Reply[]) {
  const { seen, port } = await scriptedServer(...replies)
  return { seen, client: clientAt(`http://127.0.0.1:${port}`) }
}

function clientAt(endpoint: string): OfficialClient {
  const client = new OfficialClient({
    ...{ endpoint, project: 'my-project', logstore: 'my-logstore', userAgent: 'test', timeoutMs: 5_000 },
    ...{ accessKeyId: 'id', accessKeySecret: new Secret('the-key/secret'), securityToken: new Secret('the-sts/token') },
  })
  onTestFinished(() => client.close())
  return client
}

describe('an answer that is not a success', () => {
  test.each<[string, Reply, RegExp]>([
    ['an empty 503', raw('', 503), /HTTP 503.*no text/],
    ['a page of a proxy', raw('<html>Bad Gateway</html>', 502, { 'content-type': 'text/html' }), /HTTP 502.*Bad Gat/],
    ['a page with status 200', raw('<html>log in</html>', 200, { 'content-type': 'text/html' }), /HTTP 200.*log in/],
    ['an empty 503 that calls itself JSON', raw('', 503, { 'content-type': 'application/json' }), /HTTP 503/],
    ['JSON that is cut', raw('{"errorCode":', 500, { 'content-type': 'application/json' }), /HTTP 500/],
    ['JSON without the service’s code', json({ message: 'no upstream' }, 503), /HTTP 503.*no upstream/],
    ['a redirection', raw('', 302, { location: 'http://elsewhere/' }), /HTTP 302/],
  ])('%s fails the write', async (_, reply, message) => {
    const { client } = await writer(reply, empty)
    await expect(client.write(GROUP)).rejects.toThrow(message)
    await client.write(GROUP)
  })

  test('of the service has its code and request id', async () => {
    const { client } = await writer(failure(403, 'WriteQuotaExceed', 'too fast'))
    await expect(client.write(GROUP)).rejects.toMatchObject({
      ...{ message: 'too fast', code: 'WriteQuotaExceed', requestid: 'REQUEST1' },
    })
  })

  test('belongs to its own call, of several at the same time', async () => {
    const { client } = await writer(raw('', 503), empty, raw('', 503), empty)
    const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => client.write(GROUP)))
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected'])
  })

  test('may quote the request: neither the token nor the key shows', async () => {
    const quoted: Reply = (response, { headers }) => {
      const text = `string to sign: x-acs-security-token:${headers['x-acs-security-token']} the-key/secret`
      json({ errorCode: 'SignatureNotMatch', errorMessage: text }, 401)(response, undefined as never)
    }
    const { client, seen } = await writer(quoted)
    const error = await client.write(GROUP).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SignatureNotMatch', message: expect.stringContaining('string to sign') })
    expect(seen[0]?.headers['x-acs-security-token']).toBe('the-sts/token')
    expect(inspect(error, { depth: 5 })).not.toMatch(/the-sts|the-key/)
  })
})

test.each(['127.0.0.1', '::1'])('an endpoint at %s is connected to directly', async (address) => {
  const hosts: Array<string | undefined> = []
  const server = createServer(({ headers }, response) => {
    hosts.push(headers.host)
    response.end()
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((listening) => server.listen(0, address, listening))
  const host = `${address.includes(':') ? `[${address}]` : address}:${(server.address() as AddressInfo).port}`
  await clientAt(`http://${host}`).write(GROUP)
  expect(hosts).toEqual([`my-project.${host}`])
})
