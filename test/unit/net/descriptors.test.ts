import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'

const source = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href)

/** A process that may have 48 descriptors. It serves like the admin server, and then asks `url` 60 things at once. */
const asking = (url: string): string => `
  import { createServer } from 'node:http'
  import { Connections } from ${source('net/connections.ts')}
  import { networkFault, variablesOf } from ${source('net/network-fault.ts')}
  const server = createServer((_, response) => response.end('alive')).listen(0, '127.0.0.1', () => {
    console.log(server.address().port)
    const connections = new Connections('${url}', { connect: { timeoutMs: 5_000 } })
    const asked = Array.from({ length: 60 }, () =>
      connections.request({ origin: '${url}', path: '/', method: 'GET' }).catch((error) => {
        const progress = { sent: false, answering: false }
        const { kind, code, message, advice } = networkFault(error, progress, '${url}', variablesOf('X'))
        console.log(JSON.stringify({ kind, code, message, advice }))
      }),
    )
  })`

test('too few descriptors are named, and some are left for the admin server', async () => {
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => {
    silent.close()
    silent.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const script = ['-c', 'ulimit -n 48; exec "$0" --input-type=module -e "$1"', process.execPath, asking(url)]
  const child = spawn('sh', script, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => (await lines.next()).value ?? ''
  const port = Number(await next())
  expect(JSON.parse(await next())).toEqual({
    kind: 'transient',
    code: 'EMFILE',
    message: expect.stringMatching(/too many open files \(limit 48\): raise ulimit -n \(systemd: LimitNOFILE\)/),
  })
  // Several, whose connections stay open.
  for (let n = 0; n < 8; n++) {
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const [answer] = await once(get({ host: '127.0.0.1', port, agent }), 'response')
    answer.resume()
    expect(answer.statusCode).toBe(200)
  }
})
