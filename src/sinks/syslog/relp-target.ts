import type { Socket } from 'node:net'
import { abortable } from '../../core/abortable.ts'
import type { ConnectionEnd } from '../../core/telemetry.ts'
import type { Sending } from './connected-target.ts'
import { ConnectedTarget } from './connected-target.ts'
import { messagesOf } from './frames.ts'
import type { Answer } from './relp-session.ts'
import { RelpSession } from './relp-session.ts'
import type { SendOptions } from './target.ts'

/** One collector that answers each message. A session goes on for ever. */
export class RelpTarget extends ConnectedTarget<RelpSession> {
  protected override connected(socket: Socket, ended: (end: ConnectionEnd) => void): Promise<RelpSession> {
    return RelpSession.open(socket, { name: this.url, clock: this.options.clock, ended })
  }

  protected override sending({ answered }: SendOptions): Sending<RelpSession> {
    const sent = new Sent((index, answer) => {
      if (answer.code === '200') this.proven()
      answered(index, answer)
    })
    return {
      put: (session, { bytes, indexes }) => {
        for (const [nth, message] of messagesOf(bytes).entries()) {
          session.send(message, sent.expect(indexes[nth] as number))
        }
      },
      confirmed: (session) => abortable(sent.all(), session.over),
    }
  }

  protected override written(_: RelpSession, alone: boolean): boolean {
    return !alone
  }
}

/** The messages of one send, answered in the order in which they left. */
class Sent {
  readonly #tell: SendOptions['answered']
  readonly #open: { readonly index: number; answer?: Answer }[] = []
  readonly #done = Promise.withResolvers<void>()
  #isWaited = false

  constructor(tell: SendOptions['answered']) {
    this.#tell = tell
  }

  expect(index: number): (answer: Answer) => void {
    const message: { readonly index: number; answer?: Answer } = { index }
    this.#open.push(message)
    return (answer) => {
      message.answer = answer
      for (let first = this.#open[0]; first?.answer; first = this.#open[0]) {
        this.#open.shift()
        this.#tell(first.index, first.answer)
      }
      this.#look()
    }
  }

  /** Resolves when all that were expected until now are answered. */
  all(): Promise<void> {
    this.#isWaited = true
    this.#look()
    return this.#done.promise
  }

  #look(): void {
    if (this.#isWaited && this.#open.length === 0) this.#done.resolve()
  }
}
