import { PRODUCTS, UNKNOWN_SOURCETYPE } from '../products.ts'
import type { Copy, Destination, Layout, Program, ProgramRoute } from '../program.ts'
import { fixedLayout, plainRouteOf } from '../program.ts'
import type { TopicSelection } from '../select.ts'
import { Graph, Place } from './graph.ts'
import { Image } from './image.ts'
import {
  MAX_COPIES,
  MAX_NAMES,
  MAX_NODES,
  MAX_OUTPUTS,
  MAX_PROGRAM_KEYS,
  MAX_REASONS,
  MAX_ROUTES,
  PIECE_IS_SOURCE,
  PIECE_IS_SOURCETYPE,
  PIECE_IS_TEXT,
  PIECE_SIZE,
  TOPIC_IS_PREFIX,
} from './memory-layout.ts'
import { Shape } from './shapes.ts'
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
  readonly #outputs: KernelOutput[] = []
  readonly #copies: KernelCopy[] = []
  readonly #handsOver = new Map<string, readonly string[]>()
  readonly #reasons: string[] = []

  constructor(program: Program, room: Room) {
    this.#program = program
    this.#room = room
    this.#image = new Image(room.base)
    this.#graph = new Graph(this.#image, embeddedBefore(program))
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
      const steps = [...this.#program.shape, ...shape]
      const known = steps.length > 0 ? new Shape(steps) : undefined
      const own = copies.map((copy) => ({ copy, pieces: this.#pieces(copy.layout), route: number, shape: known }))
      for (const key of known?.keys ?? []) this.#graph.key(key)
      this.#copies.push(...own)
      this.#graph.take(number, from, copies.length, next)
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error
      this.#graph.unknown(error.message, next, next)
    }
  }

  #copyWords(): number[] {
    const { keys } = this.#graph
    return this.#copies.flatMap(({ copy, pieces, route, shape }) => {
      const { at, more } = shape?.words(this.#image, keys) ?? { at: 0, more: 0 }
      return [this.#outputOf(copy), this.#image.words(pieces), pieces.length / PIECE_SIZE, route, at, more]
    })
  }

  #outputOf({ destination, layout: { index } }: Copy): number {
    const fixed = typeof index === 'object' ? undefined : index
    const known = this.#outputs.findIndex((one) => one.destination.sink === destination.sink && one.index === fixed)
    return known === -1 ? this.#outputs.push({ destination, index: fixed }) - 1 : known
  }

  #pieces(layout: Layout): number[] {
    const fixed = fixedLayout(layout)
    if (fixed === undefined) throw new Unsupported('a value of the log in the envelope')
    const { host, source, sourcetype, index } = fixed
    const image = this.#image
    const text = (value: string): number[] => [PIECE_IS_TEXT, image.text(Buffer.from(value)), Buffer.byteLength(value)]
    return [
      ...(host === undefined ? [...text(',"host":"'), PIECE_IS_SOURCE, 0, 0] : text(`,"host":"${insideOf(host)}`)),
      ...text(`","source":"${insideOf(source)}","sourcetype":"`),
      ...(sourcetype === 'auto' ? [PIECE_IS_SOURCETYPE, this.#sourcetypes(), 0] : text(insideOf(sourcetype))),
      ...text(`"${index === undefined ? '' : `,"index":"${insideOf(index)}"`},"event":{`),
    ]
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

/** Contents that are JSON when the conditions see them. */
function embeddedBefore({ shape, routes }: Program): readonly string[] | '*' {
  if (!routes.some(({ when }) => when)) return []
  const fields = shape.map((step) => {
    if (step.name !== 'json') throw new Unsupported(`${step.name} before conditions`)
    // Conditions would see the members of the object, and a failure counts whatever becomes of the log.
    if (step.into === 'merge') throw new Unsupported('json, merged, before conditions')
    if (step.required) throw new Unsupported('json, required, before conditions')
    return step.fields
  })
  return fields.includes('*') ? '*' : fields.flat()
}

/** The inside of a JSON string. */
function insideOf(text: string): string {
  return JSON.stringify(text).slice(1, -1)
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
