import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import type { Server } from 'node:tls'
import { createServer } from 'node:tls'

/** As PEM. */
export interface Identity {
  readonly key: string
  readonly cert: string
}

/** TLS before the HEC receiver: one more endpoint, whose certificate may be exchanged. */
export class TlsDoor implements AsyncDisposable {
  readonly port: number
  readonly #server: Server
  readonly #open: Set<Socket>

  static async before(port: number, identity: Identity): Promise<TlsDoor> {
    const open = new Set<Socket>()
    const server = createServer(identity, (client) => {
      const behind = connect(port, '127.0.0.1')
      for (const [one, other] of [[client, behind] as const, [behind, client] as const]) {
        open.add(one)
        one.on('error', () => other.destroy()).on('close', () => open.delete(one) && other.destroy())
        one.pipe(other)
      }
    })
    server.listen(0, '0.0.0.0')
    await once(server, 'listening')
    return new TlsDoor(server, open)
  }

  private constructor(server: Server, open: Set<Socket>) {
    this.#server = server
    this.#open = open
    this.port = (server.address() as AddressInfo).port
  }

  /** From now on this is its certificate. Connections end: they know the other one. */
  show(identity: Identity): void {
    this.#server.setSecureContext(identity)
    this.#cut()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#cut()
    await closed
  }

  #cut(): void {
    for (const socket of this.#open) socket.destroy()
  }
}
