import { validateHeaderName, validateHeaderValue } from 'node:http'

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
  /**
   * Every attribute must have this value, or one of these. Numbers match their decimal spelling. Default: all requests.
   */
  match?: Record<string, MatchValue | MatchValue[]>
  /** How often it fires; 0 = until it is removed. Default 1. */
  times?: number
  /** Matching requests to let pass first. Default 0. */
  after?: number
  /** Chance of firing at each match after those, 0 … 1. Default 1. */
  probability?: number
  action: Action
}

type MatchValue = string | number | boolean

/** The words that the rules of one server may use. */
export interface FaultWords<Action extends FaultAction> {
  /** Names that `match` knows. */
  attributes: readonly string[]
  /** Keys of an action beyond those of `FaultAction`, and what their values may be. */
  actions: ValueTests
  /** Says what else is wrong with a rule. */
  refuse?: (rule: FaultRule<Action>) => string | undefined
}

/** Whether a value may stand under a key, and in words what may. */
type ValueTests = Readonly<Record<string, ValueTest>>
export interface ValueTest {
  readonly allows: (value: unknown) => boolean
  readonly allowed: string
}

export const whole = (least: number, most: number): ValueTest => ({
  allows: (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most,
  allowed: `a whole number from ${least} to ${most}`,
})
export const oneOf = (...words: readonly string[]): ValueTest => ({
  allows: (value) => words.includes(value as string),
  allowed: `one of ${words.join(', ')}`,
})
export const yesOrNo: ValueTest = { allows: (value) => typeof value === 'boolean', allowed: 'true or false' }
export const anything: ValueTest = { allows: () => true, allowed: 'anything' }
const text: ValueTest = { allows: (value) => typeof value === 'string', allowed: 'a text' }

/** A timer of Node waits no longer. */
const MAX_DELAY_MS = 2 ** 31 - 1

// Node refuses to send another status or header: it would throw when a request comes.
const ACTION: ValueTests = {
  status: whole(200, 599),
  headers: { allows: areHeaders, allowed: 'an object of header names and texts' },
  body: text,
  code: { allows: (value) => ['string', 'number'].includes(typeof value), allowed: 'a text or a number' },
  message: text,
  delayMs: whole(0, MAX_DELAY_MS),
  cut: oneOf('before', 'after', 'midway'),
  hang: yesOrNo,
}

const MATCHED: ValueTest = {
  allows: (value) => [value].flat().every((each) => ['string', 'number', 'boolean'].includes(typeof each)),
  allowed: 'a text, a number, true, false, or a list of these',
}

const COUNT = whole(0, Number.MAX_SAFE_INTEGER)
const RULE: ValueTests = {
  id: text,
  match: { allows: isObject, allowed: 'an object' },
  times: COUNT,
  after: COUNT,
  probability: { allows: (value) => Number(value) >= 0 && Number(value) <= 1, allowed: 'from 0 to 1' },
  action: {
    allows: (value) => isObject(value) && Object.keys(value).length > 0,
    allowed: 'an object that does something',
  },
}

/** Why a server can't act on a rule, if it can't. A rule may come from anybody who reaches the control path. */
export function problemOf<Action extends FaultAction>(
  rule: FaultRule<Action>,
  words: FaultWords<Action>,
): string | undefined {
  if (!isObject(rule)) return 'must be an object'
  if (rule.action === undefined) return 'action must be an object that does something'
  const { match = {} } = rule
  return (
    wrongIn('key', rule, RULE) ??
    wrongIn('attribute', match, Object.fromEntries(words.attributes.map((name) => [name, MATCHED]))) ??
    wrongIn('action', rule.action, { ...ACTION, ...words.actions }) ??
    words.refuse?.(rule)
  )
}

function wrongIn(kind: string, given: object, tests: ValueTests): string | undefined {
  for (const [key, value] of Object.entries(given)) {
    const test = Object.hasOwn(tests, key) ? tests[key] : undefined
    if (test === undefined) return `unknown ${kind} ${key}, known are ${Object.keys(tests).join(', ')}`
    if (value !== undefined && !test.allows(value)) return `${key} must be ${test.allowed}`
  }
  return undefined
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function areHeaders(value: unknown): boolean {
  return isObject(value) && Object.entries(value).every(([name, each]) => isHeader(name, each))
}

function isHeader(name: string, value: unknown): boolean {
  if (typeof value !== 'string') return false
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return true
  } catch {
    return false
  }
}
