import type { RequestOptions } from 'node:https'
import { request } from 'node:https'
import { expect, test } from 'vitest'
import type { HecReceiver } from '../../../../src/emulator/hec/server.ts'
import { selfSigned } from './certificate.ts'
import { receiverFor } from './client.ts'

const server = selfSigned('SplunkServerDefaultCert')
const client = selfSigned('bridge')

function health(receiver: HecReceiver, options: RequestOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(`${receiver.url}/services/collector/health`, { agent: false, ...options }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode))
    })
    asked.on('error', reject)
    asked.end()
  })
}

test('with a certificate it speaks HTTPS', async () => {
  const receiver = await receiverFor({ tls: server })
  expect(receiver.url).toMatch(/^https:/)
  expect(await health(receiver, { ca: server.cert })).toBe(200)
  await expect(health(receiver, {})).rejects.toThrow(/self-signed/)
})

test('a client certificate can be required', async () => {
  const receiver = await receiverFor({
    tls: { ...server, ca: client.cert, requestCert: true, rejectUnauthorized: true },
  })
  expect(await health(receiver, { ca: server.cert, ...client })).toBe(200)
  await expect(health(receiver, { ca: server.cert })).rejects.toThrow()
  await expect(health(receiver, { ca: server.cert, ...selfSigned('stranger') })).rejects.toThrow()
})

test('a client certificate can be asked for without being required', async () => {
  const receiver = await receiverFor({
    tls: { ...server, ca: client.cert, requestCert: true, rejectUnauthorized: false },
  })
  expect(await health(receiver, { ca: server.cert })).toBe(200)
})
