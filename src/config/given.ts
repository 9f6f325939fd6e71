import { mayComeLater } from '../core/errors.ts'
import { readPlainFile } from '../core/plain-file.ts'
import type { Environment } from './environment.ts'
import type { Problem } from './problems.ts'
import { shown, withoutPath } from './problems.ts'
import type { SettingName } from './settings.ts'
import { SETTINGS } from './settings.ts'

/** One setting as the user gave it: trimmed text, and the variable that held it. */
export interface Given {
  text: string
  variable: string
  /** The file that the text was read from, if any. */
  path?: string
}

export interface Collected {
  given: Map<SettingName, Given>
  /** Settings that were given, but whose text could not be read. */
  unusable: Map<SettingName, Problem>
}

export const fileVariable = (name: SettingName) => `${name}_FILE`

/**
 * Collects the text of every setting among `names` that was given, from `NAME` or from the file that `NAME_FILE` names
 * (Kubernetes secrets). Surrounding white space is removed: a secret made with `echo` ends in a newline.
 */
export function collectGiven(env: Environment, names: readonly SettingName[]): Collected {
  const given = new Map<SettingName, Given>()
  const unusable = new Map<SettingName, Problem>()
  for (const name of names) {
    const text = textOf(env, name)
    const path = env[fileVariable(name)]?.trim() ?? ''
    if (text !== '' && path !== '') unusable.set(name, givenTwice(name))
    else if (text !== '') given.set(name, { text, variable: name })
    else if (path !== '') {
      const content = readGivenFile(name, path)
      if (typeof content === 'string') given.set(name, { text: content, variable: fileVariable(name), path })
      else unusable.set(name, content)
    }
  }
  return { given, unusable }
}

/** The names of proxies are known in small letters, too, and these count first (curl, Python, Node). */
function textOf(env: Environment, name: SettingName): string {
  const small = name.endsWith('_PROXY') ? env[name.toLowerCase()]?.trim() : undefined
  return small || env[name]?.trim() || ''
}

function givenTwice(name: SettingName): Problem {
  const { example } = SETTINGS[name]
  return {
    variable: name,
    problem: `is set twice: as ${name} and as ${fileVariable(name)}`,
    allowed: 'one of the two',
    example: `${name}=${example}`,
  }
}

function readGivenFile(name: SettingName, path: string): string | Problem {
  const variable = fileVariable(name)
  // The path of a secret's file is not shown either: people sometimes put the secret itself there.
  const { secret } = SETTINGS[name]
  const help = {
    variable,
    ...(!secret && { value: shown(path) }),
    allowed: 'path of a readable file with the value',
    example: `${variable}=/run/secrets/value`,
  }
  try {
    const content = readPlainFile(path).trim()
    return content === '' ? { ...help, problem: 'names an empty file', passing: true } : content
  } catch (error) {
    const problem = `names a file that cannot be read: ${withoutPath(error)}`
    return { ...help, problem, passing: mayComeLater(error) }
  }
}
