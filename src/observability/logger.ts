import { lstatSync, renameSync, symlinkSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isatty } from 'node:tty'
import type { DestinationStream, Logger } from 'pino'
import { multistream, pino, stdTimeFunctions } from 'pino'
import type { RollingFile } from 'pino-roll'
import { Fault, mayComeLater, messageOf } from '../core/errors.ts'
import { errorFields } from './faults.ts'

export type { Logger }

export interface LoggerOptions {
  /** A pino level. */
  level: string
  /** Rotating file instead of standard output. If standard output is a terminal, it still gets every line. */
  file?: string
  /** Size at which the next file begins, as pino-roll writes it. Default `20m`. */
  fileSize?: string
  /** Part of every line, like the process id. */
  consumer: string
  /** File descriptor of the standard output. Default 1. */
  fd?: number
}

export interface OpenLogger {
  log: Logger
  /** Writes all waiting lines. Call it before the process exits. */
  flush(): void
}

/**
 * Writes are synchronous: lines are few, because failures are rate-limited, and the last ones before an exit matter most.
 * Rejects with a Fault when the file cannot be opened: `transient` if its folder may come later, as that of a volume.
 */
export async function openLogger({
  level,
  file,
  fileSize = '20m',
  consumer,
  fd = 1,
}: LoggerOptions): Promise<OpenLogger> {
  const terminal = isatty(fd)
  const rolling = file === undefined ? undefined : await openFile(file, fileSize)
  const streams: DestinationStream[] = []
  if (rolling !== undefined) streams.push(rolling)
  if (terminal) streams.push(await prettyTerminal(fd))
  const plain = streams.length === 0 ? pino.destination({ dest: fd, sync: true }) : undefined
  if (plain !== undefined) streams.push(plain)

  const log = pino(
    {
      level,
      base: { consumer, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      // pino's own serializer for `err` would add a type and an empty stack to what the formatter has written.
      serializers: { err: (fields: unknown) => fields },
      formatters: { level: (label) => ({ level: label }), log: withErrorFields },
    },
    multistream(streams.map((stream) => ({ stream, level: 'trace' as const }))),
  )
  if (rolling !== undefined && file !== undefined) link(file, rolling, log)
  return {
    log,
    flush() {
      rolling?.flushSync()
      plain?.flushSync()
    },
  }
}

/** Finds errors by type, under any key. So a fault never has a stack in the log, and a bug always has one. */
function withErrorFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? errorFields(value) : value]),
  )
}

async function prettyTerminal(fd: number): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({ colorize: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'consumer,pid' })
  const terminal = pino.destination({ dest: fd, sync: true })
  return { write: (line) => terminal.write(pretty(line)) }
}

const FILES_KEPT = 5
/** Lines that wait in memory while the disk is full. Further lines are dropped, and standard error says so. */
const WAITING_CHARACTERS = 1 << 20

async function openFile(file: string, size: string): Promise<RollingFile> {
  // Loaded only here: it brings 300 modules and 13 MB.
  const { default: roll } = await import('pino-roll')
  let rolling: RollingFile
  try {
    const limit = { count: FILES_KEPT, removeOtherLogFiles: true }
    rolling = await roll({ file, size, limit, mkdir: true, sync: true, maxLength: WAITING_CHARACTERS })
  } catch (error) {
    throw new Fault(
      mayComeLater(error) ? 'transient' : 'configuration',
      `cannot write the log file: ${messageOf(error)}`,
      {
        code: 'log_file',
        advice: 'set LOG_FILE to a path this user may write',
        cause: error,
      },
    )
  }
  let reportedAt = Number.NEGATIVE_INFINITY
  const report = (trouble: string) => {
    if (performance.now() - reportedAt < 60_000) return
    reportedAt = performance.now()
    writeSync(2, `LOG_FILE ${file}: ${trouble}\n`)
  }
  rolling.on('error', (error) => report(messageOf(error)))
  rolling.on('drop', () => report('lines are dropped'))
  return rolling
}

/** pino-roll numbers its files. People and `tail -F` want the name that was configured. */
function link(file: string, rolling: RollingFile, log: Logger): void {
  const existing = lstatSync(file, { throwIfNoEntry: false })
  if (existing !== undefined && !existing.isSymbolicLink()) {
    log.warn(`${file} is not a link of this program, so the log is in ${rolling.file}`)
    return
  }
  const point = () => {
    // A rename replaces the link at once: replicas that share the file always find the name.
    const fresh = join(dirname(file), `.${basename(file)}.${process.pid}`)
    symlinkSync(basename(rolling.file), fresh)
    renameSync(fresh, file)
  }
  point()
  rolling.on('ready', point)
}
