import type { Batch, EncodeCounts, PullPosition } from '../../core/batch.ts'
import { originOf } from '../../core/batch.ts'
import type { Engine, EngineOptions, Walk } from '../engine.ts'
import { GroupEvents } from './events.ts'
import { LogGroup, logGroupsOf } from './log-group.ts'
import { assertWellFormed } from './well-formed.ts'

/**
 * Says what an engine does, as plainly as possible. Nothing here is for speed. It judges the bytes of the WebAssembly engine
 * and encodes the logs and bodies that it hands over.
 */
export class ReferenceEngine implements Engine {
  readonly #options: EngineOptions

  constructor(options: EngineOptions) {
    this.#options = options
  }

  open(body: Buffer, at: PullPosition): Walk {
    assertWellFormed(body, this.#options.topics)
    return new ReferenceWalk(this.#options, body, at)
  }

  /** The events of one log group, for an engine that hands some logs over to this one. */
  eventsOf(group: Buffer, index: number, at: PullPosition): GroupEvents {
    return new GroupEvents(this.#options.layout, at, new LogGroup(group), index)
  }
}

class ReferenceWalk implements Walk {
  readonly counts: EncodeCounts = { logs: 0, filteredLogs: 0 }
  readonly #options: EngineOptions
  readonly #at: PullPosition
  readonly #events: Iterator<Buffer>
  /** The event that did not fit into the last batch. */
  #waiting: Buffer | undefined

  constructor(options: EngineOptions, body: Buffer, at: PullPosition) {
    this.#options = options
    this.#at = at
    this.#events = this.#eventsOf(body)
  }

  nextBatch(): Batch | undefined {
    const { maxBatchBytes, memory } = this.#options
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
    return used === 0 ? undefined : memory.batchOf(originOf(this.#at), Buffer.concat(events), Uint32Array.from(ends))
  }

  #nextEvent(): Buffer | undefined {
    const { done, value } = this.#events.next()
    return done ? undefined : value
  }

  *#eventsOf(body: Buffer): Generator<Buffer, undefined> {
    const { layout, topics } = this.#options
    let groupIndex = -1
    for (const bytes of logGroupsOf(body)) {
      groupIndex++
      const group = new LogGroup(bytes)
      this.counts.logs += group.logCount
      if (!topics.wants(group.topic)) {
        this.counts.filteredLogs += group.logCount
        continue
      }
      if (group.logCount === 0) continue
      const events = new GroupEvents(layout, this.#at, group, groupIndex)
      let logIndex = 0
      for (const log of group.logs()) yield events.eventOf(log, logIndex++)
    }
    return undefined
  }
}
