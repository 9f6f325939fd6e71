import type { Given } from '../given.ts'
import type { PemFiles } from '../pem-files.ts'
import { readPemFiles } from '../pem-files.ts'
import { crossCheck } from '../rules.ts'
import type { CredentialsChoice, Setting } from '../setting.ts'
import type { SettingName, Values } from '../settings.ts'
import { SETTINGS } from '../settings.ts'
import type { Findings } from './findings.ts'
import type { SettingKeys } from './setting-keys.ts'
import { spelled } from './setting-keys.ts'
import type { KeyPath, Written } from './written.ts'
import { entriesOf, itemsOf, textOf } from './written.ts'

/** The settings of one section, as if they had come from the environment. */
export interface Section {
  readonly values: Partial<Values>
  readonly given: ReadonlyMap<SettingName, Given>
}

/** Reads the keys of a map that stand for settings. What cannot be read is left out: the description refuses it. */
export function sectionOf(written: Written | undefined, keys: SettingKeys): Section {
  const entries = entriesOf(written)
  const values: Partial<Values> = {}
  const given = new Map<SettingName, Given>()
  for (const [key, name] of Object.entries(keys)) {
    const setting: Setting<unknown> = SETTINGS[name]
    const value = entries.get(key)?.value
    const texts = itemsOf(value).flatMap((item) => textOf(item) ?? [])
    const path = value?.kind === 'text' && 'path' in value.value ? value.value.path : undefined
    if (texts.length > 0)
      given.set(name, { text: texts.join(','), variable: name, ...(path !== undefined && { path }) })
    const text = texts.length > 0 ? texts.join(',') : setting.default
    const parsed = text === undefined ? undefined : setting.parser.parse(text)
    if (parsed !== undefined && 'value' in parsed) Object.assign(values, { [name]: parsed.value })
    // A list of the file needs no commas and no quotes for the empty topic.
    if (name === 'FILTER_TOPICS' && value !== undefined) values.FILTER_TOPICS = texts
  }
  return { values, given }
}

/** Rules that need more than one key, or a file. Their findings get the places of the keys that they name. */
export function checkSection(
  section: Section & { readonly credentials?: CredentialsChoice },
  { at, keys, findings, nowSeconds }: SectionPlace,
): PemFiles['contents'] {
  const pem = readPemFiles(section.values)
  const { credentials = 'access_key', values, given } = section
  const { problems, warnings } = crossCheck({ values, given, unusable: new Map(), credentials, pem, nowSeconds })
  const placeOf = (name: string): KeyPath => [...at, ...(keys.get(name) ?? [])]
  for (const { variable, problem, allowed, passing } of problems) {
    findings.refuse(placeOf(variable), { problem: spelled(problem), allowed: allowed && spelled(allowed), passing })
  }
  for (const warning of warnings) {
    const [name = ''] = warning.match(/[A-Z]+(?:_[A-Z]+)+/) ?? []
    findings.warn(placeOf(name), spelled(warning.replace(/^[A-Z_]+: /, '')))
  }
  return pem.contents
}

export interface SectionPlace {
  readonly at: KeyPath
  /** Where below it the keys of settings stand. */
  readonly keys: ReadonlyMap<string, KeyPath>
  readonly findings: Findings
  readonly nowSeconds: number
}

/** Paths of the keys of a section, for `SectionPlace`. */
export function pathsOf(keys: SettingKeys, under: KeyPath = []): ReadonlyMap<string, KeyPath> {
  return new Map(Object.entries(keys).map(([key, name]) => [name, [...under, key]]))
}
