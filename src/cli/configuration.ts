import { readEnvironment } from '../config/environment.ts'
import { unknownVariables } from '../config/given.ts'
import type { Config } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { formatProblems } from '../config/problems.ts'
import type { Peer } from '../config/settings.ts'
import type { CommandIo } from './command.ts'
import { WrongConfiguration } from './command.ts'

/** The environment of this process, and below it the working directory's `.env`. Throws WrongConfiguration. */
export function environmentOf(io: CommandIo): NodeJS.ProcessEnv {
  const { env, problems } = readEnvironment(io.env, process.cwd())
  if (problems.length > 0) throw new WrongConfiguration(problems, formatProblems(problems))
  return env
}

/**
 * The configuration of this process and its warnings. Throws WrongConfiguration with all problems at once. Settings about
 * the connection to a peer that the command does not ask may be missing or wrong.
 */
export function configurationOf(
  io: CommandIo,
  asked: readonly Peer[] = ['collector'],
): { config: Config; warnings: string[] } {
  const { env, problems } = readEnvironment(io.env, process.cwd())
  const loaded = loadConfig(env, undefined, asked)
  if (problems.length === 0 && 'config' in loaded) return loaded
  const all = [...problems, ...('problems' in loaded ? loaded.problems : [])]
  // A required variable that is missing may be there with a typing error.
  const warnings = unknownVariables(env).map((warning) => `\n\nwarning: ${warning}`)
  throw new WrongConfiguration(all, formatProblems(all) + warnings.join(''))
}
