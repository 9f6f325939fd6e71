import { rename } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Config } from '../config/load.ts'
import { DEFAULT_SOURCE } from '../config/names.ts'
import type { Batch } from '../core/batch.ts'
import { systemClock } from '../core/clock.ts'
import type { Fault } from '../core/errors.ts'
import type { Lease } from '../core/lease.ts'
import type { Telemetry } from '../core/telemetry.ts'
import { NO_TELEMETRY } from '../core/telemetry.ts'
import { onOneLine } from '../core/text.ts'
import { hecSink } from '../parts.ts'
import { DeadLetter, deadLetterFiles, readDeadLetterFile, readDeadLetters } from '../sinks/dead-letter.ts'
import type { DeadLetterLine } from '../sinks/dead-letter-line.ts'
import type { Sink } from '../sinks/sink.ts'
import type { CommandIo } from './command.ts'
import { command, EXIT, flag, withAdvice } from './command.ts'
import { configurationOf } from './configuration.ts'

const HELP = `List or replay the events that the SIEM refused for good, in DEAD_LETTER_DIR.

usage: sls-siem-bridge dead-letter list [--json]
       sls-siem-bridge dead-letter replay

  list     one line per event: time, reason, origin (--json: the whole entries)
  replay   deliver the events again without changes; fix the cause in the SIEM first. A file is renamed to *.replayed
           when all of its events are settled. Events that are refused again go into a new dead-letter file. An event that
           is delivered twice keeps its sls_event_id. Replicas may run meanwhile.
  --help

Reads the same settings as "run".
`

/** A replica may be appending to a file when we take it. After this time it is done. */
const CLAIM_SETTLES_MS = 500
const DONE = '.replayed'
const BATCH_EVENTS = 500

export const deadLetterCommand = command({
  name: 'dead-letter',
  help: HELP,
  words: ['list', 'replay'],
  options: { json: flag },
  async run({ json }, io, word) {
    const { config } = configurationOf(io)
    return word === 'list' ? list(config, json, io) : replay(config, io)
  },
})

async function list({ deadLetterDir }: Config, json: boolean, io: CommandIo): Promise<number> {
  let letters = 0
  let damaged = 0
  for await (const { letter, problem, file, line } of readDeadLetters(deadLetterDir)) {
    if (problem !== undefined) {
      damaged++
      io.stderr.write(`${file}:${line}: ${onOneLine(problem)}\n`)
      continue
    }
    letters++
    io.stdout.write(json ? `${wholeLine(letter)}\n` : `${summary(letter)}\n`)
  }
  io.stderr.write(`${letters} events in ${deadLetterDir}${damaged > 0 ? `, ${damaged} damaged lines` : ''}\n`)
  return EXIT.done
}

function summary({ at, reason, origin, event }: DeadLetterLine): string {
  const where = origin.event_id ?? `${origin.logstore} shard ${origin.shard} cursor ${origin.cursor}`
  const why = `${reason.code} ${reason.text} (HTTP ${reason.status ?? '-'})`
  return onOneLine(`${at}  ${why}  ${where}  ${Buffer.byteLength(event)} bytes`)
}

/** The line as it is in the file. The envelope's bytes must not go through a JSON parser and back. */
function wholeLine({ reason, origin, at, event }: DeadLetterLine): string {
  return `${JSON.stringify({ reason, origin, at }).slice(0, -1)},"event":${event}}`
}

async function replay(config: Config, io: CommandIo): Promise<number> {
  const outcome = { delivered: 0, refused: 0, damaged: 0 }
  const telemetry: Telemetry = {
    ...NO_TELEMETRY,
    delivered: (_sink, events) => {
      outcome.delivered += events
    },
    deadLettered: (_sink, _reason, events) => {
      outcome.refused += events
    },
    deliveryFailed: (_sink, fault, attempt) => {
      if (attempt === 3) io.stderr.write(`trying again: ${fault.message}\n`)
    },
    paused: (_key, fault: Fault) => {
      io.stderr.write(`waiting: ${withAdvice(fault)}\n`)
    },
  }
  const again = new DeadLetter({ dir: config.deadLetterDir, consumer: `replay-${config.sls.consumer}` })
  const sink = hecSink(config, telemetry, again)
  try {
    // The list is read once, so events that are refused again during this run are not replayed again.
    for (const file of await deadLetterFiles(config.deadLetterDir)) {
      if (io.signal.aborted) break
      if (claimedElsewhere(file)) {
        io.stderr.write(`${file} is skipped: another process replays it\n`)
        continue
      }
      outcome.damaged += await replayFile(file, sink, io)
    }
  } finally {
    await sink.close()
    await again.close()
  }
  const { delivered, refused, damaged } = outcome
  io.stdout.write(`${delivered} delivered, ${refused} refused again, ${damaged} damaged lines skipped\n`)
  return refused + damaged === 0 && !io.signal.aborted ? EXIT.done : EXIT.failed
}

/** `…replaying-<host>-<pid>`: a replay has taken the file. If it died, the next replay takes the file over. */
const CLAIM = /\.replaying-(.+)-(\d+)$/

function claimedElsewhere(file: string): boolean {
  const [, host, pid] = CLAIM.exec(file) ?? []
  if (host === undefined) return false
  if (host !== hostname()) return true
  try {
    process.kill(Number(pid), 0)
    return Number(pid) !== process.pid
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Returns the number of damaged lines, which stay in the renamed file. */
async function replayFile(file: string, sink: Sink, io: CommandIo): Promise<number> {
  const original = file.replace(CLAIM, '')
  const claimed = `${original}.replaying-${hostname()}-${process.pid}`
  try {
    await rename(file, claimed)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    io.stderr.write(`${file} is skipped: another replay has just taken it\n`)
    return 0
  }
  try {
    await systemClock.sleep(CLAIM_SETTLES_MS, io.signal)
    let letters: DeadLetterLine[] = []
    let damaged = 0
    const settle = async (): Promise<void> => {
      const batches = batchesOf(letters).map((batch) => sink.deliver(batch, leaseUntil(io.signal, batch), () => {}))
      letters = []
      await Promise.all(batches)
    }
    for await (const { letter, problem, line } of readDeadLetterFile(claimed)) {
      if (problem === undefined) letters.push(letter)
      else {
        damaged++
        io.stderr.write(`${file}:${line}: ${onOneLine(problem)}\n`)
      }
      if (letters.length >= BATCH_EVENTS) await settle()
    }
    await settle()
    await rename(claimed, `${original}${DONE}`)
    return damaged
  } catch (error) {
    // The next replay sends the whole file again, with the same event ids.
    await rename(claimed, original)
    if (io.signal.aborted) return 0
    throw error
  }
}

function batchesOf(letters: readonly DeadLetterLine[]): Batch[] {
  const byOrigin = Map.groupBy(letters, ({ origin }) => `${origin.project}/${origin.logstore}/${origin.shard}`)
  return [...byOrigin.values()].map((group) => {
    const events = group.map(({ event }) => Buffer.from(`${event}\n`))
    const ends = new Uint32Array(events.length)
    events.reduce((end, event, index) => {
      ends[index] = end + event.length
      return end + event.length
    }, 0)
    const { origin } = group[0] as DeadLetterLine
    return { origin: { source: DEFAULT_SOURCE, ...origin }, bytes: Buffer.concat(events), ends, count: events.length }
  })
}

/** A replay needs no lease. This one holds until the command ends. */
function leaseUntil(signal: AbortSignal, { origin }: Batch): Lease {
  return { shard: origin, signal, assertHeld: () => signal.throwIfAborted() }
}
