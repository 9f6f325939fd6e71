import { nearest } from '../core/nearest.ts'
import type { Environment } from './environment.ts'
import { fileVariable } from './given.ts'
import { shown } from './problems.ts'
import type { SettingName } from './settings.ts'
import { SETTING_NAMES } from './settings.ts'

const OURS = /^(?:SLS|SPLUNK_HEC|SPLUNK_SEARCH|FILTER|EVENT|SYSLOG|BRIDGE)_/

const KNOWN: readonly string[] = SETTING_NAMES.flatMap((name) => [name, fileVariable(name)])

/**
 * Variables that are set and have a name of ours, known or not. Exceptions are the variables of this program's launcher, and
 * those that Kubernetes makes for every Service of the namespace, which may be called `splunk-hec`.
 */
export function ownVariables(env: Environment, pattern: RegExp): string[] {
  return Object.keys(env).filter(
    (name) =>
      pattern.test(name) &&
      env[name]?.trim() &&
      !/^SLS_SIEM_BRIDGE_/.test(name) &&
      !isServiceLink(name, env[name] ?? ''),
  )
}

/** Variables that look like ours and are not. Most of them are typing errors. */
export function unknownVariables(env: Environment, pattern = OURS): string[] {
  return ownVariables(env, pattern)
    .filter((name) => !KNOWN.includes(name))
    .map((name) => `${shown(name)} is not a variable of this program${question(name)}`)
}

/**
 * Other names in `.env`, which is this program's own file. `quoted` are those that a configuration file quotes. The vendor's
 * library knows names of its own.
 */
export function unknownInDotEnv(names: readonly string[], quoted: ReadonlySet<string>): string[] {
  const isKnown = (name: string) =>
    KNOWN.includes(name) || OURS.test(name) || quoted.has(name) || /^ALIBABA_CLOUD_|^(?:https?|no)_proxy$/.test(name)
  return names
    .filter((name) => !isKnown(name))
    .map((name) => `${shown(name)} in .env is not a variable of this program, and has no effect${question(name)}`)
}

function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value)
}

/** As the libraries and tools of Log Service and Splunk call the same. */
const OTHER_NAMES: Readonly<Record<string, SettingName>> = {
  SLS_ACCESS_KEY: 'SLS_AK_ID',
  SLS_ACCESS_KEY_ID: 'SLS_AK_ID',
  SLS_ACCESS_KEY_SECRET: 'SLS_AK_KEY',
  SLS_AK_SECRET: 'SLS_AK_KEY',
  SLS_CONSUMER_GROUP: 'SLS_CG',
  SLS_TOPICS: 'FILTER_TOPICS',
  SPLUNK_URL: 'SPLUNK_HEC_URL',
  HEC_URL: 'SPLUNK_HEC_URL',
  HEC_TOKEN: 'SPLUNK_HEC_TOKEN',
}

function question(name: string): string {
  const candidates = name.endsWith('_FILE') ? KNOWN : SETTING_NAMES
  const meant =
    OTHER_NAMES[name] ??
    nearest(name, candidates) ??
    candidates.find((known) => isPartOf(name, known)) ??
    withSameEnding(name)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

/** A name that was cut short (SPLUNK_HEC_TLS_CA), or has something more (SLS_START_TIME). */
function isPartOf(name: string, known: string): boolean {
  return known.startsWith(`${name}_`) || name.startsWith(`${known}_`)
}

/** SPLUNK_TOKEN → SPLUNK_HEC_TOKEN. */
function withSameEnding(name: string): string | undefined {
  const [first = '', ...others] = name.split('_')
  const last = others.at(-1)
  return SETTING_NAMES.find((known) => known.startsWith(`${first}_`) && known.endsWith(`_${last}`))
}
