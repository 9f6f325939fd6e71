import { writeFileSync } from 'node:fs'
import type { Setting } from './setting.ts'
import { GROUPS } from './setting.ts'
import { SETTING_NAMES, SETTINGS } from './settings.ts'

const settings: [string, Setting<unknown>][] = SETTING_NAMES.map((name) => [name, SETTINGS[name]])
const groups = Object.entries(GROUPS).map(
  ([group, title]) => [title, settings.filter(([, setting]) => setting.group === group)] as const,
)

/**
 * `.env.example`: first what most replicas need, a line of meaning each, then everything else. Required settings are to fill
 * in. All others are commented out, with their default or an example.
 */
export function renderEnvExample(): string {
  const first = settings.flatMap(([name, setting]) => {
    return setting.brief === undefined ? [] : [`# ${setting.brief}\n${assignment(name, setting)}`]
  })
  const sections = groups.flatMap(([title, members]) => {
    const entries = members
      .filter(([, { brief }]) => brief === undefined)
      .map(([name, setting]) => {
        const { doc, parser } = setting
        const comment = wrapped(`${plain(unlinked(doc))} Allowed: ${parser.allowed}. ${plain(defaultOf(setting))}`)
        return `${comment}\n${assignment(name, setting)}`
      })
    return entries.length === 0 ? [] : [`# ---- ${title} ----`, ...entries]
  })
  return `${[ENV_INTRO, ...first, ...sections].join('\n\n')}\n`
}

function assignment(name: string, setting: Setting<unknown>): string {
  const { example } = setting
  const fillIn = setting.required || setting.neededBy === 'access_key'
  const value = fillIn ? example : (setting.default ?? example)
  const quoted = /[\s#'"`]/.test(value) ? JSON.stringify(value) : value
  return `${fillIn ? '' : '#'}${name}=${quoted}`
}

const ENV_INTRO = `# Copy to .env and fill in. The environment of the process wins over this file. An empty value counts as not set.
# Every variable can also be given as NAME_FILE=/path, where the file holds the value. More: docs/configuration.md.`

/** `docs/configuration.md`. */
export function renderDocs(): string {
  const sections = groups.map(([title, members]) => {
    const rows = members.map(([name, setting]) => {
      const cells = [`\`${name}\``, defaultCell(setting), setting.parser.allowed, setting.doc + exampleOf(setting)]
      return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
    })
    return [`## ${title}`, '', '| variable | default | allowed | meaning |', '|---|---|---|---|', ...rows].join('\n')
  })
  return `${[DOCS_INTRO, ...sections].join('\n\n')}\n`
}

const DOCS_INTRO = `# Configuration

<!-- Made from src/config/settings.ts by \`node src/config/render.ts\`; a test compares the two. -->

All settings are environment variables. A file \`.env\` in the working directory is read too; the environment of the process wins over it. The log, \`check\` and every list of problems say which file that was, and which of its variables do not count.

- Every variable can also be given as \`NAME_FILE=/path\`: the value is then the content of that file. Kubernetes and Docker secrets are used in this way. Both \`NAME\` and \`NAME_FILE\` together are an error.
- Spaces and line ends around a value are removed. An empty value counts as not set.
- Files must be regular ones, or links to them, of at most 1 MiB. A FIFO or a device is refused at once.
- \`sls-siem-bridge run\` and \`sls-siem-bridge check\` report all problems at once and exit with code 2. \`run\` exits with 1 if all of them may pass by themselves, like a file that is not there yet. Values of secrets are never shown.
- A command reads only the settings that it needs. \`lag\` and \`reconcile\` work without the collector's URL, token and certificates. Only \`reconcile\` reads \`SPLUNK_SEARCH_…\`.
- A variable starting with \`SLS_\`, \`SPLUNK_HEC_\`, \`SPLUNK_SEARCH_\`, \`FILTER_\`, \`EVENT_\`, \`SYSLOG_\` or \`BRIDGE_\` that is not listed here causes a warning. So does any other unknown name in \`.env\`. The warning names a variable of this page if one is near.`

function defaultCell(setting: Setting<unknown>): string {
  if (setting.required) return '**required**'
  if (setting.neededBy) return `**required** with \`SLS_CREDENTIALS=${setting.neededBy}\``
  return setting.computed ?? (setting.default === undefined ? 'none' : `\`${setting.default}\``)
}

function defaultOf(setting: Setting<unknown>): string {
  if (setting.required) return 'Required.'
  return setting.neededBy ? `Required with SLS_CREDENTIALS=${setting.neededBy}.` : `Default: ${defaultCell(setting)}.`
}

function exampleOf({ example, ...setting }: Setting<unknown>): string {
  return example === setting.default ? '' : ` Example: \`${example}\``
}

const plain = (markdown: string) => markdown.replaceAll('`', '')
const unlinked = (markdown: string) => markdown.replace(/\[[^\]]*\]\(([^)]*)\)/g, 'docs/$1')

function wrapped(text: string): string {
  const lines = ['#']
  for (const word of text.split(' ')) {
    if (`${lines.at(-1)} ${word}`.length > 110) lines.push('#')
    lines.push(`${lines.pop()} ${word}`)
  }
  return lines.join('\n')
}

if (import.meta.main) {
  writeFileSync(new URL('../../docs/configuration.md', import.meta.url), renderDocs())
  writeFileSync(new URL('../../.env.example', import.meta.url), renderEnvExample())
}
