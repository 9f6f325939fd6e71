import { readEnvironment } from '../config/environment.ts'
import { unknownVariables } from '../config/given.ts'
import type { Config } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { formatProblems } from '../config/problems.ts'
import type { CommandIo } from './command.ts'

/** The environment of this process with the working directory's `.env` beneath it; problems of that file are printed. */
export function environmentOf(io: CommandIo): NodeJS.ProcessEnv | undefined {
  const { env, problems } = readEnvironment(io.env, process.cwd())
  if (problems.length === 0) return env
  io.stderr.write(`${formatProblems(problems)}\n`)
  return undefined
}

/** The configuration of this process and its warnings, or `undefined` after every problem was printed (exit 2). */
export function configurationOf(io: CommandIo): { config: Config; warnings: string[] } | undefined {
  const { env, problems } = readEnvironment(io.env, process.cwd())
  const loaded = loadConfig(env)
  if (problems.length === 0 && 'config' in loaded) return loaded
  io.stderr.write(`${formatProblems([...problems, ...('problems' in loaded ? loaded.problems : [])])}\n`)
  // A variable that is required and missing is often there, misspelt.
  for (const warning of unknownVariables(env)) io.stderr.write(`\nwarning: ${warning}\n`)
  return undefined
}

/** The same for a command that asks the collector nothing: a missing or unreachable one is no reason not to answer. */
export function configurationWithoutCollector(io: CommandIo): { config: Config; warnings: string[] } | undefined {
  const SPLUNK_HEC_URL = 'http://not.asked'
  const env = {
    ...io.env,
    SPLUNK_HEC_URL,
    SPLUNK_HEC_URL_FILE: '',
    SPLUNK_HEC_TOKEN: 'not-asked',
    SPLUNK_HEC_TOKEN_FILE: '',
  }
  return configurationOf({ ...io, env })
}
