import { describe, expect, test } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { startSlsEmulator } from '../../../src/emulator/sls/server.ts'
import { SlsClient } from '../../../src/sls/client.ts'
import type { Credentials } from '../../../src/sls/signature.ts'
import type { Reply, SeenRequest } from './scripted-server.ts'
import { connected, empty, failure, json, silence } from './scripted-server.ts'

const OLD: Credentials = { accessKeyId: 'old', accessKeySecret: new Secret('old-secret') }
const NEW: Credentials = {
  accessKeyId: 'new',
  accessKeySecret: new Secret('new-secret'),
  securityToken: new Secret('new-token'),
}

async function client(replies: Reply[], { others = NEW }: { others?: Credentials | 'none' } = {}) {
  const refused: Credentials[] = []
  const told: string[] = []
  const made = await connected(replies, {
    credentials: async () => OLD,
    credentialsRefused: async (these) => {
      refused.push(these)
      return others === 'none' ? undefined : others
    },
    credentialsChoice: 'oidc',
    onRequest: (api, status, code) => told.push(`${api} ${status} ${code}`),
  })
  return { ...made, refused, told }
}

const signedBy = ({ headers }: SeenRequest) => /^LOG ([^:]+):/.exec(headers.authorization ?? '')?.[1]

describe('credentials the service refuses', () => {
  test.each([
    [401, 'Unauthorized'],
    [401, 'InvalidAccessKeyId'],
    [401, 'SignatureNotMatch'],
    [401, 'SecurityTokenExpired'],
    [403, 'SecurityTokenExpired'],
    [400, 'InvalidSecurityToken'],
    [401, 'SomethingNewAboutKeys'],
  ])('%i %s: the request is sent once more with others', async (status, code) => {
    const { client: sls, seen, refused, told } = await client([failure(status, code), json([0])])
    expect(await sls.heartbeat('cg', 'c', [])).toEqual([0])
    expect(seen.map(signedBy)).toEqual(['old', 'new'])
    expect(seen[1]?.headers['x-acs-security-token']).toBe('new-token')
    expect(seen[1]?.body.toString()).toBe('[]')
    expect(refused).toEqual([OLD])
    expect(told).toEqual([`ConsumerGroupHeartBeat ${status} ${code}`, 'ConsumerGroupHeartBeat 200 ok'])
  })

  test('twice: that is the answer', async () => {
    const {
      client: sls,
      seen,
      told,
    } = await client([failure(401, 'Unauthorized', 'once'), failure(401, 'Unauthorized', 'twice')])
    await expect(sls.listShards()).rejects.toMatchObject({
      kind: 'configuration',
      message: expect.stringContaining('twice'),
      advice: expect.stringContaining('log:ListShards'),
    })
    expect(seen).toHaveLength(2)
    expect(told).toEqual(['ListShards 401 Unauthorized', 'ListShards 401 Unauthorized'])
  })

  test('and no others: the refusal says where those came from', async () => {
    const { client: sls, seen } = await client([failure(401, 'InvalidAccessKeyId')], { others: 'none' })
    const refusal = await sls.listShards().catch((error) => error)
    expect(refusal).toMatchObject({ kind: 'configuration', code: 'InvalidAccessKeyId' })
    expect(refusal.advice).toContain('SLS_CREDENTIALS=oidc')
    expect(refusal.advice).not.toContain('SLS_AK_ID')
    expect(seen).toHaveLength(1)
  })

  test.each<[string, Reply]>([
    ['a quota', failure(403, 'ReadQuotaExceed')],
    ['a clock that is wrong', failure(400, 'RequestTimeTooSkewed')],
    ['a gateway that knows nothing of access keys', json({ message: 'login first' }, 401)],
    ['an error of the service', failure(500, 'InternalServerError')],
  ])('%s is none of their fault', async (_, reply) => {
    const { client: sls, seen, refused } = await client([reply])
    await expect(sls.listShards()).rejects.toThrow()
    expect(seen).toHaveLength(1)
    expect(refused).toEqual([])
  })

  test('the second answer hides the second token', async () => {
    const { client: sls } = await client([failure(401, 'Unauthorized'), failure(401, 'Unauthorized', 'bad: new-token')])
    await expect(sls.listShards()).rejects.toThrow('bad: [secret]')
  })

  test('both requests together have the time of one', async () => {
    const { client: sls } = await client([failure(401, 'Unauthorized'), silence])
    await expect(sls.heartbeat('cg', 'c', [], { timeoutMs: 200 })).rejects.toMatchObject({ code: 'timeout' })
  })

  test('and then no answer: each request is told for what it was', async () => {
    const { client: sls, told } = await client([failure(401, 'Unauthorized'), (response) => response.destroy()])
    await expect(sls.listShards()).rejects.toMatchObject({ kind: 'transient' })
    expect(told).toEqual(['ListShards 401 Unauthorized', expect.stringMatching(/^ListShards error \w+$/)])
  })

  test('a pull and a call without an answer go on, too', async () => {
    const { client: sls } = await client([failure(401, 'Unauthorized'), empty])
    await sls.updateCheckpoint('cg', 'c', 0, 'MQ==')
  })
})

test('the emulator takes keys while they are accepted, and tokens until they expire', async () => {
  let now = Date.now()
  const emulator = await startSlsEmulator({ now: () => now })
  const { accessKeyId, accessKeySecret, url: endpoint } = emulator
  const { project, name: logstore } = emulator.logstore()
  let used: Credentials = { accessKeyId, accessKeySecret: new Secret(accessKeySecret) }
  const client = new SlsClient({ endpoint, project, logstore, credentials: async () => used, userAgent: 'test' })
  try {
    await client.listShards()
    emulator.credentials.delete(accessKeyId)
    await expect(client.listShards()).rejects.toMatchObject({ status: 401, code: 'InvalidAccessKeyId' })
    emulator.credentials.set('new', {
      ...{ accessKeyId: 'new', accessKeySecret: 'new-secret', securityToken: 'new-token' },
      expiresAt: now + 60_000,
    })
    used = NEW
    await client.listShards()
    now += 60_000
    await expect(client.listShards()).rejects.toMatchObject({ status: 401, code: 'Unauthorized' })
  } finally {
    await client.close()
    await emulator.close()
  }
})
