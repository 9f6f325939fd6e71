import { statSync } from 'node:fs'
import { exposureOf } from '../core/exposure.ts'
import type { Given } from './given.ts'
import { PEM_SETTINGS } from './pem-files.ts'
import type { SettingName } from './settings.ts'

/** Settings whose value is the path of a file that is read. */
const PATHS: readonly SettingName[] = [
  ...PEM_SETTINGS,
  'ALIBABA_CLOUD_OIDC_TOKEN_FILE',
  'ALIBABA_CLOUD_CREDENTIALS_FILE',
]

/** How others than this user and root may choose what a file holds, in words; `undefined` if they may not, or if there is none. */
export function exposureOfFile(path: string): string | undefined {
  try {
    return exposureOf(statSync(path))
  } catch {
    // Whoever reads it says so.
    return undefined
  }
}

/** Warnings about files that settings were read from, or that they name. No path is shown: it may be a secret. */
export function exposedFiles(given: ReadonlyMap<SettingName, Given>): string[] {
  return [...given].flatMap(([name, { text, path, variable }]) => {
    const file = path ?? (PATHS.includes(name) ? text : undefined)
    const exposure = file === undefined ? undefined : exposureOfFile(file)
    return exposure === undefined ? [] : [`${variable}: others may choose what its file holds: ${exposure}`]
  })
}
