/**
 * A syslog collector that takes everything unread, in its own process (fork it), so that the measured program never waits for it.
 * It answers a FIN with its own, and with RELP every message with 200.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { SinkReady, SinkState } from './sink.ts'

export interface CollectorOptions {
  relp: boolean
  /** PEM files. */
  tls?: { cert: string; key: string }
}

const EVERY_MS = 100
const SPACE = 0x20
const OFFERS = '200 OK\nrelp_version=0\nrelp_software=bench\ncommands=syslog\n'

const { relp, tls } = JSON.parse(process.argv[2] ?? '{}') as CollectorOptions
const state: SinkState = { requests: 0, bytes: 0 }
const options = { allowHalfOpen: true, noDelay: true }
const server = tls
  ? createTlsServer({ ...options, cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, serve)
  : createServer(options, serve)

function serve(socket: Socket): void {
  const answers = relp ? relpAnswers() : () => ''
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('data', (bytes: Buffer) => {
    state.bytes += bytes.length
    const answer = answers(bytes)
    if (answer !== '') socket.write(answer)
  })
}

/** The answers to the frames that begin in each run of bytes. A frame of which no more came than its number waits. */
function relpAnswers(): (bytes: Buffer) => string {
  let rest: Buffer = Buffer.alloc(0)
  let skipped = 0
  return (more) => {
    const bytes = rest.length === 0 ? more : Buffer.concat([rest, more])
    let answer = ''
    let at = Math.min(skipped, bytes.length)
    skipped -= at
    for (;;) {
      const command = bytes.indexOf(SPACE, at)
      const length = command < 0 ? -1 : bytes.indexOf(SPACE, command + 1)
      const data = length < 0 ? -1 : bytes.indexOf(SPACE, length + 1)
      if (data < 0) break
      const number = bytes.toString('latin1', at, command)
      const isMessage = bytes[command + 1] === 's'.charCodeAt(0)
      answer += isMessage ? `${number} rsp 6 200 OK\n` : `${number} rsp ${OFFERS.length} ${OFFERS}\n`
      const end = data + 1 + Number(bytes.toString('latin1', length + 1, data)) + 1
      at = Math.min(end, bytes.length)
      skipped = end - at
    }
    rest = bytes.subarray(at)
    return answer
  }
}

server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const scheme = relp ? 'relp' : tls ? 'tls' : 'tcp'
// Certificates are for names.
const host = tls ? 'localhost' : '127.0.0.1'
process.send?.({ url: `${scheme}://${host}:${port}`, drainPort: port } satisfies SinkReady)
setInterval(() => process.send?.(state), EVERY_MS)
process.on('disconnect', () => process.exit())
process.on('error', () => process.exit())
