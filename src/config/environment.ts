import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { mayComeLater, messageOf, systemCodeOf } from '../core/errors.ts'
import { readPlainFile } from '../core/plain-file.ts'
import { escaped } from '../core/text.ts'
import type { Problem } from './problems.ts'
import { SETTINGS } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface ReadEnvironment {
  readonly env: Environment
  readonly problems: readonly Problem[]
  /** Names that stand in `.env` more than once, in words. */
  readonly warnings: readonly string[]
  /** The names in `.env`. */
  readonly inFile: readonly string[]
  /** Where the settings come from: `.env`, and what the process overrides, or that there is none. Holds no value. */
  readonly origin: string
}

/**
 * The process's environment, and below it the `.env` of the working directory, if there is one. A variable of the process
 * wins even when it is empty, so that a user can switch off a line of `.env`. `NAME` and `NAME_FILE` give the same setting:
 * either of them in the process hides both in the file.
 */
export function readEnvironment(processEnv: Environment, cwd: string): ReadEnvironment {
  const path = join(cwd, '.env')
  const { values, problems, warnings } = readDotEnv(path)
  const env: Record<string, string | undefined> = { ...processEnv }
  const overridden: string[] = []
  for (const [name, value] of Object.entries(values ?? {})) {
    // LOG_FILE is a setting of its own, not the file of a setting LOG.
    const twin = Object.hasOwn(SETTINGS, name) ? `${name}_FILE` : name.replace(/_FILE$/, '')
    if (processEnv[name] === undefined && !processEnv[twin]) env[name] = value
    else if (processEnv[name] !== value) overridden.push(name)
  }
  return { env, problems, warnings, inFile: Object.keys(values ?? {}), origin: originOf(path, values, overridden) }
}

function originOf(path: string, values: Environment | undefined, overridden: readonly string[]): string {
  const file = escaped(path)
  if (values === undefined) return `there is no ${file}: the environment alone counts`
  if (overridden.length === 0) return `${file}, and the environment`
  return `${file}, and the environment, which overrides ${overridden.join(', ')}`
}

interface DotEnv {
  /** `undefined` if there is no such file. */
  readonly values: Environment | undefined
  readonly problems: readonly Problem[]
  readonly warnings: readonly string[]
}

function readDotEnv(path: string): DotEnv {
  try {
    const content = readPlainFile(path).replace(/^\uFEFF/, '')
    const { problem, linesOf } = linesRead(content)
    if (problem !== undefined) return unread({ variable: path, ...problem })
    return { values: parseEnv(content.replace(BLANK_VALUE, '$1')), problems: [], warnings: repeated(linesOf) }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return { values: undefined, problems: [], warnings: [] }
    return unread({ variable: path, problem: `cannot be read: ${messageOf(error)}`, passing: mayComeLater(error) })
  }
}

function unread(problem: Problem): DotEnv {
  return { values: {}, problems: [problem], warnings: [] }
}

function repeated(linesOf: ReadonlyMap<string, readonly number[]>): string[] {
  return [...linesOf]
    .filter(([, lines]) => lines.length > 1)
    .map(([name, lines]) => {
      const [first, ...others] = lines.slice(0, SHOWN_LINES)
      return `${name} stands in .env more than once, on lines ${first}, ${others.join(', ')}: the last one counts`
    })
}

const SHOWN_LINES = 10
const ASSIGNMENT = /^\s*(?:export\s+)?(?<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?<value>.*)$/

/**
 * Only blanks follow `=`. Node's `parseEnv` would take the next line for the value. A line like this within quotes loses its
 * blanks, which no setting needs.
 */
const BLANK_VALUE = /^(\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=)[^\S\n]+$/gm

interface LinesRead {
  readonly problem?: Omit<Problem, 'variable'> | undefined
  /** The numbers of the lines on which each name stands. */
  readonly linesOf: ReadonlyMap<string, readonly number[]>
}

/** `parseEnv` skips lines that it does not understand, and the user would believe that they are in force. */
function linesRead(content: string): LinesRead {
  const wrong: number[] = []
  const linesOf = new Map<string, number[]>()
  const allowed = 'NAME=value lines, # comments, and values in one kind of quotes'
  if (content.includes('\0'))
    return { problem: { problem: 'is no text in UTF-8 (was it saved as UTF-16?)', allowed }, linesOf }
  let open: { quote: string; line: number } | undefined
  for (const [index, line] of content.split(/\r?\n/).entries()) {
    if (open !== undefined) {
      if (line.includes(open.quote)) open = undefined
      continue
    }
    if (/^\s*(#.*)?$/.test(line)) continue
    const { name, value } = ASSIGNMENT.exec(line)?.groups ?? {}
    if (name === undefined) wrong.push(index + 1)
    else linesOf.set(name, [...(linesOf.get(name) ?? []), index + 1])
    const quote = value?.charAt(0) ?? ''
    if (['"', "'", '`'].includes(quote) && !value?.includes(quote, 1)) open = { quote, line: index + 1 }
  }
  // Lines may hold secrets, so the problem shows only their numbers.
  const [first, ...others] = wrong.slice(0, SHOWN_LINES)
  const more = wrong.length > SHOWN_LINES ? ` and ${wrong.length - SHOWN_LINES} more` : ''
  const lines = others.length === 0 ? `line ${first} is` : `lines ${[first, ...others].join(', ')}${more} are`
  if (first !== undefined) return { problem: { problem: `${lines} not NAME=value`, allowed }, linesOf }
  return { problem: open && { problem: `the quote opened on line ${open.line} has no end`, allowed }, linesOf }
}
