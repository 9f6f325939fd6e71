import { readEnvironment } from '../config/environment.ts'
import { collectGiven, unknownVariables } from '../config/given.ts'
import { loadConfig, loadSettings } from '../config/load.ts'
import type { Config } from '../config/model.ts'
import { formatProblems } from '../config/problems.ts'
import type { Peer, SettingName, Values } from '../config/settings.ts'
import type { Single } from '../config/single.ts'
import { singleOf } from '../config/single.ts'
import type { CommandIo } from './command.ts'
import { WrongConfiguration } from './command.ts'

/** The settings `names` of this process, for a command that needs no others. Throws WrongConfiguration. */
export function settingsOf<const N extends SettingName>(io: CommandIo, names: readonly N[]): Pick<Values, N> {
  const { env, problems } = readEnvironment(io.env, process.cwd())
  const loaded = loadSettings(env, names)
  if (problems.length === 0 && 'values' in loaded) return loaded.values
  const all = [...problems, ...('problems' in loaded ? loaded.problems : [])]
  throw new WrongConfiguration(all, formatProblems(all))
}

/** The text of a setting for a stand-in, which reads no `.env`; `''` if it is not given. Throws WrongConfiguration. */
export function textOf(io: CommandIo, name: SettingName): string {
  const { given, unusable } = collectGiven(io.env, [name])
  const problems = [...unusable.values()]
  if (problems.length > 0) throw new WrongConfiguration(problems, formatProblems(problems))
  return given.get(name)?.text ?? ''
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

/** For a command that looks at one logstore and one Splunk: the first of each. */
export function singleConfigurationOf(io: CommandIo, asked?: readonly Peer[]): { config: Single; warnings: string[] } {
  const { config, warnings } = configurationOf(io, asked)
  return { config: singleOf(config), warnings }
}
