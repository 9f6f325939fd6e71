import { ACCESS_KEY_SETTINGS } from '../credentials.ts'
import type { Environment } from '../environment.ts'
import type { Problem } from '../problems.ts'
import { shown } from '../problems.ts'
import { SETTING_NAMES, SETTINGS } from '../settings.ts'
import { ownVariables } from '../unknown.ts'
import type { Written } from './written.ts'
import { entriesOf, textOf } from './written.ts'

/** Variables that say where logs come from, what becomes of them and where they go. */
const SAID_BY_THE_FILE = /^(?:SLS|FILTER|EVENT|SPLUNK_HEC|SYSLOG)_/

export const CREDENTIALS_SETTINGS = SETTING_NAMES.filter(
  (name) => SETTINGS[name].group === 'credentials' || (ACCESS_KEY_SETTINGS as readonly string[]).includes(name),
)

interface BesideFile {
  readonly path: string
  readonly env: Environment
  readonly root: Written
  readonly quoted: ReadonlySet<string>
}

/** The file and the environment must not both say where logs come from and go to. */
export function twoTruths({ path, env, root, quoted }: BesideFile): Problem[] {
  // A file that says nothing is the wrong one.
  if (entriesOf(root).size === 0) return []
  const sources = [...entriesOf(entriesOf(root).get('sources')?.value).values()]
  const hasNone = ({ value }: { value: Written }) => textOf(entriesOf(value).get('credentials')?.value) === undefined
  // While no source can be read, none is known to do without the credentials of the environment.
  const usesOwn = sources.length === 0 || sources.some(hasNone)
  const meant = new Set<string>(['SLS_CONSUMER', ...(usesOwn ? CREDENTIALS_SETTINGS : [])])
  return ownVariables(env, SAID_BY_THE_FILE)
    .filter((variable) => !quoted.has(variable) && !meant.has(variable.replace(/_FILE$/, '')))
    .map((variable) => ({
      variable,
      problem: `is set, and the configuration file ${shown(path)} does not quote it: two places would say the same`,
      allowed: `not set; or quoted in the file as \${${variable.replace(/_FILE$/, '')}}`,
    }))
}
