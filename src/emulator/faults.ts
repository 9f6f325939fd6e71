/**
 * Scripted faults, the same for both servers. A rule says which requests it hits and what happens to them. It fires
 * once unless it says otherwise. `unfired` names the rules that never did, so that a test can fail on them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { FaultAction, FaultRule, FaultWords } from './fault-rule.ts'
import { problemOf } from './fault-rule.ts'
import { seededRandom } from './sample-logs.ts'
import type { WaitOptions } from './watch.ts'
import { Watch } from './watch.ts'

/** Attributes of a request that a rule can match: `api`, `shard`, `path` and so on. A function says whether a value matches. */
export type FaultAttributes = Readonly<Record<string, unknown>>

export interface FaultReport<Action extends FaultAction = FaultAction> extends FaultRule<Action> {
  id: string
  /** Requests that matched, fired or not. */
  seen: number
  fired: number
}

export interface FaultScriptOptions<Action extends FaultAction> {
  /** Seed of the random numbers behind `probability`. Default 1. */
  seed?: number
  rules?: ReadonlyArray<FaultRule<Action>>
  /** Told whenever a rule fires. */
  watch?: Watch
}

export class FaultScript<Action extends FaultAction = FaultAction> {
  readonly #words: FaultWords<Action>
  readonly #random: () => number
  readonly #watch: Watch
  readonly #rules = new Map<string, FaultReport<Action>>()
  /** Rules that were removed before they fired: `unfired` still lists them. */
  readonly #wasted: Array<FaultReport<Action>> = []
  #nextId = 1

  /** @internal */
  constructor(words: FaultWords<Action>, options: FaultScriptOptions<Action> = {}) {
    this.#words = words
    this.#random = seededRandom(options.seed ?? 1)
    this.#watch = options.watch ?? new Watch()
    this.add(...(options.rules ?? []))
  }

  /**
   * Appends rules and returns their ids. The first rule that matches a request wins. Throws a TypeError, adding none,
   * if one of them has an unknown key, attribute, action, API or endpoint, or a value that no answer can have. Other values may
   * be right later or unknown on purpose: a shard that a split will make, an error code that the bridge has never seen.
   */
  add(...rules: ReadonlyArray<FaultRule<Action>>): string[] {
    for (const rule of rules) {
      const problem = problemOf(rule, this.#words)
      if (problem !== undefined)
        throw new TypeError(`${['fault rule', rule?.id].filter(Boolean).join(' ')}: ${problem}`)
    }
    return rules.map((rule) => {
      const id = rule.id ?? `fault-${this.#nextId++}`
      this.remove(id)
      this.#rules.set(id, { ...rule, id, seen: 0, fired: 0 })
      return id
    })
  }

  /** Removes one rule, or all; returns how many there were. */
  remove(id?: string): number {
    const rules =
      id === undefined ? [...this.#rules.values()] : [this.#rules.get(id)].filter((rule) => rule !== undefined)
    for (const rule of rules) {
      this.#rules.delete(rule.id)
      if (rule.fired === 0) this.#wasted.push(rule)
    }
    return rules.length
  }

  /** Forgets every rule and its counts. */
  clear(): void {
    this.#rules.clear()
    this.#wasted.length = 0
  }

  /**
   * Resolves once the rule has fired so often (default once), without an id once every rule has fired. Rejects when
   * that takes too long and when there is no such rule.
   */
  async fired(id?: string, { times = 1, ...wait }: WaitOptions & { times?: number } = {}): Promise<void> {
    const missing = () => this.list().filter((rule) => (id === undefined || rule.id === id) && rule.fired < times)
    if (id !== undefined && !this.#rules.has(id)) throw new TypeError(`there is no fault rule ${id}`)
    const describe = () =>
      missing()
        .map((rule) => `fault rule ${rule.id} fired ${rule.fired} of ${times} times (${rule.seen} requests matched)`)
        .join(', ')
    await this.#watch.until(() => missing().length === 0, wait, describe)
  }

  /**
   * The action for a request with these attributes, if a rule fires. Counts as fired: call it once per request.
   * @internal
   */
  take(attributes: FaultAttributes): Action | undefined {
    for (const rule of this.#rules.values()) {
      const times = rule.times ?? 1
      if ((times !== 0 && rule.fired >= times) || !matches(rule, attributes)) continue
      rule.seen += 1
      if (rule.seen <= (rule.after ?? 0)) continue
      if (rule.probability !== undefined && this.#random() >= rule.probability) continue
      rule.fired += 1
      this.#watch.changed()
      return rule.action
    }
    return undefined
  }

  /**
   * Whether some rule looks at one of these attributes.
   * @internal
   */
  asks(...attributes: readonly string[]): boolean {
    return [...this.#rules.values()].some(({ match = {} }) => attributes.some((name) => name in match))
  }

  /** Every rule in order, exhausted ones included. */
  list(): Array<FaultReport<Action>> {
    return [...this.#rules.values()].map((rule) => ({ ...rule }))
  }

  /** Rules that never fired, removed ones included (until `clear`). */
  unfired(): Array<FaultReport<Action>> {
    return [...this.#wasted, ...this.#rules.values()].filter((rule) => rule.fired === 0).map((rule) => ({ ...rule }))
  }
}

/**
 * The part of an action that comes before a request is looked at: the delay, then `hang` or `cut: 'before'`. Returns
 * how the request ended, if it did. A server that closes ends the delay, and with it the request.
 */
export async function intercept(
  { delayMs, hang, cut }: FaultAction,
  { socket }: IncomingMessage,
  closing: AbortSignal,
): Promise<'hang' | 'cut' | undefined> {
  if (delayMs) await delay(delayMs, undefined, { signal: closing }).catch(() => socket.destroy())
  if (hang) return 'hang'
  if (cut !== 'before' && !closing.aborted) return undefined
  socket.destroy()
  return 'cut'
}

/** Sends the head of an answer and half of its body, then cuts the connection. */
export function answerMidway(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: Buffer,
): void {
  const { socket } = response
  if (body.length === 0) {
    // Nothing of a body to cut, so the status line is cut instead.
    socket?.write(`HTTP/1.1 ${status} `, () => socket.destroy())
    return
  }
  response.writeHead(status, { ...headers, 'Content-Length': String(body.length) })
  response.write(body.subarray(0, body.length >> 1), () => socket?.destroy())
}

function matches(rule: FaultRule, attributes: FaultAttributes): boolean {
  return Object.entries(rule.match ?? {}).every(([name, wanted]) => {
    const value = attributes[name]
    if (typeof value === 'function') return [wanted].flat().some((each) => value(String(each)))
    return value !== undefined && [wanted].flat().some((each) => String(each) === String(value))
  })
}
