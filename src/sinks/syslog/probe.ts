import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/errors.ts'
import type { Dialer } from './connect.ts'
import { Stream } from './stream.ts'

/** A collector that closes at all does so in milliseconds when nothing was sent. */
const FIN_MS = 2_000

/** How TLS says that it has met something else: a record of the kind "alert". Plain syslog never says anything. */
const ALERT = Buffer.of(0x15, 0x03)

/** A server of TLS or RELP says within this time that these are no bytes of its protocol. */
const ANSWER_MS = 200
/** As long as the head of a TLS record. Lines without text are no messages to rsyslog and syslog-ng. */
const EMPTY_LINES = '\n'.repeat(5)

/** The reaction of a collector when a connection without a message is half-closed. */
export type HalfClose = 'closes' | 'stays open' | 'closed early' | 'speaks TLS'

/** Opens a connection and half-closes it; sends nothing. Throws a Fault when it cannot be opened. */
export async function halfClose(url: string, dialer: Dialer, clock: Clock, signal: AbortSignal): Promise<HalfClose> {
  const socket = await dialer.open(signal)
  const isPlain = url.startsWith('tcp:')
  let speaksTls = false
  socket.once('data', (said: Buffer) => {
    speaksTls = isPlain && said.subarray(0, ALERT.length).equals(ALERT)
  })
  const stream = new Stream(socket, { name: url, clock, ended: () => {} })
  const late = setTimeout(() => stream.fail('timeout', 'did not close'), FIN_MS)
  try {
    await stream.drain(0)
    return speaksTls ? 'speaks TLS' : 'closes'
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.kind === 'configuration') throw error
    if (speaksTls) return 'speaks TLS'
    return error.code === 'syslog_timeout' ? 'stays open' : 'closed early'
  } finally {
    clearTimeout(late)
  }
}

/** The answer of a port to lines without text, and whether it ended the connection. Throws a Fault when it cannot be opened. */
export async function answerToEmptyLines(dialer: Dialer, signal: AbortSignal) {
  const socket = await dialer.open(signal)
  let said = ''
  socket.on('data', (bytes) => {
    said += bytes
  })
  try {
    const ended = await new Promise<boolean>((resolve) => {
      const late = setTimeout(() => resolve(false), ANSWER_MS)
      socket.on('error', () => resolve(true)).once('end', () => resolve(true))
      socket.once('close', () => clearTimeout(late))
      socket.write(EMPTY_LINES)
    })
    return { ended, said }
  } finally {
    socket.destroy()
  }
}
