import { join } from 'node:path'
import type { Environment } from '../config/environment.ts'
import { readEnvironment } from '../config/environment.ts'
import { exposureOfFile } from '../config/exposed-files.ts'
import { collectGiven } from '../config/given.ts'
import type { Loaded } from '../config/load.ts'
import { loadConfig, loadSettings } from '../config/load.ts'
import type { Config } from '../config/model.ts'
import type { Problem } from '../config/problems.ts'
import { formatProblems } from '../config/problems.ts'
import type { Peer } from '../config/setting.ts'
import type { SettingName, Values } from '../config/settings.ts'
import { unknownInDotEnv, unknownVariables } from '../config/unknown.ts'
import type { CommandIo } from './command.ts'
import { WrongConfiguration } from './command.ts'

/** The settings `names` of this process, for a command that needs no others. Throws WrongConfiguration. */
export function settingsOf<const N extends SettingName>(io: CommandIo, names: readonly N[]): Pick<Values, N> {
  const { env, problems, origin } = readEnvironment(io.env, process.cwd())
  if (problems.length > 0) throw wrong(problems)
  const loaded = loadSettings(env, names)
  if ('values' in loaded) return loaded.values
  throw wrong(loaded.problems, { after: settingsFrom(origin) })
}

function wrong(problems: readonly Problem[], { before = '', after = '' } = {}): WrongConfiguration {
  return new WrongConfiguration(problems, `${before}${formatProblems(problems)}${after}`)
}

function settingsFrom(origin: string): string {
  return `\nSettings come from: ${origin}.`
}

/** That the environment asks Node to verify no certificate, if it does: no part of this program obeys. */
export function verificationRefused({ env }: CommandIo): { found: string; advice: string } | undefined {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return undefined
  return {
    found: 'NODE_TLS_REJECT_UNAUTHORIZED=0 is set and not obeyed: certificates are verified',
    advice: 'Remove it. For a certificate authority of your own, see docs/security.md, "TLS".',
  }
}

/** That others may choose the settings in `.env`, if they may. */
export function exposedDotEnv(): string | undefined {
  const path = join(process.cwd(), '.env')
  const exposure = exposureOfFile(path)
  return exposure === undefined ? undefined : `${path}: others may choose the settings in it: ${exposure}`
}

/** The text of a setting for a stand-in, which reads no `.env`; `''` if it is not given. Throws WrongConfiguration. */
export function textOf(io: CommandIo, name: SettingName): string {
  const { given, unusable } = collectGiven(io.env, [name])
  const problems = [...unusable.values()]
  if (problems.length > 0) throw wrong(problems)
  return given.get(name)?.text ?? ''
}

/** For commands that are given by hand, where `--config` is easily forgotten. */
export const WITHOUT_FILE =
  'No configuration file is named: give --config FILE, or set BRIDGE_CONFIG. The environment alone counts now.\n\n'

/**
 * The configuration of this process and its warnings, from the file that BRIDGE_CONFIG names or from the environment. Throws
 * WrongConfiguration with all problems at once. Settings about the connection to a peer that the command does not ask may be
 * missing or wrong. `withoutFile` is told before the problems of the environment where neither a file nor a
 * logstore is named. `origin` says in words where the environment comes from.
 */
export async function configurationOf(
  io: CommandIo,
  asked: readonly Peer[] = ['service', 'collector'],
  withoutFile = '',
): Promise<{ config: Config; warnings: string[]; remarks: string[]; origin: string }> {
  const { env, problems, warnings, inFile, origin } = readEnvironment(io.env, process.cwd())
  // Without its lines everything else is wrong, too: one mistake in .env is one problem.
  if (problems.length > 0) throw wrong(problems)
  const named = loadSettings(env, ['BRIDGE_CONFIG'])
  if ('problems' in named) throw wrong(named.problems)
  const { BRIDGE_CONFIG: file } = named.values
  const loaded = file === undefined ? loadConfig(env, undefined, asked) : await loadFile(file, env, asked)
  if ('config' in loaded) {
    const { quoted = new Set() } = loaded
    return { ...loaded, warnings: [...warnings, ...loaded.warnings, ...unknownInDotEnv(inFile, quoted)], origin }
  }
  // A required variable that is missing may be there with a typing error.
  const unknown = file === undefined ? [...unknownVariables(env), ...unknownInDotEnv(inFile, new Set())] : []
  const told = [...warnings, ...(loaded.warnings ?? []), ...unknown].map((warning) => `\n\nwarning: ${warning}`)
  // Beside a file there is no logstore in the environment, mostly.
  const before = file === undefined && !env['SLS_LOGSTORE'] ? withoutFile : ''
  throw wrong(loaded.problems, { before, after: settingsFrom(origin) + told.join('') })
}

/** The same for a trial, which asks no peer and is mostly about a file. */
export async function trialConfigurationOf(io: CommandIo): Promise<Config> {
  const { config } = await configurationOf(io, [], WITHOUT_FILE)
  return config
}

/** Most replicas have no file, and need neither its parsers nor their memory. */
async function loadFile(file: string, env: Environment, asked: readonly Peer[]): Promise<Loaded> {
  const { loadConfigFile } = await import('../config/file/load.ts')
  return loadConfigFile(file, env, undefined, asked)
}
