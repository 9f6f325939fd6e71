import { once } from 'node:events'
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'
import { startAdminServer } from '../../../src/observability/admin-server.ts'
import { fault, observed } from '../../unit/observability/observed.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

/** Text of a hostile proxy in front of HEC or Log Service. Pages show it as text only. */
const SAID = '<script>alert(1)</script>\u001b[2J"\r\nSet-Cookie: a=b'
/** An answer is read so long, or until it ends. */
const PATIENCE_MS = 25

/** Input: bytes of a connection to the admin port. */
export const adminRequests: Target = {
  name: 'admin-requests',
  async open() {
    const it = await observed()
    const options = {
      ...{ host: '127.0.0.1', port: 0, portWasSet: true, allowedHosts: [] },
      ...{ registry: it.metrics.registry, ...it },
    }
    const server = await startAdminServer(options)
    onTestFinished(() => server.close())
    it.telemetry.paused(
      { reason: 'hec_configuration', scope: { of: 'sink', sink: 'splunk_hec' } },
      fault('configuration', '4', SAID, SAID),
    )
    return async (input) => {
      const answer = await exchanged(server.port, input)
      const [head = '', body = ''] = answer.split('\r\n\r\n', 2)
      must(!/^set-cookie:/im.test(head), 'no foreign header')
      if (/^content-type: text\/html/im.test(head)) must(!body.includes('<script>alert'), 'no foreign markup')
      must(!body.includes('\u001b'), 'nothing a terminal would obey')
      const alive = await fetch(`${server.url}/livez`)
      must(alive.status === 200 && (await alive.text()) === 'ok\n', 'the server answers the next one')
      return head.split('\r\n', 1)[0] as string
    }
  },
}

async function exchanged(port: number, input: Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(input)
  const over = new AbortController()
  const { signal } = over
  const impatience = setTimeout(() => over.abort(), PATIENCE_MS)
  await once(socket, 'close', { signal }).catch(() => {})
  clearTimeout(impatience)
  socket.destroy()
  return Buffer.concat(chunks).toString('latin1')
}
