import { readFileSync, writeFileSync } from 'node:fs'
import { PEERS } from '../setting.ts'
import { fileDescription } from './description.ts'
import type { Described, Description } from './shape.ts'
import { descriptionOf } from './shape.ts'

/** They stand in `docs/configuration-file.md` around the part that is made here. */
const [BEGIN, END] = ['<!-- keys -->', '<!-- end of keys -->']

/** The page with the tables of all keys made again. */
export function renderPage(page: string): string {
  const [before = '', rest = ''] = page.split(BEGIN)
  const [, after = ''] = rest.split(END)
  return `${before}${BEGIN}\n\n${renderTables()}\n\n${END}${after}`
}

type Keys = Readonly<Record<string, Described<unknown>>>

/** One table for each map of the file, in the order in which they are met. Every source and route has the same steps. */
function renderTables(): string {
  const sections: string[] = []
  const done = new Set<Described<unknown>>()
  const table = (title: string, doc: string, keys: Keys, under: string): void => {
    sections.push(`### ${title}\n\n${doc}\n\n${tableOf(keys, under !== STEP)}`)
    for (const [key, value] of Object.entries(keys)) visit(value, under === '' ? key : `${under}.${key}`)
  }
  const visit = (described: Described<unknown>, path: string): void => {
    if (done.has(described)) return
    done.add(described)
    const description = descriptionOf(described)
    if (description.kind === 'named') visit(description.of, `${path}.NAME`)
    else if (description.kind === 'list') visit(description.of, path)
    else if (description.kind === 'map') table(`\`${path}\``, description.doc, description.keys, path)
    else if (description.kind === 'choice') {
      const maps = description.of.map(descriptionOf).filter((one) => one.kind === 'map')
      if (path.endsWith('.shape')) table('Steps', description.doc, stepKeys(maps), STEP)
      else for (const { doc, keys } of maps) table(`\`${path}\` ${formOf(keys)}`, doc, keys, path)
    }
  }
  const file = descriptionOf(fileDescription(PEERS))
  if (file.kind === 'map') table('The whole file', file.doc, file.keys, '')
  return sections.join('\n\n')
}

function stepKeys(maps: readonly { readonly keys: Keys }[]): Keys {
  return Object.assign({}, ...maps.map(({ keys }) => keys))
}

/** What distinguishes one of several maps. */
function formOf({ type }: Keys): string {
  const description = type === undefined ? undefined : descriptionOf(type)
  return description?.kind === 'text' ? `of type \`${description.allowed}\`` : 'with options'
}

const STEP = 'step'

function tableOf(keys: Keys, withDefaults: boolean): string {
  const rows = Object.entries(keys).map(([key, value]) => {
    const description = descriptionOf(value)
    const { doc, example, default: byDefault } = description
    const shownExample = example === undefined || example === byDefault ? '' : ` Example: \`${example}\``
    const written = withDefaults ? [defaultOf(description)] : []
    const cells = [`\`${key}\``, ...written, allowedOf(description), doc + shownExample]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  const head = withDefaults
    ? ['| key | default | allowed | meaning |', '|---|---|---|---|']
    : ['| key | allowed | meaning |', '|---|---|---|']
  return [...head, ...rows].join('\n')
}

function defaultOf({ required, default: byDefault }: Description): string {
  if (required) return '**required**'
  if (byDefault === undefined) return 'none'
  return /[ `]/.test(byDefault) ? byDefault : `\`${byDefault}\``
}

function allowedOf(description: Description): string {
  switch (description.kind) {
    case 'text':
      return description.allowed
    case 'map':
      return 'map'
    case 'named':
      return `map of names; a name is ${description.names}`
    case 'list':
      return description.orOne ? `${allowedOf(descriptionOf(description.of))}; or a list` : 'list'
    case 'choice':
      return [...new Set(description.of.map((one) => allowedOf(descriptionOf(one))))].join('; or ')
    case 'anything':
      return 'any value'
  }
}

if (import.meta.main) {
  const path = new URL('../../../docs/configuration-file.md', import.meta.url)
  writeFileSync(path, renderPage(readFileSync(path, 'utf8')))
}
