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
  const { values, problems } = readDotEnv(path)
  const env: Record<string, string | undefined> = { ...processEnv }
  const overridden: string[] = []
  for (const [name, value] of Object.entries(values ?? {})) {
    // LOG_FILE is a setting of its own, not the file of a setting LOG.
    const twin = Object.hasOwn(SETTINGS, name) ? `${name}_FILE` : name.replace(/_FILE$/, '')
    if (processEnv[name] === undefined && !processEnv[twin]) env[name] = value
    else if (processEnv[name] !== value) overridden.push(name)
  }
  return { env, problems, inFile: Object.keys(values ?? {}), origin: originOf(path, values, overridden) }
}

function originOf(path: string, values: Environment | undefined, overridden: readonly string[]): string {
  const file = escaped(path)
  if (values === undefined) return `there is no ${file}: the environment alone counts`
  if (overridden.length === 0) return `${file}, and the environment`
  return `${file}, and the environment, which overrides ${overridden.join(', ')}`
}

/** `values` is `undefined` if there is no such file. */
function readDotEnv(path: string): { values: Environment | undefined; problems: Problem[] } {
  try {
    const content = readPlainFile(path).replace(/^\uFEFF/, '')
    const problem = malformed(content)
    if (problem === undefined) return { values: parseEnv(content.replace(BLANK_VALUE, '$1')), problems: [] }
    return { values: {}, problems: [{ variable: path, ...problem }] }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return { values: undefined, problems: [] }
    const problem = { variable: path, problem: `cannot be read: ${messageOf(error)}`, passing: mayComeLater(error) }
    return { values: {}, problems: [problem] }
  }
}

const SHOWN_LINES = 10
const ASSIGNMENT = /^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*(.*)$/

/**
 * Only blanks follow `=`. Node's `parseEnv` would take the next line for the value. A line like this within quotes loses its
 * blanks, which no setting needs.
 */
const BLANK_VALUE = /^(\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=)[^\S\n]+$/gm

/** `parseEnv` skips lines that it does not understand, and the user would believe that they are in force. */
function malformed(content: string): Omit<Problem, 'variable'> | undefined {
  const wrong: number[] = []
  const allowed = 'NAME=value lines, # comments, and values in one kind of quotes'
  if (content.includes('\0')) return { problem: 'is no text in UTF-8 (was it saved as UTF-16?)', allowed }
  let open: { quote: string; line: number } | undefined
  for (const [index, line] of content.split(/\r?\n/).entries()) {
    if (open !== undefined) {
      if (line.includes(open.quote)) open = undefined
      continue
    }
    if (/^\s*(#.*)?$/.test(line)) continue
    const value = ASSIGNMENT.exec(line)?.[1]
    if (value === undefined) wrong.push(index + 1)
    const quote = value?.charAt(0) ?? ''
    if (['"', "'", '`'].includes(quote) && !value?.includes(quote, 1)) open = { quote, line: index + 1 }
  }
  // Lines may hold secrets, so the problem shows only their numbers.
  const [first, ...others] = wrong.slice(0, SHOWN_LINES)
  const more = wrong.length > SHOWN_LINES ? ` and ${wrong.length - SHOWN_LINES} more` : ''
  const lines = others.length === 0 ? `line ${first} is` : `lines ${[first, ...others].join(', ')}${more} are`
  if (first !== undefined) return { problem: `${lines} not NAME=value`, allowed }
  return open && { problem: `the quote opened on line ${open.line} has no end`, allowed }
}
