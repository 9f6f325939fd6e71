import { PRODUCTS, UNKNOWN_SOURCETYPE } from '../products.ts'
import type { Copy, Destination, Program } from '../program.ts'
import { fixedLayout, plainRouteOf } from '../program.ts'
import type { TopicSelection } from '../select.ts'
import { Graph, Place } from './graph.ts'
import { Image } from './image.ts'
import {
  COPY_SIZE,
  MAX_COPIES,
  MAX_NAMES,
  MAX_NODES,
  MAX_OUTPUTS,
  MAX_PROGRAM_KEYS,
  PIECE_IS_SOURCE,
  PIECE_IS_SOURCETYPE,
  PIECE_IS_TEXT,
  PIECE_SIZE,
  TOPIC_IS_PREFIX,
} from './memory-layout.ts'
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
}

/** Where events go: each has batches of its own. */
export interface KernelOutput {
  readonly destination: Destination
  readonly index: string | undefined
}

/** Where programs lie in the kernel's memory, and what the memory has room for. */
export interface Room {
  readonly base: number
  readonly bytes: number
  readonly maxBatchBytes: number
}

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
  /** Words of all copies. */
  readonly #copies: number[] = []
  readonly #reasons: string[] = []

  constructor(program: Program, room: Room) {
    this.#program = program
    this.#room = room
    this.#image = new Image(room.base)
    this.#graph = new Graph(this.#image)
  }

  result(): KernelProgram {
    const { topics, routes, shape } = this.#program
    if (shape.length > 0 || routes.some((route) => route.shape.length > 0)) throw new Unsupported('a shape')
    const isPlain = plainRouteOf(this.#program) !== undefined
    const image = this.#image
    const counts = routes.map(({ copies }, number) => {
      for (const copy of copies) this.#copies.push(...this.#copyWords(copy, number))
      return copies.length
    })
    const copiesAt = image.words(this.#copies)
    const start = isPlain ? undefined : this.#route(copiesAt, counts)
    const { keys, names, nodes, startAt } = this.#graph.finish(start)
    const { maxBatchBytes } = this.#room
    const limitsOfBatches = this.#outputs.map(({ destination }) => destination.maxBatchBytes)
    const choosesGroups = names.count > 0 || routes[0]?.drop !== undefined
    const header = image.words([
      ...[image.text(topicList(topics)), topics.topics.length],
      ...[keys.at, keys.count, names.at, names.count, nodes.at, nodes.count, startAt],
      ...[copiesAt, this.#copies.length / COPY_SIZE],
      ...[Math.min(maxBatchBytes, ...limitsOfBatches), choosesGroups ? 1 : 0],
    ])
    const limits: Array<[what: string, found: number, most: number]> = [
      ['fields in conditions', keys.count, MAX_PROGRAM_KEYS],
      ['tags in conditions', names.count, MAX_NAMES],
      ['comparisons', nodes.count, MAX_NODES],
      ['copies', this.#copies.length / COPY_SIZE, MAX_COPIES],
      ['sinks and indexes', this.#outputs.length, MAX_OUTPUTS],
      ['bytes in a batch', Math.max(0, ...limitsOfBatches), maxBatchBytes],
      ['bytes of conditions', image.size, this.#room.bytes],
    ]
    for (const [what, found, most] of limits) if (found > most) throw new Unsupported(`more than ${most} ${what}`)
    return {
      ...{ image: image.bytes, header, isPlain },
      ...{ outputs: this.#outputs, routes: routes.map(({ name }) => name), reasons: this.#reasons },
    }
  }

  /** Adds the nodes of all routes and returns the first. */
  #route(copiesAt: number, counts: readonly number[]): Place {
    const graph = this.#graph
    const start = new Place()
    const stop = new Place()
    const drops: Array<[Place, reason: string]> = []
    let here = start
    let copies = copiesAt
    for (const [number, route] of this.#program.routes.entries()) {
      const next = new Place()
      graph.here(here)
      const taken = new Place()
      if (route.when !== undefined) graph.test(route.when.expression, taken, next)
      else here.isSame(taken)
      if (route.drop !== undefined) drops.push([taken, route.drop])
      else {
        graph.here(taken)
        graph.take(number, copies, counts[number] ?? 0, route.continue ? next : stop)
      }
      copies += 4 * COPY_SIZE * (counts[number] ?? 0)
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

  #copyWords({ destination, layout }: Copy, route: number): number[] {
    const fixed = fixedLayout(layout)
    if (fixed === undefined) throw new Unsupported('a value of the log in the envelope')
    const { host, source, sourcetype, index } = fixed
    let output = this.#outputs.findIndex((one) => one.destination.sink === destination.sink && one.index === index)
    if (output === -1) output = this.#outputs.push({ destination, index }) - 1
    const image = this.#image
    const text = (value: string): number[] => [PIECE_IS_TEXT, image.text(Buffer.from(value)), Buffer.byteLength(value)]
    const pieces = [
      ...(host === undefined ? [...text(',"host":"'), PIECE_IS_SOURCE, 0, 0] : text(`,"host":"${insideOf(host)}`)),
      ...text(`","source":"${insideOf(source)}","sourcetype":"`),
      ...(sourcetype === 'auto' ? [PIECE_IS_SOURCETYPE, this.#sourcetypes(), 0] : text(insideOf(sourcetype))),
      ...text(`"${index === undefined ? '' : `,"index":"${insideOf(index)}"`},"event":{`),
    ]
    return [output, image.words(pieces), pieces.length / PIECE_SIZE, route]
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
