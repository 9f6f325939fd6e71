import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { setTimeout } from 'node:timers'

/** A name that resolved before is connected to at its old addresses when the answer takes longer than this. */
const PATIENCE_MS = 1_000
/** A request for a name that never resolved waits at most this long for its addresses. */
const LONGEST_MS = 5_000
/** A name whose look-up took longer, or failed, is looked up apart from the others. */
const SLOW_MS = 2_000

interface Name {
  addresses: readonly LookupAddress[] | undefined
  pending: Promise<readonly LookupAddress[]> | undefined
  isDoubtful: boolean
}

/** At most `room` at a time; the others wait their turn. */
class Turns {
  #room: number
  readonly #waiting: Array<() => void> = []

  constructor(room: number) {
    this.#room = room
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#room > 0) this.#room--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#room++
    }
  }
}

/**
 * Looks names up for all connections of the process.
 *
 * Each look-up takes one of the four threads that Node has for this and for files. A zone whose server is silent holds its
 * thread for half a minute. So each name is looked up once at a time, doubtful names use one thread together, and the others
 * two. One zone that hangs keeps no other name from being resolved.
 */
export class Names {
  readonly #names = new Map<string, Name>()
  readonly #sure = new Turns(2)
  readonly #doubtful = new Turns(1)
  readonly #ask: (host: string) => Promise<readonly LookupAddress[]>

  constructor(ask = (host: string): Promise<readonly LookupAddress[]> => lookup(host, { all: true })) {
    this.#ask = ask
  }

  /** A look-up as `net.connect` takes it. A name without an address has those of `alias`, if that is given. */
  lookupOr(alias?: string): LookupFunction {
    return (host, { all, family }, callback) => {
      const wanted = family === 4 || family === 'IPv4' ? 4 : family === 6 || family === 'IPv6' ? 6 : undefined
      const orAlias = (error: unknown) =>
        alias === undefined ? Promise.reject(error) : this.addressesOf(alias).catch(() => Promise.reject(error))
      this.addressesOf(host)
        .catch(orAlias)
        .then(
          (found) => {
            const fitting = found.filter((address) => wanted === undefined || address.family === wanted)
            const [first] = fitting
            if (first === undefined) callback(errorOf('ENOTFOUND', `${host} has no address of this kind`), [])
            else if (all) callback(null, fitting)
            else callback(null, first.address, first.family)
          },
          (error: NodeJS.ErrnoException) => callback(error, []),
        )
    }
  }

  /** Rejects with the resolver's error, or with `EAI_AGAIN` if it takes too long. */
  async addressesOf(host: string): Promise<readonly LookupAddress[]> {
    const name = this.#nameOf(host)
    const answer = this.#answerFor(host, name)
    const { addresses } = name
    if (addresses === undefined) {
      const late = () => errorOf('EAI_AGAIN', `name resolution of ${host} takes longer than ${LONGEST_MS / 1000} s`)
      return await within(LONGEST_MS, answer, () => Promise.reject(late()))
    }
    const older = answer.catch((error: NodeJS.ErrnoException) => {
      // This name has no address any more. Other errors say nothing about it.
      if (error.code === 'ENOTFOUND') throw error
      return addresses
    })
    return await within(PATIENCE_MS, older, () => addresses)
  }

  /** Addresses of this family come first from now on: the other one may have no route. */
  prefer(host: string, family: number): void {
    const name = this.#names.get(host)
    if (name?.addresses) name.addresses = name.addresses.toSorted((a, b) => rank(a, family) - rank(b, family))
  }

  #nameOf(host: string): Name {
    const known = this.#names.get(host)
    if (known) return known
    const name: Name = { addresses: undefined, pending: undefined, isDoubtful: false }
    this.#names.set(host, name)
    return name
  }

  #answerFor(host: string, name: Name): Promise<readonly LookupAddress[]> {
    name.pending ??= (name.isDoubtful ? this.#doubtful : this.#sure)
      .take(async () => {
        const begun = performance.now()
        const preferred = name.addresses?.[0]?.family ?? 0
        try {
          const found = await this.#ask(host)
          name.addresses = preferred === 0 ? found : found.toSorted((a, b) => rank(a, preferred) - rank(b, preferred))
          name.isDoubtful = performance.now() - begun > SLOW_MS
          return name.addresses
        } catch (error) {
          name.isDoubtful = true
          throw error
        }
      })
      .finally(() => {
        name.pending = undefined
      })
    return name.pending
  }
}

/** Shared, since the threads are. */
export const names = new Names()

const rank = (address: LookupAddress, family: number): number => (address.family === family ? 0 : 1)

function errorOf(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code })
}

/** `work`, or what `late` gives when it takes longer. What `work` does later is of no interest. */
function within<T>(ms: number, work: Promise<T>, late: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(late()), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
