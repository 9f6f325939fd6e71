import type { Comparison, Expression } from '../../routing/expression.ts'
import type { Path, Reading } from '../../routing/path.ts'
import { isOfGroup } from '../../routing/path.ts'
import type { Code } from './comparisons.ts'
import { codeOf } from './comparisons.ts'
import type { Image } from './image.ts'
import {
  COPY_SIZE,
  NAME_SOURCE,
  NAME_TAG,
  NAME_TOPIC,
  NODE_SIZE,
  OF_KEY,
  OF_NAME,
  OP_FILTER,
  OP_HOST,
  OP_STOP,
  OP_TAKE,
  OP_UNKNOWN,
  READING_SIZE,
} from './memory-layout.ts'
import { Unsupported } from './unsupported.ts'

/** A content that a path may mean where it stands: its key in the log, and whether it is turned into JSON before. */
export interface Origin {
  readonly key: string
  readonly becomesJson: boolean
}

/** The contents that have this name; at most one of them is in a log that the kernel writes. */
export type OriginsOf = (name: string) => readonly Origin[]

/** A place in the graph: a node, known when the graph is finished, or another place. */
export class Place {
  #node: number | undefined
  #same: Place | undefined

  isNode(node: number): void {
    this.#node = node
  }

  isSame(place: Place): void {
    this.#same = place
  }

  /** Number of the node. */
  get node(): number {
    return this.#same?.node ?? (this.#node as number)
  }
}

interface Node extends Code {
  readonly operand: number
  readonly yes?: Place
  readonly no?: Place
}

/** The nodes that a log passes until its routes are known, the keys that they read, and the values of the group. */
export class Graph {
  readonly #image: Image
  readonly #originsOf: OriginsOf
  readonly #nodes: Node[] = []
  readonly #reasons = new Set<string>()
  #operandOfUnknown: number | undefined
  readonly #operands = new Map<string, number>()
  readonly #keys = new Map<string, number>()
  readonly #names = new Map<string, number>()

  /** `originsOf`: for the paths of conditions. */
  constructor(image: Image, originsOf: OriginsOf) {
    this.#image = image
    this.#originsOf = originsOf
  }

  /** All keys of contents, by number. */
  get keys(): readonly string[] {
    return [...this.#keys.keys()]
  }

  /** The next node will be this place. */
  here(place: Place): void {
    place.isNode(this.#nodes.length)
  }

  /** The route takes the log: `count` copies from number `copy` on. */
  take(route: number, copy: number, count: number, next: Place): void {
    this.#nodes.push({ op: OP_TAKE, operand: route, text: copy, length: count, yes: next })
  }

  filter(reason: number): void {
    this.#nodes.push({ op: OP_FILTER, operand: reason, text: 0, length: 0 })
  }

  stop(): void {
    this.#nodes.push({ op: OP_STOP, operand: 0, text: 0, length: 0 })
  }

  /** Adds the nodes of a condition, the first of which is the next node. */
  test(expression: Expression, yes: Place, no: Place): void {
    if ('part' in expression) this.test(expression.part, no, yes)
    else if (!('parts' in expression)) this.#compare(expression, yes, no)
    else {
      const isAnd = expression.kind === 'and'
      for (const [index, part] of expression.parts.entries()) {
        const isLast = index === expression.parts.length - 1
        const next = new Place()
        this.test(part, isAnd && !isLast ? next : yes, isAnd || isLast ? no : next)
        if (!isLast) this.here(next)
      }
    }
  }

  #compare(comparison: Comparison, yes: Place, no: Place): void {
    try {
      const operand = this.#operand(comparison.operand.path, this.#originsOf, true)
      const code = codeOf(comparison, this.#image)
      if (code.op === OP_HOST)
        this.#reasons.add(comparison.operand.functions.map((name) => `${name}()`)[0] ?? comparison.kind)
      this.#nodes.push({ ...code, operand, yes, no })
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error
      this.unknown(error.message, yes, no)
    }
  }

  /** A node at which the host takes over, for this reason. */
  unknown(reason: string, yes: Place, no: Place): void {
    this.#reasons.add(reason)
    this.#operandOfUnknown ??= this.#image.words([0, 0, 0, 0, 0, 0, 0, 0])
    this.#nodes.push({ op: OP_UNKNOWN, operand: this.#operandOfUnknown, text: 0, length: 0, yes, no })
  }

  /** Why the host takes over at some nodes since this was asked last. */
  takeReasons(): string[] {
    const reasons = [...this.#reasons]
    this.#reasons.clear()
    return reasons
  }

  /** Address of the operand for a path outside conditions, where contents have the names that `originsOf` says. */
  operand(path: Path, originsOf: OriginsOf): number {
    return this.#operand(path, originsOf, false)
  }

  /** The place that an operand found is kept for other comparisons of the same log. */
  #operand(path: Path, originsOf: OriginsOf, isOfNode: boolean): number {
    const readings = path.readings.flatMap((reading) => this.#reading(reading, originsOf))
    const known = JSON.stringify([isOfNode, ...readings])
    let at = this.#operands.get(known)
    if (at === undefined) {
      const ofGroup = isOfGroup(path)
      const isKept = isOfNode && !ofGroup && path.readings.some(({ rest }) => rest.length > 0)
      const count = readings.length / READING_SIZE
      at = this.#image.words([this.#image.words(readings), count, ofGroup ? 1 : 0, isKept ? 1 : 0, 0, 0, 0, 0])
      this.#operands.set(known, at)
    }
    return at
  }

  #reading({ of, key, rest }: Reading, originsOf: OriginsOf): number[] {
    const image = this.#image
    const steps = rest.flatMap((step) => {
      if (typeof step === 'number') return [0, step]
      const bytes = Buffer.from(step)
      return [image.text(bytes), bytes.length]
    })
    const way = [rest.length > 0 ? image.words(steps) : 0, rest.length]
    if (of !== 'content') return [OF_NAME, this.#name(of, key), ...way, 0]
    return originsOf(key).flatMap((origin) => [OF_KEY, this.key(origin.key), ...way, origin.becomesJson ? 1 : 0])
  }

  /** Number of a content's key. */
  key(key: string): number {
    return numberOf(this.#keys, key)
  }

  #name(of: Exclude<Reading['of'], 'content'>, key: string): number {
    if (of === 'bridge') throw new Unsupported(key)
    return numberOf(this.#names, of === 'tag' ? `${TAG}${key}` : key)
  }

  /** Puts everything into the image, without the nodes if no log needs them. The copies are there already. */
  finish(start: Place | undefined, copiesAt: number): Record<'keys' | 'names' | 'nodes', Table> & { startAt: number } {
    const image = this.#image
    const keys = [...this.#keys.keys()].flatMap((key) => {
      const bytes = Buffer.from(key)
      if (bytes.length > MAX_KEY) throw new Unsupported(`a key of ${bytes.length} bytes`)
      return [image.text(Buffer.concat([Buffer.of(KEY, bytes.length), bytes])), bytes.length + 2]
    })
    const names = [...this.#names.keys()].flatMap((name) => {
      if (name === '__topic__') return [NAME_TOPIC, 0, 0]
      if (name === '__source__') return [NAME_SOURCE, 0, 0]
      const key = Buffer.from(name.slice(TAG.length))
      return [NAME_TAG, image.text(key), key.length]
    })
    const table = (words: number[], count: number): Table => ({ at: image.words(words), count })
    const [keyTable, nameTable, nodesAt] = [table(keys, this.#keys.size), table(names, this.#names.size), image.next]
    const at = (place: Place | undefined): number => (place === undefined ? 0 : nodesAt + 4 * NODE_SIZE * place.node)
    const used = start === undefined ? [] : this.#nodes
    const nodes = used.flatMap(({ op, operand, text, length, yes, no }) => {
      const words = [op, operand, op === OP_TAKE ? copiesAt + 4 * COPY_SIZE * text : text, length, at(yes), at(no)]
      return [...words, ...Array<number>(NODE_SIZE - words.length).fill(0)]
    })
    return { keys: keyTable, names: nameTable, nodes: table(nodes, used.length), startAt: at(start) }
  }
}

/** Address and number of rows. */
interface Table {
  readonly at: number
  readonly count: number
}

/** As on the wire: field 1, bytes. */
const KEY = 0x0a
const MAX_KEY = 127
const TAG = '__tag__:'

function numberOf(numbers: Map<string, number>, name: string): number {
  const known = numbers.get(name)
  if (known !== undefined) return known
  numbers.set(name, numbers.size)
  return numbers.size - 1
}
