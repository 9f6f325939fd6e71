import { readEnvironment } from '../config/environment.ts'
import { unknownVariables } from '../config/given.ts'
import type { Config } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { formatProblems } from '../config/problems.ts'
import type { Peer } from '../config/settings.ts'
import type { CommandIo } from './command.ts'

/** The environment of this process with the working directory's `.env` beneath it; problems of that file are printed. */
export function environmentOf(io: CommandIo): NodeJS.ProcessEnv | undefined {
  const { env, problems } = readEnvironment(io.env, process.cwd())
  if (problems.length === 0) return env
  io.stderr.write(`${formatProblems(problems)}\n`)
  return undefined
}

/**
 * The configuration of this process and its warnings, or `undefined` after every problem was printed (exit 2). A missing or
 * unreachable peer that the command does not ask is no reason not to answer.
 */
export function configurationOf(
  io: CommandIo,
  asked: readonly Peer[] = ['collector'],
): { config: Config; warnings: string[] } | undefined {
  const { env, problems } = readEnvironment(io.env, process.cwd())
  const loaded = loadConfig(env, undefined, asked)
  if (problems.length === 0 && 'config' in loaded) return loaded
  io.stderr.write(`${formatProblems([...problems, ...('problems' in loaded ? loaded.problems : [])])}\n`)
  // A variable that is required and missing is often there, misspelt.
  for (const warning of unknownVariables(env)) io.stderr.write(`\nwarning: ${warning}\n`)
  return undefined
}
