import { mayComeLater } from '../core/errors.ts'
import { readPlainFile } from '../core/plain-file.ts'
import type { Problem } from './problems.ts'
import { withoutPath } from './problems.ts'
import type { SettingName, Values } from './settings.ts'

export const PEM_SETTINGS = [
  'SPLUNK_HEC_TLS_CA_FILE',
  'SPLUNK_HEC_TLS_CERT_FILE',
  'SPLUNK_HEC_TLS_KEY_FILE',
  'SPLUNK_SEARCH_TLS_CA_FILE',
  'SYSLOG_TLS_CA_FILE',
  'SYSLOG_TLS_CERT_FILE',
  'SYSLOG_TLS_KEY_FILE',
] as const satisfies readonly SettingName[]

export type PemSetting = (typeof PEM_SETTINGS)[number]

export interface PemFiles {
  readonly contents: ReadonlyMap<PemSetting, string>
  /** Problems of the files that cannot be used. */
  readonly unusable: ReadonlyMap<PemSetting, Pick<Problem, 'problem' | 'passing'>>
}

/** Reads the PEM files that settings name, each once. rules.ts checks whether they hold what TLS needs. */
export function readPemFiles(values: Partial<Values>): PemFiles {
  const contents = new Map<PemSetting, string>()
  const unusable: Map<PemSetting, Pick<Problem, 'problem' | 'passing'>> = new Map()
  for (const name of PEM_SETTINGS) {
    const path = values[name]
    if (path === undefined) continue
    try {
      const content = readPlainFile(path)
      if (content.includes('-----BEGIN ')) contents.set(name, content)
      else unusable.set(name, { problem: 'is not in PEM form', passing: content.trim() === '' })
    } catch (error) {
      unusable.set(name, { problem: `cannot be read: ${withoutPath(error)}`, passing: mayComeLater(error) })
    }
  }
  return { contents, unusable }
}
