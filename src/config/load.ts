import { Secret } from '../core/secret.ts'
import type { Surroundings, Understood } from './build.ts'
import { freeze, here, processOf, sourceOf, splunkHecOf, syslogOf } from './build.ts'
import { credentialsChoice, credentialsConfig } from './credentials.ts'
import type { Environment } from './environment.ts'
import type { Collected, Given } from './given.ts'
import { collectGiven } from './given.ts'
import type { Config } from './model.ts'
import { DEFAULT_ROUTE, DEFAULT_SINK, DEFAULT_SOURCE, DEFAULT_SYSLOG_SINK } from './names.ts'
import { readPemFiles } from './pem-files.ts'
import type { Problem } from './problems.ts'
import { shown } from './problems.ts'
import { crossCheck } from './rules.ts'
import type { CredentialsChoice, Peer, Setting } from './setting.ts'
import { PEERS } from './setting.ts'
import type { SettingName, Values } from './settings.ts'
import { SETTING_NAMES, SETTINGS, settingsToAsk, withoutSplunk } from './settings.ts'
import { unknownVariables } from './unknown.ts'

/** `remarks`: what may be meant so, for who checks the configuration. `quoted`: variables that the configuration file quotes. */
export type Loaded =
  | { config: Config; warnings: string[]; remarks: string[]; quoted?: ReadonlySet<string> }
  | { problems: Problem[]; warnings?: readonly string[] }

/** Stand-ins for settings about a peer that the command does not ask. */
export const NOT_ASKED = {
  splunk_hec: {
    SPLUNK_HEC_URL: [],
    SPLUNK_HEC_TOKEN: new Secret('not-asked'),
    SPLUNK_HEC_TLS_VERIFY: true,
  },
  syslog: { SYSLOG_TLS_VERIFY: true },
  search: { SPLUNK_SEARCH_TLS_VERIFY: true },
} satisfies Record<string, Partial<Values>>

/**
 * Returns a whole configuration, or all its problems at once. Settings about a peer that the command does not ask are
 * ignored: an operator's machine lacks the certificates of a replica, and the reverse.
 */
export function loadConfig(
  env: Environment,
  surroundings: Surroundings = here(),
  asked: readonly Peer[] = PEERS,
): Loaded {
  const names = settingsToAsk(asked)
  const isSyslog = hasSyslog(env)
  const read = understand(env, isSyslog ? withoutSplunk(names) : names, surroundings)
  const both = isSyslog ? bothSinks(env) : []
  if ('problems' in read) return { problems: [...both, ...read.problems] }
  if (both.length > 0) return { problems: both }
  const warnings = [...read.warnings, ...unknownVariables(env)]
  return { config: freeze(build(read, env, surroundings)), warnings, remarks: [] }
}

function hasSyslog(env: Environment): boolean {
  const { given, unusable } = collectGiven(env, ['SYSLOG_URL'])
  return given.has('SYSLOG_URL') || unusable.has('SYSLOG_URL')
}

/** The environment has one sink. A variable of the other one would have no effect, so it is a mistake. */
function bothSinks(env: Environment): Problem[] {
  const splunk = SETTING_NAMES.filter((name) => name.startsWith('SPLUNK_HEC_'))
  const { given, unusable } = collectGiven(env, splunk)
  const variables = [...given.values()].map(({ variable }) => variable)
  return [...variables, ...unusable.keys()].map((variable) => ({
    variable,
    problem: 'is set, and so is SYSLOG_URL: the environment has one sink',
    allowed: 'not set; or both sinks in a configuration file (BRIDGE_CONFIG)',
  }))
}

type Read = Understood & { readonly credentials: CredentialsChoice; readonly warnings: readonly string[] }

/** Reads the settings `names` and checks them together. Others have no value. */
export function understand(
  env: Environment,
  names: readonly SettingName[],
  { nowSeconds }: Surroundings,
): Read | { problems: Problem[] } {
  const { given, unusable } = collectGiven(env, names)
  const problems: Problem[] = []
  const values: Partial<Values> = { ...NOT_ASKED.splunk_hec, ...NOT_ASKED.syslog, ...NOT_ASKED.search }
  const credentials = choiceOf(given, unusable)
  for (const name of names) {
    const parsed = unusable.get(name) ?? parse(name, given.get(name), credentials)
    if ('parsed' in parsed) Object.assign(values, { [name]: parsed.parsed })
    else problems.push(parsed)
  }
  const pem = readPemFiles(values)
  const findings = crossCheck({ values, given, unusable, credentials, pem, nowSeconds })
  problems.push(...findings.problems)
  if (problems.length > 0) return { problems }
  return { values: values as Values, given, pem: pem.contents, credentials, warnings: findings.warnings }
}

/** One source, one sink, and one route from the one to the other. */
function build(read: Read, env: Environment, surroundings: Surroundings): Config {
  const { values, given, credentials } = read
  const source = sourceOf(DEFAULT_SOURCE, values, surroundings)
  const sink = values.SYSLOG_URL ? syslogOf(DEFAULT_SYSLOG_SINK, read) : splunkHecOf(DEFAULT_SINK, read)
  return {
    sources: [{ ...source, credentials: credentialsConfig(credentials, values, given, env) }],
    sinks: [sink],
    routing: {
      routes: [{ name: DEFAULT_ROUTE, to: [sink.name], set: {}, shape: [], continue: false }],
      unmatched: 'error',
    },
    eventIdScope: 'logstore',
    tests: [],
    ...processOf(read),
  }
}

/** The settings `names` alone, or everything that is wrong with them. For a command that is no part of a replica. */
export function loadSettings<N extends SettingName>(
  env: Environment,
  names: readonly N[],
): { values: Pick<Values, N> } | { problems: Problem[] } {
  const { given, unusable } = collectGiven(env, names)
  const found = names.map((name) => [name, unusable.get(name) ?? parse(name, given.get(name), 'access_key')] as const)
  const problems = found.flatMap(([, one]) => ('parsed' in one ? [] : [one]))
  if (problems.length > 0) return { problems }
  const values = found.map(([name, one]) => [name, 'parsed' in one ? one.parsed : undefined])
  return { values: Object.fromEntries(values) as Pick<Values, N> }
}

/** Comes first, because the choice decides which settings are required. */
function choiceOf(given: Collected['given'], unusable: Collected['unusable']): CredentialsChoice {
  const text = given.get('SLS_CREDENTIALS')?.text
  const named = text === undefined ? undefined : SETTINGS.SLS_CREDENTIALS.parser.parse(text)
  const choice = named !== undefined && 'value' in named ? named.value : undefined
  return credentialsChoice(choice, (name) => given.has(name) || unusable.has(name))
}

function parse(
  name: SettingName,
  given: Given | undefined,
  credentials: CredentialsChoice,
): { parsed: unknown } | Problem {
  const setting: Setting<unknown> = SETTINGS[name]
  const allowed = setting.parser.allowed
  const text = given?.text ?? setting.default
  if (text === undefined) {
    if (!setting.required && setting.neededBy !== credentials) return { parsed: undefined }
    return { variable: name, problem: missing(setting), allowed, example: `${name}=${setting.example}` }
  }
  const parsed = setting.parser.parse(text)
  if ('value' in parsed) return { parsed: parsed.value }
  return {
    variable: given?.variable ?? name,
    ...(!setting.secret && { value: shown(text) }),
    problem: parsed.refused,
    allowed,
    example: `${name}=${setting.example}`,
  }
}

function missing({ neededBy }: Setting<unknown>): string {
  if (neededBy === undefined) return 'is required and not set'
  if (neededBy !== 'access_key') return `is required with SLS_CREDENTIALS=${neededBy} and not set`
  return 'is required and not set, unless SLS_CREDENTIALS names another source of credentials'
}
