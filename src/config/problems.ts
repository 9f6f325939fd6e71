import { messageOf } from '../core/errors.ts'
import { escaped } from '../core/text.ts'

/** One problem of the configuration, with everything that a person needs to fix it. */
export interface Problem {
  /** The variable as it was given (`SLS_AK_KEY_FILE` when that is where the value came from), or a file's name. */
  readonly variable: string
  /** `file:line:column`, if a configuration file has the problem. Then `variable` is the key, and may be empty. */
  readonly place?: string
  /** The value as given. Absent for secrets, and if none was given. */
  readonly value?: string
  readonly problem: string
  readonly allowed?: string
  /** A line that would work: `NAME=value`. */
  readonly example?: string
  /** It may pass although nobody changes anything: a file or a volume that is not there yet. */
  readonly passing?: boolean
}

const SHOWN_CHARACTERS = 120

/**
 * Makes a value fit to print: on one line, of bounded length, and without the parts of a URL that carry credentials. This
 * is for passwords in the wrong place; the value of a setting that is marked secret is never shown.
 */
export function shown(value: string): string {
  // A user may have given a private key instead of the path of its file.
  if (value.includes('-----BEGIN')) return '[PEM]'
  const harmless = value.replace(/^([a-z]+:\/\/)?.*@/is, '$1[secret]@').replace(/([?#]).*/s, '$1[…]')
  const line = escaped(harmless)
  return line.length <= SHOWN_CHARACTERS ? line : `${line.slice(0, SHOWN_CHARACTERS)}… (${value.length} characters)`
}

/** The same for a condition, in which `?`, `#` and `@` are patterns and names: only credentials in URLs are cut out. */
export function shownCondition(condition: string): string {
  if (condition.includes('-----BEGIN')) return '[PEM]'
  const line = escaped(condition.replace(/([a-z]+:\/\/)[^\s/"']*@/gi, '$1[secret]@'))
  return line.length <= SHOWN_CHARACTERS ? line : `${line.slice(0, SHOWN_CHARACTERS)}… (${condition.length} characters)`
}

const SECRET_KEY = /passw|passphrase|pwd|secret|token|authorization|(api|access|private)[_-]?key/i

/** Whether a key may hold a secret, whatever it belongs to. */
export function looksSecret(key: string): boolean {
  return SECRET_KEY.test(key)
}

/** Why a file cannot be used, without its path. The problem shows the path as the value, made fit to print. */
export function withoutPath(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  return code?.startsWith('ERR_') ? code : messageOf(error).replace(/, \w+ '.*'$/s, '')
}

/** All problems as a list for a terminal. */
export function formatProblems(problems: readonly Problem[]): string {
  const title =
    problems.length === 1 ? 'The configuration has a problem:' : `The configuration has ${problems.length} problems:`
  const blocks = problems.map(({ variable, place, value, problem, allowed, example }) => {
    const [name, sign] = place === undefined ? [variable, '='] : [`${place}  ${variable}`.trimEnd(), ': ']
    const lines = [`  ${name}${value === undefined ? '' : `${sign}${value}`}`, `      ${problem}`]
    if (allowed !== undefined) lines.push(`      allowed: ${allowed}`)
    if (example !== undefined) lines.push(`      example: ${example}`)
    return lines.join('\n')
  })
  const inFile = problems.some(({ place }) => place !== undefined)
  const inEnvironment = problems.some(({ place }) => place === undefined)
  const pages = [
    ...(problems.some(isOfCondition) ? ['docs/conditions.md describes conditions.'] : []),
    ...(inFile ? ['docs/configuration-file.md describes every key.'] : []),
    ...(inEnvironment ? ['docs/configuration.md describes every variable.'] : []),
  ]
  return [title, ...blocks, pages.join(' ')].join('\n\n')
}

function isOfCondition({ place, variable }: Problem): boolean {
  return place !== undefined && /^routes\[\d+\]\.when$|^macros\./.test(variable)
}
