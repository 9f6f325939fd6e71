import { readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { ALLOWED } from '../walls/allowed.ts'

const ROOT = dirname(fileURLToPath(new URL('..', import.meta.url)))
const DESIGN = readFileSync(`${ROOT}/DESIGN.md`, 'utf8')
const FOLDERS = ['src', 'test', 'bench', 'engine', 'docs', 'bin', 'deploy']

/** Paths of all files, as `/src/main.ts`, and of all folders, as `/src/`. */
const PATHS = new Set(
  readdirSync(ROOT, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isFile()) return [`/${entry.name}`]
    if (!FOLDERS.includes(entry.name)) return []
    const below = readdirSync(`${ROOT}/${entry.name}`, { withFileTypes: true, recursive: true })
    const within = below.filter((it) => !/\.(mutants|tools)/.test(it.parentPath))
    return [
      `/${entry.name}/`,
      ...within.map((it) => `${it.parentPath.slice(ROOT.length)}/${it.name}${it.isDirectory() ? '/' : ''}`),
    ]
  }),
)

/** The paths that a name may stand for: it is their end. */
function named(name: string): string[] {
  return [...PATHS].filter((path) => path.endsWith(`/${name}`))
}

function section(title: string): string {
  const text = DESIGN.split(/^## /m).find((part) => part.startsWith(`${title}\n`))
  if (text === undefined) throw new Error(`DESIGN.md has no section ${title}`)
  return text
}

const WALLS = section('Walls')
const table = WALLS.match(/^\| `.*$/gm) ?? []
const prose = DESIGN.replace(/^```.*?^```$/gms, '').replace(table.join('\n'), '')
const quotes = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, quote]) => quote as string)
const isPath = (quote: string): boolean => /^\.?[\w-][\w./-]*(\/|\.(ts|mjs|md|json|sh))$/.test(quote)

describe('DESIGN.md', () => {
  test.for([...new Set(quotes.filter(isPath))])('names %s, which is one file or folder', (name) => {
    expect(named(name)).toHaveLength(1)
  })

  test('links to pages that exist', () => {
    const links = [...DESIGN.matchAll(/\]\(([\w./-]+)/g)].map(([, link]) => `/${link}`)
    expect(links.filter((link) => !PATHS.has(link))).toEqual([])
  })

  test('says where everything in src is', () => {
    const places = readdirSync(`${ROOT}/src`, { withFileTypes: true })
    const map = section('Where things are')
    for (const place of places) expect(map).toContain(`| \`src/${place.name}${place.isDirectory() ? '/' : ''}\` |`)
  })

  test('names only scripts, variables, types and functions that are there', () => {
    const files = [...PATHS].filter(
      (path) => /^\/(src|engine|bin|deploy|test|package\.json)/.test(path) && /\.(ts|cjs|json)$/.test(path),
    )
    const words = new Set(files.flatMap((path) => readFileSync(ROOT + path, 'utf8').match(/\w+/g) ?? []))
    const unknown = quotes
      .filter((quote) => !isPath(quote))
      .filter((quote) =>
        quote.startsWith('npm run ')
          ? !(quote.slice('npm run '.length) in packageJson.scripts)
          : (quote.match(/\w+/g) ?? []).some((word) => !words.has(word)),
      )
    expect(unknown).toEqual([])
  })

  const invariants = section('Non-obvious').match(/^- .*(\n {2}.*)*/gm) ?? []
  test.for(invariants)('names the test that holds: %s', (invariant) => {
    const tests = [...invariant.matchAll(/`([\w./-]+\.test\.ts)`(?:\s+\(([^)]+)\))?/g)]
    expect(tests).not.toEqual([])
    for (const [, file, title] of tests) {
      const text = readFileSync(ROOT + named(file as string)[0], 'utf8')
      if (title !== undefined) expect(text).toContain(title.replace(/\s+/g, ' '))
    }
  })

  test('shows the walls as they stand, each around a place that exists', () => {
    const shown = table.map((row) =>
      row.split('|').map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name)),
    )
    expect(
      Object.fromEntries(
        shown.map(([, place, ours, packages]) => [place?.[0], [...(ours ?? []), ...(packages ?? [])]]),
      ),
    ).toEqual(ALLOWED)
    for (const place of Object.keys(ALLOWED)) {
      const path = place.replace(/\*+$/, '')
      expect(named(`src/${path}${path.endsWith('.ts') || path.endsWith('/') ? '' : '/'}`), place).toHaveLength(1)
    }
  })
})
