import type { Config, SinkConfig } from '../../config/model.ts'
import { DEFAULT_ROUTE, DEFAULT_SINK, DEFAULT_SOURCE } from '../../config/names.ts'
import type { Batch } from '../../core/batch.ts'
import type { Clock } from '../../core/clock.ts'
import { systemClock } from '../../core/clock.ts'
import type { Fault } from '../../core/errors.ts'
import { messageOf } from '../../core/errors.ts'
import type { Lease } from '../../core/lease.ts'
import type { Telemetry } from '../../core/telemetry.ts'
import { NO_TELEMETRY } from '../../core/telemetry.ts'
import { onOneLine } from '../../core/text.ts'
import type { SinkParts } from '../../parts.ts'
import { batchLimitOf, consumerOf, openDeadLetter, openSink, writesToStandardOutput } from '../../parts.ts'
import type { DeadLetter } from '../../sinks/dead-letter.ts'
import type { FoundFile } from '../../sinks/dead-letter-files.ts'
import { filesIn, ODD_ADVICE, OddFile, readDeadLetterFile } from '../../sinks/dead-letter-files.ts'
import type { DeadLetterLine } from '../../sinks/dead-letter-line.ts'
import type { Sink } from '../../sinks/sink.ts'
import type { CommandIo } from '../command.ts'
import { EXIT, withAdvice } from '../command.ts'
import { Claim } from './claim.ts'
import { Patience } from './patience.ts'

/** A replica may be appending to a file when we take it. After this time it is done. */
const CLAIM_SETTLES_MS = 500
const BATCH_EVENTS = 500

/** Delivers all dead letters again; exit code 0 only if each was accepted. A sink that stays paused is given up. */
export async function replay(config: Config, io: CommandIo, clock: Clock = systemClock): Promise<number> {
  const count = { delivered: 0, refused: 0, damaged: 0, strays: 0, left: 0 }
  const of = (sink: string): string => (config.sinks.length > 1 ? ` (sink ${sink})` : '')
  const patience = new Patience(clock)
  /** By sink: the minutes of waiting that were told of. */
  const told = new Map<string, number>()
  const telemetry: Telemetry = {
    ...NO_TELEMETRY,
    delivered: (sink, events) => {
      count.delivered += events
      told.delete(sink)
      patience.settled(sink)
    },
    deadLettered: (sink, _reason, events) => {
      count.refused += events
      patience.settled(sink)
    },
    deliveryFailed: (sink, fault, attempt) => {
      if (attempt === 3) io.stderr.write(`trying again${of(sink)}: ${onOneLine(fault.message)}\n`)
    },
    deliveryWaits: (sink, fault, seconds) => {
      const minutes = Math.floor(seconds / 60)
      if (minutes <= (told.get(sink) ?? 0)) return
      told.set(sink, minutes)
      io.stderr.write(`still trying after ${minutes} min${of(sink)}: ${onOneLine(fault.message)}\n`)
    },
    paused: (key, fault: Fault) => {
      patience.paused(key, fault)
      io.stderr.write(`waiting${'sink' in key.scope ? of(key.scope.sink) : ''}: ${withAdvice(fault)}\n`)
    },
    resumed: (key) => patience.resumed(key),
  }
  const again = openDeadLetter(config, `replay-${consumerOf(config)}`)
  const parts = { proxies: config.proxies, telemetry, deadLetter: again, refusedBefore: true, clock }
  const sinks = new Sinks(config, parts)
  try {
    // The list is read once, so events that are refused again during this run are not replayed again.
    const files = await filesIn(config.deadLetterDir)
    io.stderr.write(whoseFiles(files, config.deadLetterDir))
    for (const { path: file, odd } of files) {
      if (odd !== undefined) {
        count.left++
        io.stderr.write(`${onOneLine(`${file} is left: ${odd}`)}\n  → ${ODD_ADVICE}\n`)
        continue
      }
      const deliveries = new Deliveries(config, io.signal, patience)
      const { damaged, strays, left } = await replayFile(file, { sinks, again, deliveries, io })
      count.damaged += damaged
      count.strays += strays
      if (left === undefined) continue
      count.left++
      io.stderr.write(`${onOneLine(`${file} is left: ${left}`)}\n`)
    }
  } finally {
    patience.close()
    await sinks.close()
    await again.close()
  }
  const { delivered, refused, damaged, strays, left } = count
  const kept = strays === 0 ? '' : `, ${strays} kept because their sink is not configured`
  const leftAside = left === 0 ? '' : `, ${left} files left`
  const result = writesToStandardOutput(config.sinks) ? io.stderr : io.stdout
  result.write(
    `${delivered} delivered, ${refused} refused again, ${damaged} damaged lines skipped${kept}${leftAside}\n`,
  )
  return refused + damaged + strays + left === 0 ? EXIT.done : EXIT.failed
}

/** The owners of what is replayed: it becomes events of any host, source and index. Nothing if there are no files. */
function whoseFiles(files: readonly FoundFile[], dir: string): string {
  const byOwner = Map.groupBy(
    files.filter(({ odd }) => odd === undefined),
    ({ owner }) => owner,
  )
  const us = process.geteuid?.()
  const told = [...byOwner].map(
    ([owner, { length }]) => `${length} of ${owner === us ? 'this user' : 'another user'} (uid ${owner})`,
  )
  return told.length === 0 ? '' : `replaying files in ${onOneLine(dir)}: ${told.join(', ')}\n`
}

interface Destination {
  readonly sink: Sink
  /** The largest batch for it. */
  readonly batchBytes: number
}

/** The sinks of the configuration, each opened when the first letter for it comes. */
class Sinks {
  readonly #config: Config
  readonly #parts: SinkParts
  readonly #open = new Map<string, Sink>()

  constructor(config: Config, parts: SinkParts) {
    this.#config = config
    this.#parts = parts
  }

  /** The sink that refused the letter; `undefined` if it does not exist any more. */
  of({ origin }: DeadLetterLine): Destination | undefined {
    const config = this.#named(origin.sink)
    if (config === undefined) return undefined
    const sink = this.#open.get(config.name) ?? openSink(config, this.#parts)
    this.#open.set(config.name, sink)
    return { sink, batchBytes: batchLimitOf(config) }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((sink) => sink.close()))
  }

  /** A letter of a time without a configuration file names no sink: it was the one of then, most often a Splunk. */
  #named(name: string | undefined): SinkConfig | undefined {
    const { sinks, eventIdScope } = this.#config
    if (name === undefined && eventIdScope === 'logstore') return sinks[0]
    const found = sinks.find((sink) => sink.name === (name ?? DEFAULT_SINK))
    if (found || name !== undefined) return found
    const splunks = sinks.filter(({ type }) => type === 'splunk_hec')
    return splunks.length === 1 ? splunks[0] : undefined
  }
}

interface FileOutcome {
  /** Damaged lines, which stay in the file. */
  readonly damaged: number
  /** Letters whose sink does not exist. They stay dead letters. */
  readonly strays: number
  /** Why the file is not done, if it is not. The next replay takes it. */
  readonly left?: string
}

interface Means {
  readonly sinks: Sinks
  /** Where letters go that are refused again. */
  readonly again: DeadLetter
  readonly deliveries: Deliveries
  readonly io: CommandIo
}

async function replayFile(file: string, means: Means): Promise<FileOutcome> {
  const { deliveries, io } = means
  const none = { damaged: 0, strays: 0 }
  try {
    if (io.signal.aborted) return { ...none, left: ENDED }
    const claim = await Claim.take(file)
    if (typeof claim === 'string') return { ...none, left: claim }
    let outcome: FileOutcome
    try {
      await systemClock.sleep(CLAIM_SETTLES_MS, io.signal)
      outcome = await deliverFile(claim.path, file, means)
    } catch (error) {
      await deliveries.ended()
      await claim.giveBack()
      throw error
    }
    await (outcome.left === undefined ? claim.finish() : claim.giveBack())
    return outcome
  } catch (error) {
    if (io.signal.aborted) return { ...none, left: ENDED }
    if (error instanceof OddFile) return { ...none, left: error.message }
    const { code, syscall } = error as NodeJS.ErrnoException
    // Errors of the file system are about this file. Others are bugs.
    if (syscall === undefined) throw error
    if (code === 'ENOENT') return { ...none, left: 'another replay has taken it over' }
    return { ...none, left: messageOf(error) }
  }
}

const ENDED = 'the replay was ended'

/** `name`: of the file before it was claimed, for messages. */
async function deliverFile(path: string, name: string, means: Means): Promise<FileOutcome> {
  const { sinks, deliveries, io } = means
  const count = { damaged: 0, strays: 0, sent: 0 }
  const unknown = new Set<string>()
  let left: string | undefined
  for await (const { letter, problem, tooLong, line } of readDeadLetterFile(path)) {
    if (letter === undefined) {
      if (tooLong) left = `line ${line} ${problem}`
      else count.damaged++
      io.stderr.write(`${onOneLine(`${name}:${line}: ${problem}`)}\n`)
      continue
    }
    const to = sinks.of(letter)
    if (to) {
      count.sent++
      await deliveries.add(letter, to)
    } else {
      count.strays++
      unknown.add(letter.origin.sink ?? 'one without a name')
    }
  }
  const unsent = await deliveries.settled()
  left ??= unsent
  const { damaged, strays, sent } = count
  if (strays > 0) {
    const names = onOneLine([...unknown].join(', '))
    io.stderr.write(`${onOneLine(`${name}: ${strays} events are for sinks that are not configured: ${names}`)}\n`)
    if (sent === 0) left ??= 'none of its sinks is configured'
    // Otherwise each later replay would deliver the others once more.
    else if (left === undefined) await keepStrays(path, means)
  }
  return { damaged, strays, ...(left !== undefined && { left }) }
}

/** Letters whose sink does not exist go into a file of their own. */
async function keepStrays(path: string, { sinks, again }: Means): Promise<void> {
  let kept: DeadLetterLine[] = []
  for await (const { letter } of readDeadLetterFile(path)) {
    if (letter === undefined || sinks.of(letter) !== undefined) continue
    kept.push(letter)
    if (kept.length < BATCH_EVENTS) continue
    await again.keep(kept)
    kept = []
  }
  if (kept.length > 0) await again.keep(kept)
}

/** Letters for one sink that are not under way yet. */
interface Waiting {
  readonly sink: Sink
  readonly letters: DeadLetterLine[]
  bytes: number
}

/** Sends the letters of a file, and holds at most `MAX_IN_FLIGHT_BYTES` of them and one batch more for each sink. */
class Deliveries {
  readonly #signal: AbortSignal
  readonly #patience: Patience
  readonly #mostBytes: number
  readonly #waiting = new Map<string, Waiting>()
  readonly #flying = new Set<Promise<void>>()
  #flyingBytes = 0
  /** Why some were not sent. */
  #left: string | undefined

  constructor({ maxInFlightBytes }: Config, signal: AbortSignal, patience: Patience) {
    this.#signal = signal
    this.#patience = patience
    this.#mostBytes = maxInFlightBytes
  }

  /** Waits while too much is under way. Rejects when the command is ended. */
  async add(letter: DeadLetterLine, { sink, batchBytes }: Destination): Promise<void> {
    const waiting = this.#waiting.get(sink.name) ?? { sink, letters: [], bytes: 0 }
    this.#waiting.set(sink.name, waiting)
    waiting.letters.push(letter)
    waiting.bytes += Buffer.byteLength(letter.event)
    if (waiting.letters.length >= BATCH_EVENTS || waiting.bytes >= batchBytes) await this.#send(waiting)
  }

  /** Waits for all of them. Returns why some were not sent, if so. */
  async settled(): Promise<string | undefined> {
    for (const waiting of [...this.#waiting.values()]) await this.#send(waiting)
    await Promise.all(this.#flying)
    return this.#left
  }

  /** After a rejection: nothing is sent any more. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#flying)
  }

  async #send({ sink, letters, bytes }: Waiting): Promise<void> {
    this.#waiting.delete(sink.name)
    while (this.#flying.size > 0 && this.#flyingBytes + bytes > this.#mostBytes) await Promise.race(this.#flying)
    for (const batch of batchesOf(letters, sink.name)) this.#deliver(batch, sink)
  }

  #deliver(batch: Batch, sink: Sink): void {
    const size = batch.bytes.length
    this.#flyingBytes += size
    // A replay needs no lease. This one holds until the command ends, or gives the sink up.
    const givenUp = this.#patience.endOf(sink.name)
    const signal = AbortSignal.any([this.#signal, givenUp])
    const lease: Lease = { shard: batch.origin, signal, assertHeld: () => signal.throwIfAborted() }
    const delivery = sink
      .deliver(batch, lease, () => {})
      .catch((error) => {
        if (!givenUp.aborted || this.#signal.aborted) throw error
        this.#left = messageOf(givenUp.reason)
      })
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
  const byOrigin = Map.groupBy(letters, ({ origin: { project, logstore, shard, cursor, route } }) =>
    JSON.stringify([project, logstore, shard, cursor, route]),
  )
  return [...byOrigin.values()].map((group) => {
    const events = group.map(({ event }) => Buffer.from(`${event}\n`))
    const ends = new Uint32Array(events.length)
    events.reduce((end, event, index) => {
      ends[index] = end + event.length
      return end + event.length
    }, 0)
    const { project, logstore, shard, cursor, route = DEFAULT_ROUTE } = (group[0] as DeadLetterLine).origin
    return {
      origin: { source: DEFAULT_SOURCE, project, logstore, shard, cursor },
      ...{ sink, routes: [route] },
      ...{ bytes: Buffer.concat(events), ends, count: events.length },
    }
  })
}
