import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Dialer } from './connect.ts'
import { Stream } from './stream.ts'

/** A collector that closes at all does so in milliseconds when nothing was sent. */
const FIN_MS = 2_000

/** The reaction of a collector when a connection without a message is half-closed. */
export type HalfClose = 'closes' | 'stays open' | 'closed early'

/** Opens a connection and half-closes it; sends nothing. Throws a Fault when it cannot be opened. */
export async function halfClose(url: string, dialer: Dialer, clock: Clock, signal: AbortSignal): Promise<HalfClose> {
  const socket = await dialer.open(signal)
  const stream = new Stream(socket, { name: url, clock, ended: () => {} })
  const late = setTimeout(() => stream.fail('timeout', 'did not close'), FIN_MS)
  try {
    await stream.drain(0)
    return 'closes'
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.kind === 'configuration') throw error
    return error.code === 'syslog_timeout' ? 'stays open' : 'closed early'
  } finally {
    clearTimeout(late)
  }
}
