import type { Batch, EncodeCounts, PullPosition } from '../../core/batch.ts'
import { originOf } from '../../core/batch.ts'
import type { BatchMemory } from '../batch-memory.ts'
import type { Engine, Walk } from '../engine.ts'
import type { PlainRoute, Program } from '../program.ts'
import { plainRouteOf } from '../program.ts'
import { GroupEvents } from './events.ts'
import { LogGroup, logGroupsOf } from './log-group.ts'
import { assertWellFormed } from './well-formed.ts'

/**
 * Says what an engine does, as plainly as possible. Nothing here is for speed. It judges the bytes of the WebAssembly engine
 * and encodes the logs and bodies that it hands over.
 */
export class ReferenceEngine implements Engine {
  readonly #memory: BatchMemory

  constructor(memory: BatchMemory) {
    this.#memory = memory
  }

  open(body: Buffer, at: PullPosition, program: Program): Walk {
    assertWellFormed(body, program.topics)
    return new ReferenceWalk(this.#memory, program, body, at)
  }
}

class ReferenceWalk implements Walk {
  #logs = 0
  readonly #filtered = new Map<string, number>()
  readonly #routed = new Map<string, number>()
  readonly #memory: BatchMemory
  readonly #program: Program
  readonly #route: PlainRoute
  readonly #at: PullPosition
  readonly #events: Iterator<Buffer>
  /** The event that did not fit into the last batch. */
  #waiting: Buffer | undefined

  constructor(memory: BatchMemory, program: Program, body: Buffer, at: PullPosition) {
    const route = plainRouteOf(program)
    if (route === undefined) throw new Error('only programs of one route are understood')
    this.#memory = memory
    this.#program = program
    this.#route = route
    this.#at = at
    this.#events = this.#eventsOf(body)
  }

  get counts(): EncodeCounts {
    return { logs: this.#logs, filtered: this.#filtered, routed: this.#routed }
  }

  nextBatch(): Batch | undefined {
    const { sink, maxBatchBytes } = this.#route.destination
    const events: Buffer[] = []
    const ends: number[] = []
    let used = 0
    for (;;) {
      const event = this.#waiting ?? this.#nextEvent()
      this.#waiting = undefined
      if (event === undefined) break
      if (events.length > 0 && used + event.length > maxBatchBytes) {
        this.#waiting = event
        break
      }
      used += event.length
      events.push(event)
      ends.push(used)
    }
    if (used === 0) return undefined
    const about = { origin: originOf(this.#at), sink, routes: [this.#route.name] }
    return this.#memory.batchOf(about, Buffer.concat(events), Uint32Array.from(ends))
  }

  #nextEvent(): Buffer | undefined {
    const { done, value } = this.#events.next()
    return done ? undefined : value
  }

  *#eventsOf(body: Buffer): Generator<Buffer, undefined> {
    const { topics } = this.#program
    const { name, layout } = this.#route
    let groupIndex = -1
    for (const bytes of logGroupsOf(body)) {
      groupIndex++
      const group = new LogGroup(bytes)
      this.#logs += group.logCount
      if (group.logCount === 0) continue
      if (!topics.wants(group.topic)) {
        add(this.#filtered, 'topic', group.logCount)
        continue
      }
      add(this.#routed, name, group.logCount)
      const events = new GroupEvents(this.#program, layout, this.#at, group, groupIndex)
      let logIndex = 0
      for (const log of group.logs()) yield events.eventOf(log, logIndex++)
    }
    return undefined
  }
}

function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count)
}
