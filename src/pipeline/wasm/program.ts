import { isOfGroup } from '../../routing/path.ts'
import type { Step } from '../../routing/step.ts'
import { PRODUCTS, UNKNOWN_SOURCETYPE } from '../products.ts'
import type { Copy, Destination, Layout, LayoutText, Program, ProgramRoute } from '../program.ts'
import { plainRouteOf } from '../program.ts'
import type { TopicSelection } from '../select.ts'
import { Graph, Place } from './graph.ts'
import { Image } from './image.ts'
import { parseWords, splitParses } from './lines.ts'
import {
  MAX_COPIES,
  MAX_NAMES,
  MAX_NODES,
  MAX_OUTPUTS,
  MAX_PROGRAM_KEYS,
  MAX_REASONS,
  MAX_ROUTES,
  PARSE_SIZE,
  PIECE_IS_SOURCE,
  PIECE_IS_SOURCETYPE,
  PIECE_IS_TEMPLATE,
  PIECE_IS_TEXT,
  PIECE_SIZE,
  TIME_SIZE,
  TOPIC_IS_PREFIX,
} from './memory-layout.ts'
import { Shape } from './shapes.ts'
import { insideOf, partsOf, templateWords } from './templates.ts'
import { Unsupported } from './unsupported.ts'

/** A program as the kernel knows it. */
export interface KernelProgram {
  /** What lies in the kernel's memory, and the address of its header. */
  readonly image: Buffer
  readonly header: number
  /** By the kernel's numbers. */
  readonly outputs: readonly KernelOutput[]
  readonly routes: readonly string[]
  readonly reasons: readonly string[]
  /** Whether one route takes all logs to one output. */
  readonly isPlain: boolean
  /** Why the reference takes over the logs that come to some routes, by the route's name. */
  readonly handsOver: ReadonlyMap<string, readonly string[]>
}

/** Where events go: each has batches of its own. */
export interface KernelOutput {
  readonly destination: Destination
  readonly index: string | undefined
}

interface KernelCopy {
  readonly copy: Copy
  /** Words of the pieces of its envelope. */
  readonly pieces: number[]
  /** Whether its envelope differs from log to log. */
  readonly isOfLog: boolean
  readonly route: number
  readonly shape: Shape | undefined
}

/** Where programs lie in the kernel's memory, and what the memory has room for. */
export interface Room {
  readonly base: number
  readonly bytes: number
  readonly maxBatchBytes: number
}

/** The kernel's room for a program. */
export const PROGRAM_BYTES = 256 << 10

/** Translates a program. A text says why the kernel cannot run it. */
export function kernelProgramOf(program: Program, room: Room): KernelProgram | string {
  try {
    return new Translation(program, room).result()
  } catch (error) {
    if (error instanceof Unsupported) return error.message
    throw error
  }
}

class Translation {
  readonly #program: Program
  readonly #room: Room
  readonly #image: Image
  readonly #graph: Graph
  /** Words of the lines of which fields are made before all else. */
  readonly #parses: readonly number[]
  /** The other steps before the routes. */
  readonly #steps: readonly Step[]
  readonly #before: Shape
  readonly #outputs: KernelOutput[] = []
  readonly #copies: KernelCopy[] = []
  readonly #handsOver = new Map<string, readonly string[]>()
  readonly #reasons: string[] = []

  constructor(program: Program, room: Room) {
    this.#program = program
    this.#room = room
    this.#image = new Image(room.base)
    if (program.routes.some(({ when }) => when)) checkBeforeConditions(program)
    this.#graph = new Graph(this.#image, (name) => this.#before.originsOf(name))
    const [parses, steps] = splitParses(program.shape)
    this.#parses = parseWords(parses, this.#image, this.#graph)
    this.#steps = steps
    this.#before = new Shape(steps, { image: this.#image, graph: this.#graph })
  }

  result(): KernelProgram {
    const { topics, routes } = this.#program
    const isPlain = plainRouteOf(this.#program) !== undefined
    const image = this.#image
    const start = this.#route()
    const copiesAt = image.words(this.#copyWords())
    const { keys, names, nodes, startAt } = this.#graph.finish(isPlain ? undefined : start, copiesAt)
    const { maxBatchBytes } = this.#room
    const [first] = routes
    const choosesGroups = names.count > 0 || (first?.drop !== undefined && first.when === undefined)
    const header = image.words([
      ...[image.text(topicList(topics)), topics.topics.length],
      ...[keys.at, keys.count, names.at, names.count, nodes.at, nodes.count, startAt],
      ...[copiesAt, this.#copies.length, choosesGroups ? 1 : 0],
      ...[image.words(this.#before.times), this.#before.times.length / TIME_SIZE],
      ...[image.words(this.#parses), this.#parses.length / PARSE_SIZE],
    ])
    const largest = Math.max(0, ...this.#outputs.map(({ destination }) => destination.maxBatchBytes))
    const limits: Array<[what: string, found: number, most: number]> = [
      ['fields in conditions and steps', keys.count, MAX_PROGRAM_KEYS],
      ['tags in conditions', names.count, MAX_NAMES],
      ['comparisons', nodes.count, MAX_NODES],
      ['reasons to drop', this.#reasons.length, MAX_REASONS],
      ['routes', routes.length, MAX_ROUTES],
      ['copies', this.#copies.length, MAX_COPIES],
      ['sinks and indexes', this.#outputs.length, MAX_OUTPUTS],
      ['bytes in a batch', largest, maxBatchBytes],
      ['bytes of conditions', image.size, this.#room.bytes],
    ]
    for (const [what, found, most] of limits) if (found > most) throw new Unsupported(`more than ${most} ${what}`)
    return {
      ...{ image: image.bytes, header, isPlain, handsOver: this.#handsOver },
      ...{ outputs: this.#outputs, routes: routes.map(({ name }) => name), reasons: this.#reasons },
    }
  }

  /** Adds the nodes of all routes and returns the first. */
  #route(): Place {
    const graph = this.#graph
    const start = new Place()
    const stop = new Place()
    const drops: Array<[Place, reason: string]> = []
    let here = start
    for (const [number, route] of this.#program.routes.entries()) {
      const next = new Place()
      graph.here(here)
      const taken = new Place()
      if (route.when !== undefined) graph.test(route.when.expression, taken, next)
      else here.isSame(taken)
      if (route.drop !== undefined) drops.push([taken, route.drop])
      else {
        graph.here(taken)
        this.#take(route, number, route.continue ? next : stop)
      }
      const reasons = graph.takeReasons()
      if (reasons.length > 0) this.#handsOver.set(route.name, reasons)
      here = next
    }
    here.isSame(stop)
    // A drop behind each route of its own: what decides about a group without its logs must not depend on their contents.
    for (const [place, reason] of drops) {
      graph.here(place)
      graph.filter(numberOf(this.#reasons, reason))
    }
    graph.here(stop)
    graph.stop()
    return start
  }

  /** Adds the node that writes a route's copies, or leaves them to the host. */
  #take({ shape, copies }: ProgramRoute, number: number, next: Place): void {
    const from = this.#copies.length
    try {
      const before = this.#steps
      const both = new Shape([...before, ...shape], { image: this.#image, graph: this.#graph, known: before.length })
      const known = both.isEmpty && both.times.length === 0 ? undefined : both
      const own = copies.map((copy) => ({
        ...{ copy, pieces: this.#pieces(copy.layout), isOfLog: isOfLog(copy.layout), route: number, shape: known },
      }))
      this.#copies.push(...own)
      this.#graph.take(number, from, copies.length, next)
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error
      this.#graph.unknown(error.message, next, next)
    }
  }

  #copyWords(): number[] {
    const { keys } = this.#graph
    return this.#copies.flatMap(({ copy, pieces, isOfLog: differs, route, shape }) => {
      const { at, more } = shape?.words(this.#image, keys) ?? { at: 0, more: 0 }
      const envelope = [this.#image.words(pieces), pieces.length / PIECE_SIZE]
      return [this.#outputOf(copy), ...envelope, route, at, more, differs ? 1 : 0]
    })
  }

  #outputOf({ destination, layout: { index } }: Copy): number {
    const fixed = typeof index === 'object' ? undefined : index
    const known = this.#outputs.findIndex((one) => one.destination.sink === destination.sink && one.index === fixed)
    return known === -1 ? this.#outputs.push({ destination, index: fixed }) - 1 : known
  }

  #pieces({ host, source, sourcetype, index }: Layout): number[] {
    if (typeof index === 'object') throw new Unsupported('a value of the log in the index')
    return [
      ...[...this.#text(',"host":"'), ...this.#piece(host, [PIECE_IS_SOURCE, 0, 0])],
      ...[...this.#text('","source":"'), ...this.#piece(source, this.#text(''))],
      ...[...this.#text('","sourcetype":"'), ...this.#sourcetype(sourcetype)],
      ...this.#text(`"${index === undefined ? '' : `,"index":"${insideOf(index)}"`},"event":{`),
    ]
  }

  #text(value: string): number[] {
    const bytes = Buffer.from(value)
    return [PIECE_IS_TEXT, this.#image.text(bytes), bytes.length]
  }

  #sourcetype(text: LayoutText): number[] {
    const template = typeof text === 'object' && text.otherwise === 'auto' ? { template: text.template } : undefined
    if (text !== 'auto' && template === undefined) return this.#piece(text, this.#text(''))
    return this.#piece(template, [PIECE_IS_SOURCETYPE, this.#sourcetypes(), 0])
  }

  /** The piece for a text, or for `missing` where it has none. */
  #piece(text: LayoutText | undefined, missing: number[]): number[] {
    if (text === undefined) return missing
    if (typeof text === 'string') return this.#text(insideOf(text))
    const image = this.#image
    const { template, otherwise } = text
    const parts = partsOf(template, image, (path) => this.#graph.operand(path, this.#before.originsOf))
    const instead = otherwise === undefined ? missing : this.#text(insideOf(otherwise))
    return [PIECE_IS_TEMPLATE, templateWords(parts, image, instead), 0]
  }

  /** Address of the table. */
  #sourcetypes(): number {
    const image = this.#image
    const rows = [...PRODUCTS, { topic: '*', sourcetype: UNKNOWN_SOURCETYPE }].flatMap(({ topic, sourcetype }) => {
      const [start, text] = [Buffer.from(topic.replace(/\*$/, '')), Buffer.from(sourcetype.replace(/\*$/, ''))]
      const hasRest = sourcetype.endsWith('*') ? 1 : 0
      return [image.text(start), start.length, topic.endsWith('*') ? 1 : 0, image.text(text), text.length, hasRest]
    })
    return image.words(rows)
  }
}

/** Conditions see the log behind these steps. The kernel runs most steps only on what leaves. */
function checkBeforeConditions({ shape }: Program): void {
  for (const { name } of shape) {
    if (name !== 'json' && name !== 'time' && name !== 'parse') throw new Unsupported(`${name} before conditions`)
  }
}

function isOfLog({ host, source, sourcetype }: Layout): boolean {
  return [host, source, sourcetype].some(
    (text) =>
      typeof text === 'object' && text.template.parts.some((part) => typeof part !== 'string' && !isOfGroup(part)),
  )
}

function numberOf(names: string[], name: string): number {
  const known = names.indexOf(name)
  return known === -1 ? names.push(name) - 1 : known
}

function topicList({ topics }: TopicSelection): Buffer {
  return Buffer.concat(
    topics.flatMap(({ bytes, isPrefix }) => {
      const length = Buffer.allocUnsafe(4)
      length.writeUInt32LE(bytes.length + (isPrefix ? TOPIC_IS_PREFIX : 0))
      return [length, bytes]
    }),
  )
}
