import type { Socket } from 'node:net'
// Not the global ones: tests fake those, and a connection that is opened meanwhile is real.
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers'
import { HungUp } from './hung-up.ts'

/** No interim answer: those are dropped when a request has left. What is not HTTP is recognised as such by whoever reads it. */
const ANSWER = /^HTTP\/1\.[01] [2-5]/
const BEGINNING_BYTES = 10

/** The server answered before it was asked. Taken for the answer to the first request, each later one would be shifted. */
class UnaskedAnswer extends Error {
  override readonly name = 'UnaskedAnswer'
  readonly code = 'unasked_answer'

  constructor() {
    super('the server answers before it is asked')
  }
}

/** Waits `ms` on a connection on which nothing was sent. Rejects with an `UnaskedAnswer`, or when the connection fails. */
export function silent(socket: Socket, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let look: NodeJS.Immediate | undefined
    const over = (failure?: Error): void => {
      clearTimeout(timer)
      clearImmediate(look)
      socket.off('readable', onReadable).off('error', over).off('end', onClose).off('close', onClose)
      if (failure) reject(failure)
      else resolve()
    }
    const onReadable = (): void => {
      const bytes: Buffer | null = socket.read()
      if (bytes === null) return
      over(ANSWER.test(bytes.toString('latin1', 0, BEGINNING_BYTES)) ? new UnaskedAnswer() : undefined)
      socket.unshift(bytes)
    }
    const onClose = (): void => over(new HungUp('closed before a request'))
    // After a busy time the timer comes first, and what has arrived meanwhile is read after it.
    const timer = setTimeout(() => {
      look = setImmediate(over)
    }, ms)
    socket.on('readable', onReadable).on('error', over).on('end', onClose).on('close', onClose)
  })
}
