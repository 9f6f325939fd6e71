import { FILE_SETTINGS, PROCESS_SETTINGS } from './process-settings.ts'
import { SERVICE_SETTINGS } from './service-settings.ts'
import type { Peer, Setting } from './setting.ts'
import { HEC_SETTINGS, SEARCH_SETTINGS } from './splunk-settings.ts'
import { SYSLOG_SETTINGS } from './syslog-settings.ts'

/**
 * Every variable, once. The loader, docs/configuration.md and .env.example all come from this table. Each variable can
 * also be given as `NAME_FILE=/path`.
 */
export const SETTINGS = {
  ...FILE_SETTINGS,
  ...SERVICE_SETTINGS,
  ...HEC_SETTINGS,
  ...SYSLOG_SETTINGS,
  ...PROCESS_SETTINGS,
  ...SEARCH_SETTINGS,
} as const

export type SettingName = keyof typeof SETTINGS
export type Values = { [K in SettingName]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never }
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** All settings except those about the connection to a peer that the command does not ask. They may be wrong, or their files missing. */
export function settingsToAsk(asked: readonly Peer[]): SettingName[] {
  return SETTING_NAMES.filter((name) => {
    const { group, peer = group === 'credentials' ? 'service' : undefined }: Setting<unknown> = SETTINGS[name]
    return peer === undefined || asked.includes(peer)
  })
}

/** Where the environment names another sink. */
export function withoutSplunk(names: readonly SettingName[]): SettingName[] {
  return names.filter((name) => !name.startsWith('SPLUNK_HEC_'))
}
