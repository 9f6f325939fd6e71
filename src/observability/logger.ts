import { randomUUID } from 'node:crypto'
import { lstatSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isatty, WriteStream } from 'node:tty'
import type { DestinationStream, Logger } from 'pino'
import { multistream, pino, stdTimeFunctions } from 'pino'
import { Fault, mayComeLater, messageOf, systemCodeOf } from '../core/errors.ts'
import { errorFields } from './faults.ts'
import type { Losses } from './line-writer.ts'
import { Descriptor, LineWriter } from './line-writer.ts'
import { RollingFile } from './rolling-file.ts'

export type { Logger }

export interface LoggerOptions {
  /** A pino level. */
  level: string
  /** Rotating file instead of standard output. If standard output is a terminal, it still gets every line. */
  file?: string
  /** Size in bytes at which the next file begins. Default 20 MB. */
  fileBytes?: number
  /** Files that are kept. Default 5. */
  filesKept?: number
  /** Part of every line, like the process id. */
  consumer: string
  /** File descriptor of the standard output. Default 1. */
  fd?: number
  /** A line is lost, because no one reads the output or its disk is full. */
  lost?: () => void
}

export interface OpenLogger {
  log: Logger
  /** Writes every line that still waits, for at most a second. Call it before the process exits. */
  flush(): void
  /** Opens the log file again, which somebody may have moved away. */
  reopen(): void
}

/**
 * Lines are written at once: they are few, because failures are rate-limited, and the last ones before an exit matter most.
 * Where that is impossible they wait, and then are lost; the bridge never waits for its log. Rejects with a Fault when the
 * file cannot be opened: `transient` if its folder may come later, as that of a volume.
 */
export async function openLogger(options: LoggerOptions): Promise<OpenLogger> {
  const { level, file, fileBytes = 20_000_000, filesKept = 5, consumer, fd = 1, lost = () => {} } = options
  const losses: Losses = {
    lost,
    over: (lines, why) => log.warn({ lines, why }, `${lines} lines of the log were lost: ${reasonOf(why)}`),
  }
  // The logger is made later, and it must not write while it writes.
  const notLinked = (why: string, numbered: string): void =>
    queueMicrotask(() => log.warn(`${file} cannot be made a link (${why}), so the log is in ${numbered}`))
  const rolling = file === undefined ? undefined : openFile(file, { bytes: fileBytes, kept: filesKept, notLinked })
  const toFile = rolling && new LineWriter(rolling, losses)
  const terminal = isatty(fd)
  const toOutput = toFile && !terminal ? undefined : new LineWriter(new Descriptor(fd), losses)
  const streams: DestinationStream[] = []
  if (toFile) streams.push(toFile)
  if (toOutput) streams.push(terminal ? await pretty(toOutput) : toOutput)

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
  return {
    log,
    flush() {
      toFile?.flushSync()
      toOutput?.flushSync()
    },
    reopen: () => rolling?.reopen(),
  }
}

function reasonOf(code: string): string {
  return code === 'EAGAIN' ? 'the output was not read' : `the output could not be written (${code})`
}

/** Finds errors by type, under any key. So a fault never has a stack in the log, and a bug always has one. */
function withErrorFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? errorFields(value) : value]),
  )
}

async function pretty(terminal: LineWriter): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty')
  const told = prettyFactory({
    colorize: showsColours(),
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'consumer,pid',
  })
  return { write: (line) => terminal.write(told(line)) }
}

/** Node knows what NO_COLOR and TERM=dumb mean. */
export function showsColours(env?: object): boolean {
  return WriteStream.prototype.getColorDepth(env) > 1
}

const TOLD_AGAIN_MS = 60_000

function openFile(
  file: string,
  { notLinked, ...rolling }: { bytes: number; kept: number; notLinked: (why: string, numbered: string) => void },
): RollingFile {
  const errors = new LineWriter(new Descriptor(2), { lost() {}, over() {} })
  let told = Number.NEGATIVE_INFINITY
  const failed = (error: unknown): void => {
    if (performance.now() - told < TOLD_AGAIN_MS) return
    told = performance.now()
    errors.write(`LOG_FILE ${file}: ${messageOf(error)}\n`)
  }
  let linked = true
  const begun = (numbered: string): void => {
    const why = linkProblem(file, numbered)
    // Once, until it can be made again.
    if (why !== undefined && linked) notLinked(why, numbered)
    linked = why === undefined
  }
  try {
    return new RollingFile({ file, ...rolling, failed, begun })
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
}

/** Whether the configured name is free, or a link that this program made. */
function isOurs(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? true
}

/** Makes the link, or says why it is not there. Not every disk has links. */
function linkProblem(file: string, numbered: string): string | undefined {
  if (!isOurs(file)) return 'something else has this name'
  try {
    link(file, numbered)
    return undefined
  } catch (error) {
    return systemCodeOf(error) ?? messageOf(error)
  }
}

/** The files are numbered. People and `tail -F` want the name that was configured. */
function link(file: string, numbered: string): void {
  // Renamed into place, so that replicas that share the file never find the name missing.
  const fresh = join(dirname(file), `.${basename(file)}.${randomUUID()}`)
  symlinkSync(basename(numbered), fresh)
  try {
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
}
