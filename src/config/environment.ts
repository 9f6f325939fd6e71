import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { mayComeLater, messageOf, systemCodeOf } from '../core/errors.ts'
import { readPlainFile } from '../core/plain-file.ts'
import type { Problem } from './problems.ts'
import { SETTINGS } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The process's environment, and below it the `.env` of the working directory, if there is one. A variable of the process
 * wins even when it is empty, so that a user can switch off a line of `.env`. `NAME` and `NAME_FILE` give the same setting:
 * either of them in the process hides both in the file. `inFile` are the names in `.env`.
 */
export function readEnvironment(
  processEnv: Environment,
  cwd: string,
): { env: Environment; problems: Problem[]; inFile: readonly string[] } {
  const file = readDotEnv(join(cwd, '.env'))
  if (Array.isArray(file)) return { env: processEnv, problems: file, inFile: [] }
  const env: Record<string, string | undefined> = { ...processEnv }
  for (const [name, value] of Object.entries(file)) {
    // LOG_FILE is a setting of its own, not the file of a setting LOG.
    const twin = Object.hasOwn(SETTINGS, name) ? `${name}_FILE` : name.replace(/_FILE$/, '')
    if (processEnv[name] === undefined && !processEnv[twin]) env[name] = value
  }
  return { env, problems: [], inFile: Object.keys(file) }
}

function readDotEnv(path: string): Environment | Problem[] {
  let content: string
  try {
    content = readPlainFile(path).replace(/^\uFEFF/, '')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return {}
    return [{ variable: path, problem: `cannot be read: ${messageOf(error)}`, passing: mayComeLater(error) }]
  }
  const malformed = malformedLines(content)
  return malformed.length > 0 ? malformed.map((problem) => ({ variable: path, ...problem })) : parseEnv(content)
}

const ASSIGNMENT = /^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*(.*)$/

/** `parseEnv` skips lines that it does not understand, and the user would believe that they are in force. */
function malformedLines(content: string): Omit<Problem, 'variable'>[] {
  const problems: Omit<Problem, 'variable'>[] = []
  const allowed = 'NAME=value lines, # comments, and values in one kind of quotes'
  let open: { quote: string; line: number } | undefined
  for (const [index, line] of content.split(/\r?\n/).entries()) {
    if (open !== undefined) {
      if (line.includes(open.quote)) open = undefined
      continue
    }
    if (/^\s*(#.*)?$/.test(line)) continue
    const value = ASSIGNMENT.exec(line)?.[1]
    // The line may hold a secret, so the problem shows only its number.
    if (value === undefined) problems.push({ problem: `line ${index + 1} is not NAME=value`, allowed })
    const quote = value?.charAt(0) ?? ''
    if (['"', "'", '`'].includes(quote) && !value?.includes(quote, 1)) open = { quote, line: index + 1 }
  }
  if (open !== undefined) problems.push({ problem: `the quote opened on line ${open.line} has no end`, allowed })
  return problems
}
