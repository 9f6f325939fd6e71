import type { ServerResponse } from 'node:http'
import { seededRandom } from './sample-logs.ts'

/**
 * Scripted faults, the same for every emulator: a rule says which requests it hits and what happens to them. A rule fires
 * once unless it says otherwise, and `unfired` names the rules that never did, so that a test can fail on them.
 */

/** What a rule may look at: each server names its own (`api`, `shard`, `consumer`, `path`, …). */
export type FaultAttributes = Readonly<Record<string, unknown>>

export interface FaultAction {
  /** Answer with this instead of handling the request. */
  status?: number
  headers?: Record<string, string>
  body?: string
  /** The server's own error code and text; the server supplies status and body for it. */
  code?: string | number
  message?: string
  /** Wait before anything else happens to the request. */
  delayMs?: number
  /** Destroy the socket: before handling, after handling without an answer, or in the middle of the answer. */
  cut?: 'before' | 'after' | 'midway'
  /** Never handle and never answer; the connection stays open. */
  hang?: boolean
}

export interface FaultRule<Action extends FaultAction = FaultAction> {
  /** Default `fault-<n>`; a rule with an id that is taken replaces it. */
  id?: string
  /** Every attribute must have exactly this value, or one of these. Numbers match their decimal spelling. Default: all requests. */
  match?: Record<string, MatchValue | MatchValue[]>
  /** How often it fires; 0 = until it is removed. Default 1. */
  times?: number
  /** Matching requests to let pass first. Default 0. */
  after?: number
  /** Chance of firing at each match after those, 0 … 1. Default 1. */
  probability?: number
  action: Action
}

export type MatchValue = string | number | boolean

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
  /** Says what is wrong with a rule this server could never obey. */
  refuse?: (rule: FaultRule<Action>) => string | undefined
}

const RULE_KEYS = new Set(['id', 'match', 'times', 'after', 'probability', 'action'])

export class FaultScript<Action extends FaultAction = FaultAction> {
  readonly #random: () => number
  readonly #refuse: ((rule: FaultRule<Action>) => string | undefined) | undefined
  readonly #rules = new Map<string, FaultReport<Action>>()
  /** Removed before they ever fired: a test that scripted them still wants to know. */
  readonly #wasted: Array<FaultReport<Action>> = []
  #nextId = 1

  constructor(options: FaultScriptOptions<Action> = {}) {
    this.#random = seededRandom(options.seed ?? 1)
    this.#refuse = options.refuse
    this.add(...(options.rules ?? []))
  }

  /** Appends rules; the first that matches a request wins. Throws a TypeError, adding none, if one of them makes no sense. */
  add(...rules: ReadonlyArray<FaultRule<Action>>): string[] {
    for (const rule of rules) {
      const problem = problemOf(rule) ?? this.#refuse?.(rule)
      if (problem !== undefined) throw new TypeError(`fault rule ${rule?.id ?? ''}: ${problem}`)
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

  /** Forgets every rule and what it did. */
  clear(): void {
    this.#rules.clear()
    this.#wasted.length = 0
  }

  /** What to do to a request with these attributes. Counts as fired: call it once per request. */
  take(attributes: FaultAttributes): Action | undefined {
    for (const rule of this.#rules.values()) {
      const times = rule.times ?? 1
      if ((times !== 0 && rule.fired >= times) || !matches(rule, attributes)) continue
      rule.seen += 1
      if (rule.seen <= (rule.after ?? 0)) continue
      if (rule.probability !== undefined && this.#random() >= rule.probability) continue
      rule.fired += 1
      return rule.action
    }
    return undefined
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
    return value !== undefined && [wanted].flat().some((each) => String(each) === String(value))
  })
}

function problemOf(rule: FaultRule): string | undefined {
  if (typeof rule !== 'object' || rule === null) return 'must be an object'
  const unknown = Object.keys(rule).find((key) => !RULE_KEYS.has(key))
  if (unknown !== undefined) return `unknown key ${unknown}, known are ${[...RULE_KEYS].join(', ')}`
  if (typeof rule.action !== 'object' || rule.action === null) return 'action must be an object'
  if (Object.keys(rule.action).length === 0) return 'action does nothing'
  for (const key of ['times', 'after'] as const) {
    const value = rule[key]
    if (value !== undefined && !(Number.isInteger(value) && value >= 0))
      return `${key} must be a whole number, 0 or more`
  }
  const { probability, match } = rule
  if (probability !== undefined && !(probability >= 0 && probability <= 1)) return 'probability must be from 0 to 1'
  if (match !== undefined && (typeof match !== 'object' || match === null)) return 'match must be an object'
  return undefined
}
