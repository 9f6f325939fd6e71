import type { Socket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import pLimit from 'p-limit'
import { abortable } from '../../core/abortable.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import { names } from '../../net/names.ts'
import { networkFault } from '../../net/network-fault.ts'
import { SYSLOG_SETTINGS } from './connect.ts'
import type { Framer, Pieces } from './frames.ts'
import { messagesOf } from './frames.ts'
import type { Answer } from './relp-session.ts'
import type { SendOptions, Target, TargetOptions } from './target.ts'

/** A collector's kernel keeps some 200 kB that its process has not read, at the defaults of Linux, and drops the rest. So they leave in small groups. */
export const DATAGRAMS_AT_ONCE = 16
const BETWEEN_GROUPS_MS = 1
/** The ICMP message of a closed port comes within this time, if it comes. */
const ICMP_MS = 100

/**
 * One collector that confirms nothing. A batch counts as delivered when its datagrams have left, and no ICMP message says
 * that nothing listens there. Each batch has a socket of its own: so such a message belongs to it, and the name is resolved
 * again.
 */
export class UdpTarget implements Target {
  readonly url: string
  readonly framer: Framer
  readonly confirms = false
  readonly confirmations = 0
  readonly #options: TargetOptions
  readonly #writers
  readonly #stop = new AbortController()

  constructor(options: TargetOptions) {
    this.url = options.url
    this.framer = options.framer
    this.#options = options
    this.#writers = pLimit(options.connections)
  }

  async send(pieces: Pieces, options: SendOptions): Promise<void> {
    const { clock, sink, telemetry } = this.#options
    const signal = AbortSignal.any([options.signal, this.#stop.signal])
    try {
      const socket = await openUdp(this.url, signal)
      const failed = new AbortController()
      socket.on('error', (error) => failed.abort(faultOf(error, this.url)))
      const over = AbortSignal.any([signal, failed.signal])
      try {
        const writing = this.#writers(() => this.#write(socket, pieces, { ...options, signal: over }))
        const refused = await abortable(writing, over)
        await sleepUnlessAborted(clock, ICMP_MS, over)
        over.throwIfAborted()
        for (const [index, answer] of refused) options.answered(index, answer)
      } finally {
        socket.close()
      }
    } catch (error) {
      const isRefusal = error instanceof Fault && error.kind === 'transient' && !signal.aborted
      if (isRefusal) telemetry.connectionEnded(sink, 'refused')
      throw error
    }
  }

  /** Whether its name has an address. More cannot be known. */
  async probe(signal: AbortSignal): Promise<Fault | undefined> {
    try {
      const socket = await openUdp(this.url, signal)
      socket.close()
      return undefined
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  close(): void {
    this.#stop.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
  }

  /** Resolves with the messages that this network does not take, by the number of their event. */
  async #write(socket: Socket, pieces: Pieces, { leaving, signal }: SendOptions) {
    const { clock, pace } = this.#options
    const refused = new Map<number, Answer>()
    for (const piece of pieces()) {
      await pace?.take(piece.indexes.length, signal)
      signal.throwIfAborted()
      leaving(piece)
      const messages = messagesOf(piece.bytes)
      const errors = await Promise.all(messages.map((message) => sent(socket, message)))
      this.framer.recycle(piece)
      await clock.sleep(BETWEEN_GROUPS_MS, signal)
      for (const [nth, error] of errors.entries()) {
        if (error === undefined) continue
        if (error.code !== 'EMSGSIZE') throw faultOf(error, this.url)
        const text = `a datagram of ${messages[nth]?.length} bytes cannot be sent: SYSLOG_MAX_BYTES is too high`
        refused.set(piece.indexes[nth] as number, { code: error.code, text })
      }
    }
    return refused
  }
}

/** A socket that sends to one collector, and hears by ICMP that nothing listens. Rejects with a Fault. */
export async function openUdp(url: string, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  try {
    const known = isIP(host)
    const [place] = known ? [{ address: host, family: known }] : await names.addressesOf(host)
    signal.throwIfAborted()
    const socket = createSocket(place?.family === 6 ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.connect(Number(port), place?.address ?? host, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    return socket
  } catch (error) {
    signal.throwIfAborted()
    throw faultOf(error as Error, url)
  }
}

function faultOf(error: Error, url: string): Fault {
  if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') {
    return networkFault(error, { sent: false, answering: false }, url, SYSLOG_SETTINGS)
  }
  return new Fault('transient', `${url}: nothing listens on this port`, {
    code: 'ECONNREFUSED',
    cause: error,
    advice: 'This batch is sent again. Check that the collector runs, and host and port in SYSLOG_URL.',
  })
}

/** Resolves with the error, if there is one. */
function sent(socket: Socket, message: Buffer): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    try {
      socket.send(message, (error) => resolve(error ?? undefined))
    } catch (error) {
      resolve(error as Error) // the socket was closed meanwhile
    }
  })
}
