import { readFileSync } from 'node:fs'
import { withoutPath } from './problems.ts'
import type { SettingName, Values } from './settings.ts'

const PEM_SETTINGS = [
  'SPLUNK_HEC_TLS_CA_FILE',
  'SPLUNK_HEC_TLS_CERT_FILE',
  'SPLUNK_HEC_TLS_KEY_FILE',
  'SPLUNK_SEARCH_TLS_CA_FILE',
] as const satisfies readonly SettingName[]

export type PemSetting = (typeof PEM_SETTINGS)[number]

export interface PemFiles {
  readonly contents: ReadonlyMap<PemSetting, string>
  /** Problems of the files that cannot be used. */
  readonly unusable: ReadonlyMap<PemSetting, string>
}

/** Reads the PEM files that settings name, each once. rules.ts checks whether they hold what TLS needs. */
export function readPemFiles(values: Partial<Values>): PemFiles {
  const contents = new Map<PemSetting, string>()
  const unusable = new Map<PemSetting, string>()
  for (const name of PEM_SETTINGS) {
    const path = values[name]
    if (path === undefined) continue
    try {
      const content = readFileSync(path, 'utf8')
      if (content.includes('-----BEGIN ')) contents.set(name, content)
      else unusable.set(name, 'is not in PEM form')
    } catch (error) {
      unusable.set(name, `cannot be read: ${withoutPath(error)}`)
    }
  }
  return { contents, unusable }
}
