import type { EventFormat } from './extension.ts'
import {
  baseKey,
  escaped,
  headOf,
  labelKey,
  mostOf,
  nthKey,
  OWN_KEYS,
  pairOf,
  SEPARATORS,
  TIME_KEYS,
} from './extension.ts'
import { candidates, hasTopic, LEVEL_FIELDS, levelOf, UNKNOWN } from './kind.ts'
import type { Column, Product, Severity } from './products.ts'
import { LEVELS, PRODUCTS, UNKNOWN_SEVERITY } from './products.ts'

/** Functions of the kernel that take what they are taught. */
export interface Pupil {
  /** Where bytes for `keep` and `learn` are put. */
  handedAt(): number
  /** The address of a copy, or 0 if there is no room. */
  keep(length: number): number
  learn(space: number, length: number, value: number): number
  forget(): void
  /** Format, texts of the keys of time, severity and id with their lengths, fields of a level, severities by level. */
  configureSiem(...numbers: number[]): void
  setNextKey(key: number, next: number): void
}

/** Spaces of words, by their number in the kernel. Those of steps, rules and readings begin here. */
const NAMES = 1
const TOPICS = 2
const LEVEL_WORDS = 3
const NEXT_KEYS = 4
const ALL_WORDS = 6
const STEPS = 0x100
const RULES = 0x200
const READINGS = 0x300
/** By their number in the kernel. */
const FORMATS = ['json', 'cef', 'leef'] as const
const READ_THERE = ['text', 'address', 'time', 'seconds']
const OTHER_READING = 4
const MOST_U32 = 0xffff_ffff
const ODD_FIELD = 0xffff
const TOPIC = '__topic__'
/** A meaning is never 0. */
const NOTHING = 1
const FIRST_LEVEL = 1
const KNOWN_BITS = 0x8000_0000
const ROOT = 1
const MOST_KEYS = 16_384

/** The kernel has no room for another word. */
class Full extends Error {}

/**
 * Teaches the kernel what the tables of products say: at first the tables themselves, then each name, topic and value that it
 * meets for the first time. So whatever has to be decided is decided by the readable code, once for each word.
 */
export class Lessons {
  readonly #pupil: Pupil
  readonly #memory: Buffer
  readonly #format: EventFormat
  readonly #fields = numbered(FIELD_PATHS)
  /** Columns whose texts are words, by what they have in common. */
  readonly #readings = new Map<string, Placed>()
  readonly #products = new Map<Product, number>()
  readonly #keys = new Map<string, number>()
  /** Keys of contents, by their address in the kernel. */
  readonly #places = new Map<number, { readonly base: string; readonly n: number }>()

  constructor(pupil: Pupil, memory: Buffer, format: EventFormat) {
    this.#pupil = pupil
    this.#memory = memory
    this.#format = format
  }

  /** Teaches the tables, after the kernel has forgotten everything. */
  begin(): void {
    this.#pupil.forget()
    this.#keys.clear()
    this.#places.clear()
    for (const key of [...OWN_KEYS, TIME_KEYS[this.#format]]) this.#numberOf(key)
    for (const product of [...PRODUCTS, UNKNOWN]) this.#products.set(product, this.#product(product))
    this.#steps()
    const [time, severity, id] = [
      this.#keyText(TIME_KEYS[this.#format], true),
      this.#keyText('sev'),
      this.#keyText(OWN_KEYS[0]),
    ].map((text) => this.#text(text)) as [Text, Text, Text]
    const severities = [...LEVELS, UNKNOWN_SEVERITY].flatMap((each) => this.#severity(each))
    const levels = this.#list(LEVEL_FIELDS.map((field) => this.#field(field)))
    const format = FORMATS.indexOf(this.#format)
    this.#pupil.configureSiem(format, ...time, ...severity, ...id, levels, this.#record(severities))
  }

  /** Teaches the word that the kernel asks for. False if there is no room: then all words are forgotten. */
  answer(space: number, word: Buffer, address: number): boolean {
    try {
      if (space === ALL_WORDS) throw new Full()
      if (space === NEXT_KEYS) this.#pupil.setNextKey(address, this.#nextKey(address))
      else this.#learn(space, word, this.#meaning(space, word.toString()))
      return true
    } catch (error) {
      if (!(error instanceof Full)) throw error
      this.begin()
      return false
    }
  }

  #meaning(space: number, word: string): number {
    if (space === NAMES) return this.#name(word)
    if (space === TOPICS) return this.#candidates(word)
    if (space === LEVEL_WORDS) {
      const level = levelOf(word)
      return FIRST_LEVEL + (level < 0 ? LEVELS.length : level)
    }
    if (space >= READINGS) return this.#pair([...this.#readings.values()][space - READINGS] as Placed, word)
    return bitsOf(patternsOf(FIELD_PATHS[space - RULES - 1] as string), word)
  }

  #name(name: string): number {
    const field = ODD_NAMES.has(name) ? ODD_FIELD : (this.#fields.get(name) ?? 0)
    return this.#record([0, field, this.#key(baseKey(name, this.#format), 1), ...this.#text(name), 0])
  }

  #candidates(topic: string): number {
    const products: Array<readonly [Product, boolean]> = []
    for (const product of [...candidates(topic), UNKNOWN]) {
      const isIts = product === UNKNOWN || hasTopic(product, topic)
      products.push([product, isIts])
      if (isIts) break
    }
    return this.#list(products.map(([product, isIts]) => [this.#products.get(product) as number, isIts ? 1 : 0]))
  }

  /** The result of a column for a text that it has, or for none. */
  #pair({ column, isFirst }: Placed, found?: string): number {
    const pair = pairOf(column, this.#format, found)
    if (pair === undefined) return NOTHING
    const { key, text, label } = pair
    const value = escaped(text, this.#format)
    return this.#pairRecord(key, value === '' ? '' : this.#keyText(key, isFirst) + value, label, text === found)
  }

  #pairRecord(key: string, text: string, label: string | undefined, isOwn: boolean): number {
    const labels = label === undefined ? [0, 0, 0] : this.#label(labelKey(key), label)
    return this.#record([this.#numberOf(key), ...this.#text(text), ...labels, isOwn ? 1 : 0])
  }

  #label(key: string, label: string): number[] {
    return [this.#numberOf(key), ...this.#text(this.#keyText(key) + escaped(label, this.#format))]
  }

  /** The first pair has no separator before it. */
  #keyText(key: string, isFirst = false): string {
    return `${isFirst ? '' : SEPARATORS[this.#format]}${key}=`
  }

  #key(base: string, n: number): number {
    const key = nthKey(base, n)
    const address = this.#record([this.#numberOf(key), ...this.#text(this.#keyText(key)), 0])
    this.#places.set(address, { base, n })
    return address
  }

  #nextKey(address: number): number {
    const { base, n } = this.#places.get(address) as { base: string; n: number }
    return this.#key(base, n + 1)
  }

  #numberOf(key: string): number {
    const known = this.#keys.get(key)
    if (known !== undefined) return known
    const number = this.#keys.size + 1
    if (number >= MOST_KEYS) throw new Full()
    this.#keys.set(key, number)
    return number
  }

  #product(product: Product): number {
    const { name, inside, has = [], eventClass = [], eventName = [], severities } = product
    const columns = product.columns.filter((column) => column[this.#format] !== undefined)
    const isTimed = columns[0]?.[this.#format] === TIME_KEYS[this.#format]
    const fields = (paths: readonly string[]): number => this.#list(paths.map((path) => this.#field(path)))
    return this.#record([
      ...this.#text(headOf(name, this.#format)),
      ...(inside === undefined ? [0, 0] : [this.#field(inside), ROOT]),
      this.#list(partsOf(product).map((part) => [this.#field(part), nodeOf(part)])),
      fields(eventClass),
      fields(eventName),
      this.#list(columns.map((column, at) => this.#column({ column, isFirst: isTimed && at === 0 }))),
      this.#list(severities.map(({ when, is }) => this.#rule(when, is))),
      fields(has),
      isTimed ? 1 : 0,
    ])
  }

  #column(placed: Placed): number {
    const { column, isFirst } = placed
    const { as = 'text', label, from } = column
    const key = column[this.#format] as string
    const reading = READ_THERE.indexOf(as)
    const absent = this.#pair(placed)
    return this.#record([
      reading < 0 ? OTHER_READING : reading,
      this.#readingSpace(placed),
      absent === NOTHING ? 0 : absent,
      this.#pairRecord(key, this.#keyText(key, isFirst), this.#format === 'cef' ? label : undefined, false),
      Math.min(MOST_U32, mostOf(key, this.#format)),
      from.length,
      ...from.map((path) => this.#field(path)),
    ])
  }

  #readingSpace(placed: Placed): number {
    const { as, cef, leef, label } = placed.column
    const what = JSON.stringify([as, cef, leef, label, placed.isFirst])
    if (!this.#readings.has(what)) this.#readings.set(what, placed)
    return READINGS + [...this.#readings.keys()].indexOf(what)
  }

  #rule(when: Readonly<Record<string, RegExp>>, is: Severity): number[] {
    const conditions = Object.entries(when).map(([path, pattern]) => {
      const bit = 2 ** patternsOf(path).findIndex((each) => String(each) === String(pattern))
      return [this.#field(path), bit, pattern.test('') ? 1 : 0]
    })
    return [...this.#severity(is), conditions.length, ...conditions.flat()]
  }

  #severity([syslog, cef, leef]: Severity): number[] {
    return [syslog, this.#format === 'cef' ? cef : leef]
  }

  #steps(): void {
    for (const [node, step] of STEPS_OF.flatMap((steps, at) => [...steps].map((step) => [at + ROOT, step] as const))) {
      const [name, { next, path }] = step
      const field = FIELD_PATHS.includes(path) ? this.#field(path) : 0
      this.#learn(STEPS + node, Buffer.from(name), field * 65_536 + next)
    }
  }

  #field(path: string): number {
    return this.#fields.get(path) as number
  }

  #list(entries: ReadonlyArray<number | readonly number[]>): number {
    return this.#record([entries.length, ...entries.flat()])
  }

  #record(numbers: readonly number[]): number {
    return this.#keep(Buffer.from(Uint32Array.from(numbers).buffer))
  }

  #text(text: string): Text {
    const bytes = Buffer.from(text)
    return [this.#keep(bytes), bytes.length]
  }

  #keep(bytes: Buffer): number {
    this.#hand(bytes)
    const address = this.#pupil.keep(bytes.length)
    if (address === 0) throw new Full()
    return address
  }

  #learn(space: number, word: Buffer, value: number): void {
    this.#hand(word)
    if (this.#pupil.learn(space, word.length, value) === 0) throw new Full()
  }

  #hand(bytes: Buffer): void {
    bytes.copy(this.#memory, this.#pupil.handedAt())
  }
}

interface Placed {
  readonly column: Column
  /** It is the time of its product. */
  readonly isFirst: boolean
}

type Text = [at: number, length: number]

function pathsOf({ columns, severities, has = [], eventClass = [], eventName = [] }: Product): string[] {
  const found = columns.flatMap(({ from }) => from)
  return [...found, ...has, ...eventClass, ...eventName, ...severities.flatMap(({ when }) => Object.keys(when))]
}

/** The contents whose JSON holds fields of a product that stand beside the others. */
function partsOf(product: Product): string[] {
  const dotted = pathsOf(product).filter((path) => path.includes('.'))
  return [...new Set(dotted.map((path) => path.slice(0, path.indexOf('.'))))]
}

/** All fields, by their number from 1 on. The topic is the first. */
const FIELD_PATHS: readonly string[] = [
  ...new Set([
    TOPIC,
    ...LEVEL_FIELDS,
    ...PRODUCTS.flatMap((product) => [...pathsOf(product), ...partsOf(product), product.inside ?? []].flat()),
  ]),
]

/** Paths of fields that may stand in JSON. */
const DEEP_PATHS = [
  ...new Set([
    ...LEVEL_FIELDS,
    ...PRODUCTS.flatMap((product) => {
      const paths = pathsOf(product)
      return product.inside === undefined ? paths.filter((path) => path.includes('.')) : paths
    }),
  ]),
]

interface Step {
  /** Number of the node that it leads to, or 0 if no step leads further. */
  readonly next: number
  readonly path: string
}

/** The tree of the paths: of each node, the root first, the steps by their names. */
const STEPS_OF: ReadonlyArray<ReadonlyMap<string, Step>> = stepsOf(DEEP_PATHS)

function stepsOf(paths: readonly string[]): Array<Map<string, Step>> {
  const inner = ['', ...new Set(paths.flatMap(prefixesOf))]
  return inner.map((prefix) => {
    const under = paths.filter((path) => prefix === '' || path.startsWith(`${prefix}.`))
    const names = under.map((path) => path.slice(prefix === '' ? 0 : prefix.length + 1).split('.', 1)[0] as string)
    return new Map(
      names.map((name) => {
        const path = prefix === '' ? name : `${prefix}.${name}`
        const next = inner.indexOf(path)
        return [name, { path, next: next < 0 ? 0 : next + ROOT }]
      }),
    )
  })
}

/** The paths above a path. */
function prefixesOf(path: string): string[] {
  const steps = path.split('.')
  return steps.slice(1).map((_, at) => steps.slice(0, at + 1).join('.'))
}

function nodeOf(part: string): number {
  return STEPS_OF[0]?.get(part)?.next ?? 0
}

/** Contents of such names would be taken for parts of others. */
const ODD_NAMES: ReadonlySet<string> = new Set(
  PRODUCTS.flatMap((product) => {
    const paths = pathsOf(product)
    const inside = product.inside === undefined ? [] : paths.map((path) => `${product.inside}.${path}`)
    return [...inside, ...inside.flatMap(prefixesOf), ...paths.flatMap(prefixesOf)].filter((name) => name.includes('.'))
  }),
)

/** The patterns of all rules about a field. */
function patternsOf(path: string): RegExp[] {
  const all = PRODUCTS.flatMap(({ severities }) => severities.flatMap(({ when }) => when[path] ?? []))
  return all.filter((pattern, at) => all.findIndex((each) => String(each) === String(pattern)) === at)
}

function bitsOf(patterns: readonly RegExp[], text: string): number {
  return patterns.reduce((bits, pattern, at) => bits + (pattern.test(text) ? 2 ** at : 0), KNOWN_BITS)
}

function numbered(paths: readonly string[]): Map<string, number> {
  return new Map(paths.map((path, at) => [path, at + 1]))
}
