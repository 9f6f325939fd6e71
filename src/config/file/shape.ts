import * as v from 'valibot'
import { nearest } from '../../core/nearest.ts'
import type { JsonType, Parser } from '../parsers.ts'

/** One value of the file: what it may be, and what it is for. The loader, the reference page and the JSON Schema read this. */
export type Described<T> = v.GenericSchema<unknown, T>

export type Description = About & Kind

interface About {
  /** Markdown: sentences for the reference page. */
  readonly doc: string
  readonly example?: string
  readonly required?: true
  /** As it would be written, or in words. */
  readonly default?: string
  readonly secret?: true
}

type Kind =
  | { readonly kind: 'text'; readonly allowed: string; readonly json: JsonType }
  | { readonly kind: 'map'; readonly keys: Readonly<Record<string, Described<unknown>>> }
  | { readonly kind: 'named'; readonly names: string; readonly of: Described<unknown> }
  | { readonly kind: 'list'; readonly of: Described<unknown>; readonly orOne: boolean }
  | { readonly kind: 'choice'; readonly of: readonly Described<unknown>[] }
  | { readonly kind: 'anything' }

/** Stands for a required value that is not there. */
const MISSING = Symbol('missing')

/** Why a value is refused. It travels as the input of an issue. */
export class Refusal {
  readonly problem: string
  readonly allowed: string | undefined
  readonly more: RefusalDetails

  constructor(problem: string, allowed?: string, more: RefusalDetails = {}) {
    this.problem = problem
    this.allowed = allowed
    this.more = more
  }
}

/** Where a map or a list is missing. A text in its place may be the secret that belongs in it. */
export function misshapen(problem: string, allowed: string, details: RefusalDetails = {}): Refusal {
  return new Refusal(problem, allowed, { ...details, secret: true })
}

export interface RefusalDetails {
  readonly example?: string
  /** Place in the value. */
  readonly offset?: number
  readonly secret?: boolean
  readonly passing?: boolean
  /** The problem is the key, not its value. */
  readonly ofKey?: boolean
  /** The keys that are known where an unknown one stands. */
  readonly among?: readonly string[]
  /** The problem is the value at this path of the map. */
  readonly under?: readonly (string | number)[]
}

/** Like a parser of the settings, but the problem may be at a place in the text. */
export interface TextParser<T> {
  readonly allowed: string
  readonly json?: JsonType
  parse(text: string): { readonly value: T } | { readonly refused: string; readonly offset?: number }
}

function describe<T>(schema: Described<unknown>, description: Description): Described<T> {
  return v.pipe(schema, v.metadata({ description })) as unknown as Described<T>
}

/** The same, with another value in the model. */
export function made<T, U>(schema: Described<T>, make: (value: T) => U): Described<U> {
  return describe(v.pipe(schema, v.transform(make)), descriptionOf(schema))
}

/** The same, where the values of a map may not fit each other. */
export function checked<T, U>(schema: Described<T>, make: (value: T) => U | Refusal): Described<U> {
  const made = v.pipe(
    schema,
    v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
      const result = make(value)
      if (!(result instanceof Refusal)) return result
      addIssue({ input: result, message: 'refused' })
      return NEVER
    }),
  )
  return describe(made as Described<unknown>, descriptionOf(schema))
}

export function descriptionOf(schema: Described<unknown>): Description {
  return v.getMetadata(schema as never)['description'] as Description
}

export function text<T>(parser: Parser<T> | TextParser<T>, about: About): Described<T> {
  const { allowed, json = { type: 'string' } } = parser
  const details = { ...(about.example && { example: about.example }), secret: about.secret ?? false }
  const schema = v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
      const refuse = (refusal: unknown) => {
        addIssue({ input: refusal, message: 'refused' })
        return NEVER
      }
      if (typeof value !== 'string') return refuse(notText(value, allowed, details))
      const parsed = parser.parse(value)
      if ('value' in parsed) return parsed.value
      const { refused, ...place } = parsed
      return refuse(new Refusal(refused, allowed, { ...details, ...place }))
    }),
  )
  return describe(schema, { kind: 'text', allowed, json, ...about })
}

function notText(value: unknown, allowed: string, details: RefusalDetails): unknown {
  if (value === MISSING) return new Refusal('is required and not set', allowed, details)
  return isUnresolved(value) ? value : new Refusal(`is ${nameOf(value)}, not text`, allowed, details)
}

/** A value whose `${…}` could not be replaced is an issue wherever it is looked at. */
export class Unresolved {}
const isUnresolved = (value: unknown) => value instanceof Unresolved

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (value === null || value === MISSING) return 'nothing'
  return typeof value === 'string' ? 'text' : 'a map'
}

/** Not given, or given without a value. */
export function optional<T>(schema: Described<T>): Described<T | undefined> {
  const wrapped = v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  )
  return describe(wrapped, descriptionOf(schema))
}

export function required<T>(schema: Described<T>): Described<T> {
  return describe(v.nullish(schema, MISSING), { ...descriptionOf(schema), required: true })
}

/** `text` is what the value would be if it were written. */
export function defaulting<T>(written: string, schema: Described<T>): Described<T> {
  return describe(v.nullish(schema, written), { default: written, ...descriptionOf(schema) })
}

type Keys = Readonly<Record<string, Described<unknown>>>
export type ValuesOf<K extends Keys> = { readonly [N in keyof K]: v.InferOutput<K[N]> }

/** A map with exactly these keys. valibot's own strict object reports only the first unknown key. */
export function map<const K extends Keys>(keys: K, about: About): Described<ValuesOf<K>> {
  const unknown = v.pipe(
    v.unknown(),
    v.rawCheck(({ addIssue }) =>
      addIssue({
        input: new Refusal('is not a key here', undefined, { ofKey: true, among: Object.keys(keys) }),
        message: 'unknown',
      }),
    ),
  )
  return describe(v.pipe(shapeOf('map', about.example), v.objectWithRest(keys as never, unknown) as never), {
    kind: 'map',
    keys,
    ...about,
  })
}

/** A map from names of the user to values of one kind. */
export function named<T>(name: Parser<string>, of: Described<T>, about: About): Described<ReadonlyMap<string, T>> {
  const names = v.pipe(
    shapeOf('map', about.example),
    v.rawCheck(({ dataset, addIssue }) => {
      const input = (dataset.typed ? dataset.value : {}) as Record<string, unknown>
      for (const key of Object.keys(input)) {
        const parsed = UNUSABLE.has(key) ? { refused: 'cannot be used as a key' } : name.parse(key)
        if ('value' in parsed) continue
        const refusal = new Refusal(parsed.refused, name.allowed, { ofKey: true })
        const path = [{ type: 'object', origin: 'key', input, key, value: input[key] }] as const
        addIssue({ input: refusal, message: 'name', path: [...path] })
      }
    }),
  )
  const record = v.record(v.string(), of) as Described<Record<string, T>>
  const values = v.pipe(
    names,
    record as never,
    v.transform((found) => new Map(Object.entries(found as object))),
  )
  return describe(values as never, { kind: 'named', names: name.allowed, of, ...about })
}

/** valibot passes over these keys, because objects have them already. */
const UNUSABLE = new Set(['__proto__', 'prototype', 'constructor'])

export function list<T>(of: Described<T>, about: About): Described<readonly T[]> {
  return describe(v.pipe(shapeOf('list', about.example), v.array(of) as never), {
    kind: 'list',
    of,
    orOne: false,
    ...about,
  })
}

export function oneOrList<T>(of: Described<T>, about: About): Described<readonly T[]> {
  const one = v.pipe(
    of,
    v.transform((value) => [value]),
  )
  const either = v.lazy((input) => (Array.isArray(input) ? v.array(of) : one) as Described<T[]>)
  return describe(either, { kind: 'list', of, orOne: true, ...about })
}

/** `choose` looks at the value; what it returns decides. */
export function choice<T>(
  of: readonly Described<T>[],
  choose: (input: unknown) => Described<T> | Refusal,
  about: About,
): Described<T> {
  const chosen = v.lazy((input) => {
    const found = choose(input)
    return (found instanceof Refusal ? refusing(found) : found) as Described<T>
  })
  return describe(chosen, { kind: 'choice', of, ...about })
}

/** Maps whose key `type` says which keys they have. `absent` is the type of a map without one. */
export function byType<const M extends Keys>(
  types: M,
  { absent, ...about }: About & { absent?: string },
): Described<v.InferOutput<M[keyof M]>> {
  type T = v.InferOutput<M[keyof M]>
  const allowed = Object.keys(types).join(', ')
  const chosen = (input: unknown): Described<T> | Refusal => {
    if (!isMap(input)) return misshapen(`is ${nameOf(input)}, not a map`, `a map with a type: ${allowed}`)
    const { type = absent } = input
    if (type === undefined || type === null) return new Refusal('has no type', `type: ${allowed}`)
    if (typeof type === 'string' && Object.hasOwn(types, type)) return types[type] as Described<T>
    const meant = typeof type === 'string' ? nearest(type, Object.keys(types)) : undefined
    return new Refusal(`is no known type${meant === undefined ? '' : `; did you mean ${meant}?`}`, allowed, {
      under: ['type'],
    })
  }
  return choice(Object.values(types) as Described<T>[], chosen, about)
}

function refusing(refusal: Refusal): Described<never> {
  return v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
      addIssue({ input: isUnresolved(value) ? value : refusal, message: 'refused' })
      return NEVER
    }),
  ) as Described<never>
}

/** The loader reads it from the text of the file itself. */
export function anything(about: About): Described<unknown> {
  return describe(v.nullish(v.unknown()), { kind: 'anything', ...about })
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isUnresolved(value)
}

function shapeOf(kind: 'map' | 'list', example?: string): Described<unknown> {
  const fits = (value: unknown) => (kind === 'list' ? Array.isArray(value) : isMap(value))
  return v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
      if (fits(value)) return value
      const problem = value === MISSING ? 'is required and not set' : `is ${nameOf(value)}, not a ${kind}`
      addIssue({
        input: isUnresolved(value) ? value : misshapen(problem, `a ${kind}`, { ...(example && { example }) }),
        message: 'refused',
      })
      return NEVER
    }),
  )
}
