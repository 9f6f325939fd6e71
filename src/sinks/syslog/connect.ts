import type { Socket } from 'node:net'
import { connect as connectTcp } from 'node:net'
import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'
import { names } from '../../net/names.ts'
import { networkFault, variablesOf } from '../../net/network-fault.ts'

/** For a connection to stand. */
const TIMEOUT_MS = 10_000
/** Addresses of a name are tried one after the other. */
const ATTEMPTS = 4
const SETTINGS = variablesOf('SYSLOG')

/** Opens a connection to `tcp://host:port`; the name is resolved each time. Rejects with a Fault, or with the signal's reason. */
export async function openConnection(url: string, clock: Clock, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const { hostname, port } = new URL(url)
  const over = new AbortController()
  const socket = connectTcp({
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    allowHalfOpen: true,
    lookup: names.lookupOr(),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: TIMEOUT_MS / ATTEMPTS,
  })
  const aborted = (): void => void socket.destroy(signal.reason as Error)
  signal.addEventListener('abort', aborted, { once: true })
  void sleepUnlessAborted(clock, TIMEOUT_MS, over.signal).then((late) => {
    if (late)
      socket.destroy(Object.assign(new Error(`not connected within ${TIMEOUT_MS / 1000} s`), { code: 'timeout' }))
  })
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    socket.removeAllListeners('error')
    return socket
  } catch (error) {
    signal.throwIfAborted()
    throw networkFault(error as Error, { sent: false, answering: false }, url, SETTINGS)
  } finally {
    over.abort()
    signal.removeEventListener('abort', aborted)
  }
}
