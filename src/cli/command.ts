import { parseArgs } from 'node:util'
import type { Parser } from '../config/parsers.ts'
import type { Problem } from '../config/problems.ts'
import { Fault, messageOf } from '../core/errors.ts'
import { onOneLine } from '../core/text.ts'

export const EXIT = { done: 0, failed: 1, usage: 2 } as const

export interface CommandIo {
  readonly env: NodeJS.ProcessEnv
  readonly stdin?: NodeJS.ReadableStream
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  /** Aborted on the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal
  /** Aborted when nobody reads standard output any more. */
  readonly readerGone?: AbortSignal
  /** Tells the process that started this one that it is ready, if it listens (pm2 with `wait_ready`). */
  readonly ready?: () => void
  /** Calls `listener` at each SIGHUP, which then no longer ends the process. */
  readonly onHangup?: (listener: () => void) => void
}

/** Aborted when a command should end that would go on for ever: by a signal, or because nobody reads what it says. */
export function endOf({ signal, readerGone }: CommandIo): AbortSignal {
  return readerGone ? AbortSignal.any([signal, readerGone]) : signal
}

/** The arguments after the command's name → exit code. */
export type Command = (argv: readonly string[], io: CommandIo) => Promise<number>

/** Wrong arguments. The command ends with one line on standard error and exit code 2. */
export class UsageError extends Error {}

/** A wrong configuration. The command prints `message`, which shows all problems, and ends with exit code 2. */
export class WrongConfiguration extends Error {
  readonly problems: readonly Problem[]

  /** Whether all of it may pass although nobody changes anything. */
  get passing(): boolean {
    return this.problems.every(({ passing }) => passing)
  }

  constructor(problems: readonly Problem[], message: string) {
    super(message)
    this.problems = problems
  }
}

/** One option of a command. `value` turns the given texts, none or several, into the value that the command receives. */
export interface Option<T> {
  readonly type: 'boolean' | 'string'
  /** One letter that says the same. */
  readonly short?: string
  readonly value: (given: readonly string[], name: string) => T
}

type Options = Readonly<Record<string, Option<unknown>>>
type ValuesOf<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never }

export const flag: Option<boolean> = { type: 'boolean', value: (given) => given.length > 0 }

/** If the option is given twice, the last value counts. */
export function optional<T>(parser: Parser<T>): Option<T | undefined> {
  return { type: 'string', value: (given, name) => given.map((text) => parsed(parser, text, name)).at(-1) }
}

export function defaulting<T>(fallback: string, parser: Parser<T>): Option<T> {
  return { type: 'string', value: (given, name) => parsed(parser, given.at(-1) ?? fallback, name) }
}

export function required<T>(parser: Parser<T>): Option<T> {
  return {
    type: 'string',
    value(given, name) {
      const text = given.at(-1)
      if (text === undefined) throw new UsageError(`${name} is missing`)
      return parsed(parser, text, name)
    },
  }
}

export function repeatable<T>(parser: Parser<T>, fallback: readonly string[] = []): Option<readonly T[]> {
  const several = (texts: readonly string[], name: string) => texts.map((text) => parsed(parser, text, name))
  return { type: 'string', value: (given, name) => several(given.length > 0 ? given : fallback, name) }
}

/** The message does not show the text, because it may be a secret. */
function parsed<T>(parser: Parser<T>, text: string, name: string): T {
  const result = parser.parse(text)
  if ('value' in result) return result.value
  throw new UsageError(`${name} ${result.refused}; allowed: ${parser.allowed}`)
}

export interface Definition<O extends Options, W extends string> {
  readonly name: string
  readonly help: string
  /** `groupSize` is `--group-size` on the command line. */
  readonly options: O
  /** It has a configuration, and `--config FILE` names its file. */
  readonly configured?: true
  /** If present, exactly one of these words must be given beside the options. */
  readonly words?: readonly W[]
  /** Returns the exit code. A Fault that it throws is printed with its advice, exit code 1. */
  readonly run: (values: ValuesOf<O>, io: CommandIo, word: W) => Promise<number>
}

/** Makes a command that reads its arguments, prints its help and refuses wrong usage like all others. */
export function command<const O extends Options, W extends string = never>(definition: Definition<O, W>): Command {
  const { name, help, run } = definition
  return async (argv, io) => {
    try {
      const given = read(argv, definition)
      if (given) return await run(given.values, withConfigFile(io, given.configFile), given.word)
      io.stdout.write(help)
      return EXIT.done
    } catch (error) {
      const told = (text: string, code: number): number => {
        io.stderr.write(`${text}\n`)
        return code
      }
      if (error instanceof UsageError) {
        return told(`sls-siem-bridge ${name}: ${onOneLine(error.message)} (see --help)`, EXIT.usage)
      }
      if (error instanceof WrongConfiguration) return told(error.message, EXIT.usage)
      if (error instanceof Fault) return told(`sls-siem-bridge ${name}: ${withAdvice(error)}`, EXIT.failed)
      throw error
    }
  }
}

/** The option counts like the variable, and more. */
function withConfigFile(io: CommandIo, path: string | undefined): CommandIo {
  if (path === undefined) return io
  return { ...io, env: { ...io.env, BRIDGE_CONFIG: path, BRIDGE_CONFIG_FILE: undefined } }
}

/** One line, or two with the advice. Both may hold a server's words. */
export function withAdvice({ message, advice }: Fault): string {
  return advice === undefined ? onOneLine(message) : `${onOneLine(message)}\n  → ${onOneLine(advice)}`
}

/** `undefined` when help was asked for. */
function read<O extends Options, W extends string>(
  argv: readonly string[],
  { options, words = [], configured }: Definition<O, W>,
): { values: ValuesOf<O>; word: W; configFile: string | undefined } | undefined {
  const named = Object.entries(options).map(([key, option]) => ({ key, option, name: dashed(key) }))
  const known: Known = Object.fromEntries(
    named.map(({ name, option: { type, short } }) => [name, { type, multiple: true, ...(short && { short }) }]),
  )
  if (configured) known['config'] = { type: 'string', multiple: true }
  const { values: texts, positionals } = textsOf(argv, known, words.length > 0)
  if (texts['help']) return undefined
  const word = wordOf(positionals, words)
  const values = named.map(({ key, option, name }) => {
    const given = [texts[name] ?? []].flat().map(String)
    return [key, option.value(given, `--${name}`)]
  })
  const configFile = [texts['config'] ?? []].flat().map(String).at(-1)
  if (configFile?.trim() === '') throw new UsageError('--config names no file')
  return { values: Object.fromEntries(values) as ValuesOf<O>, word, configFile }
}

function wordOf<W extends string>(positionals: readonly string[], words: readonly W[]): W {
  const word = words.find((one) => one === positionals[0])
  if (words.length > 0 && (word === undefined || positionals.length > 1)) {
    throw new UsageError(`say ${words.map((one) => `"${one}"`).join(' or ')}`)
  }
  return word as W
}

type Known = Record<string, { type: 'boolean' | 'string'; multiple: true; short?: string }>

function textsOf(argv: readonly string[], known: Known, allowPositionals: boolean) {
  try {
    const options: Known = { ...known, help: { type: 'boolean', multiple: true } }
    return parseArgs({ args: withNegatives(argv, known), options, allowPositionals })
  } catch (error) {
    throw new UsageError(onOneLine(messageOf(error)))
  }
}

/** Makes `--from=-6h` of `--from -6h`, whose value parseArgs would take for an option. */
function withNegatives(argv: readonly string[], known: Known): string[] {
  const args: string[] = []
  for (const word of argv) {
    const last = args.at(-1) ?? ''
    if (/^-\d/.test(word) && known[last.slice(2)]?.type === 'string') args.splice(-1, 1, `${last}=${word}`)
    else args.push(word)
  }
  return args
}

function dashed(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
