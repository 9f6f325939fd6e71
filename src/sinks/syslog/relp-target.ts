import type { Socket } from 'node:net'
import { abortable } from '../../core/abortable.ts'
import type { ConnectionEnd } from '../../core/telemetry.ts'
import type { Sending } from './connected-target.ts'
import { ConnectedTarget } from './connected-target.ts'
import type { Answer } from './relp-session.ts'
import { RelpSession } from './relp-session.ts'
import type { SendOptions } from './target.ts'

/** One collector that answers each message. A session goes on for ever. */
export class RelpTarget extends ConnectedTarget<RelpSession> {
  protected override connected(socket: Socket, ended: (end: ConnectionEnd) => void): Promise<RelpSession> {
    return RelpSession.open(socket, { name: this.url, clock: this.options.clock, ended })
  }

  protected override sending({ answered }: SendOptions): Sending<RelpSession> {
    const count = { taken: 0, refused: 0 }
    const sent = new Sent((index, answer) => {
      if (answer.code === '200') {
        count.taken++
        this.proven()
      } else count.refused++
      answered(index, answer)
    })
    return {
      put: (session, piece, left) => session.send(piece, sent.expect(piece.indexes), left),
      confirmed: async (session) => {
        await abortable(sent.all(), session.over)
        // Another session may lead to another collector behind the same address.
        const refusesAll = count.refused > 0 && count.taken === 0
        if (refusesAll && session.isQuiet && this.takeIdle(session)) session.close()
      },
    }
  }

  protected override written(_: RelpSession, alone: boolean): boolean {
    return !alone
  }
}

/** The messages of one send. Their answers are told in the order in which they left. */
class Sent {
  readonly #tell: SendOptions['answered']
  readonly #indexes: number[] = []
  /** Of messages behind one that has no answer yet, by their place. */
  readonly #early = new Map<number, Answer>()
  readonly #done = Promise.withResolvers<void>()
  #told = 0
  #isWaited = false

  constructor(tell: SendOptions['answered']) {
    this.#tell = tell
  }

  /** Takes the answers to the messages of these events, by their place among them. */
  expect(indexes: readonly number[]): (nth: number, answer: Answer) => void {
    const first = this.#indexes.length
    for (const index of indexes) this.#indexes.push(index)
    return (nth, answer) => {
      if (first + nth === this.#told) this.#next(answer)
      else this.#early.set(first + nth, answer)
      this.#look()
    }
  }

  /** Resolves when all that were expected until now are answered. */
  all(): Promise<void> {
    this.#isWaited = true
    this.#look()
    return this.#done.promise
  }

  /** Tells of the next answer, and of those that waited for it. */
  #next(answer: Answer): void {
    this.#tell(this.#indexes[this.#told++] as number, answer)
    for (let early = this.#early.get(this.#told); early; early = this.#early.get(this.#told)) {
      this.#early.delete(this.#told)
      this.#tell(this.#indexes[this.#told++] as number, early)
    }
  }

  #look(): void {
    if (this.#isWaited && this.#told === this.#indexes.length) this.#done.resolve()
  }
}
