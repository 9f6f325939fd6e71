import type { Batch, EncodeCounts, PullPosition } from '../../core/batch.ts'
import { originOf } from '../../core/batch.ts'
import type { BatchMemory } from '../batch-memory.ts'
import type { Engine, Walk } from '../engine.ts'
import { Packer } from '../packer.ts'
import type { Program } from '../program.ts'
import { GroupRoutes } from './group-routes.ts'
import { contentsOf, LogGroup, logGroupsOf, timeOf } from './log-group.ts'
import { count, Tally } from './tally.ts'
import { topicsOf } from './topics.ts'

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
    const tally = new Tally()
    for (const { group } of wantedGroups(body, at, program, tally)) {
      for (const log of group.logs()) {
        timeOf(log)
        for (const _ of contentsOf(log));
      }
    }
    return new ReferenceWalk(this.#memory, program, body, at)
  }

  readonly topics = topicsOf
}

class ReferenceWalk implements Walk {
  readonly #tally = new Tally()
  readonly #packer: Packer
  readonly #events: Iterator<void>
  #ended = false

  constructor(memory: BatchMemory, program: Program, body: Buffer, at: PullPosition) {
    this.#packer = new Packer(memory, originOf(at), program)
    this.#events = this.#pack(body, at, program)
  }

  get counts(): EncodeCounts {
    return { ...this.#tally }
  }

  nextBatch(): Batch | undefined {
    let batch = this.#packer.take()
    while (batch === undefined && !this.#ended) {
      if (this.#events.next().done) {
        this.#ended = true
        this.#packer.end()
      }
      batch = this.#packer.take()
    }
    return batch
  }

  /** Packs event by event. */
  *#pack(body: Buffer, at: PullPosition, program: Program): Generator<void> {
    for (const { group, routes } of wantedGroups(body, at, program, this.#tally)) {
      let index = 0
      for (const log of group.logs()) {
        for (const { output, route, event } of routes.leaving(log, index++, this.#tally)) {
          this.#packer.add(output, route, event)
          yield
        }
      }
    }
  }
}

interface WantedGroup {
  readonly group: LogGroup
  readonly routes: GroupRoutes
}

/** The log groups whose logs are read. Counts all logs, and those that are not read as filtered. */
function* wantedGroups(body: Buffer, at: PullPosition, program: Program, tally: Tally): Generator<WantedGroup> {
  let index = -1
  for (const bytes of logGroupsOf(body)) {
    index++
    const group = new LogGroup(bytes)
    tally.logs += group.logCount
    if (!program.topics.wants(group.topic)) {
      if (group.logCount > 0) count(tally.filtered, 'topic', group.logCount)
      continue
    }
    const routes = new GroupRoutes(program, at, group, index)
    const { dropped } = routes
    if (dropped === undefined) yield { group, routes }
    else if (group.logCount > 0) count(tally.filtered, dropped, group.logCount)
  }
}
