import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const READY_MS = 10_000

/** Resolves when a process takes connections at all of its ports: a daemon does not tell. `said`: what it wrote, for the error. */
export async function untilListening(ports: readonly number[], child: ChildProcess, said: () => string): Promise<void> {
  const since = performance.now()
  await Promise.all(
    ports.map(async (port) => {
      while (!(await isOpen(port))) {
        if (child.exitCode !== null || performance.now() - since > READY_MS) {
          throw new Error(`nothing listens at port ${port}\n${said()}`)
        }
        await sleep(10)
      }
    }),
  )
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** A port that was free a moment ago: a daemon does not report the port it chose. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
