import { DEFAULT_ROUTE, DEFAULT_SOURCE } from '../../config/names.ts'
import type { Single } from '../../config/single.ts'
import type { Batch } from '../../core/batch.ts'
import { systemClock } from '../../core/clock.ts'
import type { Fault } from '../../core/errors.ts'
import { messageOf } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import { NO_TELEMETRY } from '../../core/telemetry.ts'
import { onOneLine } from '../../core/text.ts'
import { hecSink } from '../../parts.ts'
import { DeadLetter, deadLetterFiles, readDeadLetterFile } from '../../sinks/dead-letter.ts'
import type { DeadLetterLine } from '../../sinks/dead-letter-line.ts'
import type { Sink } from '../../sinks/sink.ts'
import type { CommandIo } from '../command.ts'
import { EXIT, withAdvice } from '../command.ts'
import { Claim } from './claim.ts'

/** A replica may be appending to a file when we take it. After this time it is done. */
const CLAIM_SETTLES_MS = 500
const BATCH_EVENTS = 500

/** Delivers all dead letters again; exit code 0 only if each was accepted. */
export async function replay(config: Single, io: CommandIo): Promise<number> {
  const count = { delivered: 0, refused: 0, damaged: 0, left: 0 }
  const telemetry: Telemetry = {
    ...NO_TELEMETRY,
    delivered: (_sink, events) => {
      count.delivered += events
    },
    deadLettered: (_sink, _reason, events) => {
      count.refused += events
    },
    deliveryFailed: (_sink, fault, attempt) => {
      if (attempt === 3) io.stderr.write(`trying again: ${fault.message}\n`)
    },
    paused: (_key, fault: Fault) => {
      io.stderr.write(`waiting: ${withAdvice(fault)}\n`)
    },
  }
  const again = new DeadLetter({ dir: config.deadLetterDir, consumer: `replay-${config.sls.consumer}` })
  // All of these were refused before, so any number of them may be refused again.
  const parts = { proxies: config.proxies, telemetry, deadLetter: again }
  const sink = hecSink(config.hec, parts, { mostUnproven: Number.POSITIVE_INFINITY })
  try {
    // The list is read once, so events that are refused again during this run are not replayed again.
    for (const file of await deadLetterFiles(config.deadLetterDir)) {
      const { damaged, left } = await replayFile(file, new Deliveries(sink, config, io.signal), io)
      count.damaged += damaged
      if (left === undefined) continue
      count.left++
      io.stderr.write(`${file} is left: ${onOneLine(left)}\n`)
    }
  } finally {
    await sink.close()
    await again.close()
  }
  const { delivered, refused, damaged, left } = count
  const leftAside = left === 0 ? '' : `, ${left} files left`
  io.stdout.write(`${delivered} delivered, ${refused} refused again, ${damaged} damaged lines skipped${leftAside}\n`)
  return refused + damaged + left === 0 ? EXIT.done : EXIT.failed
}

interface FileOutcome {
  /** Damaged lines, which stay in the file. */
  readonly damaged: number
  /** Why the file is not done, if it is not. The next replay takes it. */
  readonly left?: string
}

async function replayFile(file: string, deliveries: Deliveries, io: CommandIo): Promise<FileOutcome> {
  let damaged = 0
  try {
    if (io.signal.aborted) return { damaged, left: ENDED }
    const claim = await Claim.take(file)
    if (typeof claim === 'string') return { damaged, left: claim }
    let left: string | undefined
    try {
      await systemClock.sleep(CLAIM_SETTLES_MS, io.signal)
      for await (const { letter, problem, tooLong, line } of readDeadLetterFile(claim.path)) {
        if (letter !== undefined) await deliveries.add(letter)
        else {
          if (tooLong) left = `line ${line} ${problem}`
          else damaged++
          io.stderr.write(`${file}:${line}: ${onOneLine(problem)}\n`)
        }
      }
      await deliveries.settled()
    } catch (error) {
      await deliveries.ended()
      await claim.giveBack()
      throw error
    }
    await (left === undefined ? claim.finish() : claim.giveBack())
    return { damaged, ...(left !== undefined && { left }) }
  } catch (error) {
    if (io.signal.aborted) return { damaged, left: ENDED }
    const { code, syscall } = error as NodeJS.ErrnoException
    // Errors of the file system are about this file. Others are bugs.
    if (syscall === undefined) throw error
    if (code === 'ENOENT') return { damaged, left: 'another replay has taken it over' }
    return { damaged, left: messageOf(error) }
  }
}

const ENDED = 'the replay was ended'

/** Sends the letters of a file, and holds at most `MAX_IN_FLIGHT_BYTES` of them and one letter more. */
class Deliveries {
  readonly #sink: Sink
  readonly #lease: Omit<Lease, 'shard'>
  readonly #batchBytes: number
  readonly #mostBytes: number
  readonly #flying = new Set<Promise<void>>()
  #flyingBytes = 0
  #letters: DeadLetterLine[] = []
  #bytes = 0

  constructor(sink: Sink, { hec, maxInFlightBytes }: Single, signal: AbortSignal) {
    this.#sink = sink
    // A replay needs no lease. This one holds until the command ends.
    this.#lease = { signal, assertHeld: () => signal.throwIfAborted() }
    this.#batchBytes = hec.maxBytes
    this.#mostBytes = maxInFlightBytes
  }

  /** Waits while too much is under way. Rejects when the command is ended. */
  async add(letter: DeadLetterLine): Promise<void> {
    this.#letters.push(letter)
    this.#bytes += Buffer.byteLength(letter.event)
    if (this.#letters.length >= BATCH_EVENTS || this.#bytes >= this.#batchBytes) await this.#send()
  }

  async settled(): Promise<void> {
    await this.#send()
    await Promise.all(this.#flying)
  }

  /** After a rejection: nothing is sent any more. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#flying)
  }

  async #send(): Promise<void> {
    const [letters, bytes] = [this.#letters, this.#bytes]
    this.#letters = []
    this.#bytes = 0
    while (this.#flying.size > 0 && this.#flyingBytes + bytes > this.#mostBytes) await Promise.race(this.#flying)
    for (const batch of batchesOf(letters, this.#sink.name)) this.#deliver(batch)
  }

  #deliver(batch: Batch): void {
    const size = batch.bytes.length
    this.#flyingBytes += size
    const delivery = this.#sink
      .deliver(batch, { ...this.#lease, shard: batch.origin }, () => {})
      .then(() => {
        this.#flyingBytes -= size
        this.#flying.delete(delivery)
      })
    this.#flying.add(delivery)
    // A rejection is met by those who wait for all.
    delivery.catch(() => {})
  }
}

function batchesOf(letters: readonly DeadLetterLine[], sink: string): Batch[] {
  const byOrigin = Map.groupBy(letters, ({ origin: { project, logstore, shard, cursor } }) =>
    JSON.stringify([project, logstore, shard, cursor]),
  )
  return [...byOrigin.values()].map((group) => {
    const events = group.map(({ event }) => Buffer.from(`${event}\n`))
    const ends = new Uint32Array(events.length)
    events.reduce((end, event, index) => {
      ends[index] = end + event.length
      return end + event.length
    }, 0)
    const { origin } = group[0] as DeadLetterLine
    return {
      origin: { source: DEFAULT_SOURCE, ...origin },
      ...{ sink, routes: [DEFAULT_ROUTE] },
      ...{ bytes: Buffer.concat(events), ends, count: events.length },
    }
  })
}
