import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { InterimAnswers } from '../../../src/net/interim-answers.ts'
import { silent } from '../../../src/net/unasked-answer.ts'

/** Both ends of a connection. */
async function ends(): Promise<[client: Socket, server: Socket]> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  const [other] = (await accepted) as [Socket]
  for (const socket of [client, other]) socket.on('error', () => {})
  onTestFinished(() => {
    client.destroy()
    server.close()
  })
  return [client, other]
}

test('a connection that ended while the process was busy has not stayed, although its time is over, too', async () => {
  const [client, other] = await ends()
  const stayed = silent(client, 5)
  other.destroy()
  for (const since = performance.now(); performance.now() - since < 20; );
  await expect(stayed).rejects.toThrow('closed before a request')
})

test('an interim answer that comes before the first request is kept from undici, and then passed over', async () => {
  const [client, other] = await ends()
  other.write('HTTP/1.1 100 Continue\r\n\r\n')
  await silent(client, 10_000)
  const interim = new InterimAnswers(client)
  // It would end the connection and open another one without end.
  expect(client.read()).toBe(null)
  const { promise: answered, resolve } = Promise.withResolvers<string>()
  client.on('readable', () => {
    const bytes: Buffer | null = client.read()
    if (bytes !== null) resolve(bytes.toString())
  })
  interim.requestLeaves()
  other.write('HTTP/1.1 200 OK\r\n\r\n')
  expect(await answered).toBe('HTTP/1.1 200 OK\r\n\r\n')
})
