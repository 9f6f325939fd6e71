import { execFile } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ALLOWED } from './allowed.ts'

/** Wrong whatever the table says. */
const NEVER: readonly (readonly [from: string, to: string])[] = [
  ['core', 'net'],
  ['core', 'node:http'],
  ['net', 'sls'],
  ['sls', 'pipeline'],
  ['sls', 'consumer'],
  ['consumer', 'pipeline'],
  ['consumer', 'sinks'],
  ['pipeline', 'sls/client.ts'],
  ['pipeline', 'sinks/splunk-hec'],
  ['pipeline/wasm', 'sinks'],
  ['pipeline/reference', 'pipeline/wasm'],
  ['sinks', 'sls'],
  ['sinks', 'sinks/splunk-hec'],
  ['sinks/splunk-hec', 'sinks/other'],
  ['sinks/splunk-hec', 'pipeline'],
  ['config', 'bridge.ts'],
  ['observability', 'consumer'],
  ['bridge.ts', 'emulator/sls'],
  ['emulator/sls', 'sls/transport.ts'],
  ['emulator/sls', 'emulator/hec'],
  ['emulator/hec', 'emulator/sls'],
]

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')
const OUTSIDE = ['test/unit', 'bench', 'engine']
const PACKAGES = ['node:http', 'undici', 'prom-client', '@alicloud/log']

const standsFor = (name: string): string[] =>
  name === 'cli/**' ? ['cli', 'cli/check'] : name === 'sinks/*' ? ['sinks/splunk-hec', 'sinks/other'] : [name]
const places = Object.keys(ALLOWED).flatMap(standsFor)

/** Every import that the table does not allow, as [importing, imported]. */
const WRONG = Object.entries(ALLOWED).flatMap(([name, imported]) => {
  const allowed = new Set(imported.flatMap(standsFor))
  const wrong = (from: string, to: string): boolean =>
    to !== from &&
    !allowed.has(to) &&
    !(name === 'cli/**' && to.startsWith('cli')) &&
    !(to === 'node:http' && allowed.has('node'))
  return standsFor(name).flatMap((from) =>
    [...places, ...OUTSIDE, ...PACKAGES].filter((to) => wrong(from, to)).map((to) => [from, to] as const),
  )
})

/** A copy of what the walls divide, in which wrong imports can be planted. */
class Copy implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'walls-'))

  constructor() {
    for (const name of ['src', 'engine', 'test/walls/allowed.ts', '.dependency-cruiser.mjs', 'package.json']) {
      cpSync(join(ROOT, name), join(this.#root, name), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.#root, 'node_modules'))
    this.write('src/replica.ts', '')
    for (const folder of ['src/sinks/other', 'test/unit', 'bench']) this.write(`${folder}/target.ts`, 'export {}\n')
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.#root, file)), { recursive: true })
    appendFileSync(join(this.#root, file), text)
  }

  /** Writes the import into `from`, a file of `src` or a new one in a folder; returns it as `violations` names it. */
  plant(statement: string, from: string, to: string): string {
    const file = from.endsWith('.ts') ? `src/${from}` : `src/${from}/planted-${to.replace(/\W/g, '-')}.ts`
    const target = PACKAGES.includes(to) ? to : this.#fileIn(to, ALLOWED[from] ?? [])
    const specifier = target === to && PACKAGES.includes(to) ? to : `./${relative(dirname(file), target)}`
    this.write(file, `${statement} * as planted from '${specifier.replace('./..', '..')}'\n`)
    return `${file} → ${target.replace('node:', '')}`
  }

  async violations(rule: string): Promise<string[]> {
    const command = [
      join(ROOT, 'node_modules/.bin/depcruise'),
      'src',
      'engine',
      '--preserve-symlinks',
      '--output-type',
      'json',
    ]
    const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: this.#root, maxBuffer: 1 << 28 })
    const { violations } = JSON.parse(stdout).summary
    return violations
      .filter((found: Violation) => found.rule.name === rule)
      .map(({ from, to }: Violation) => `${from} → ${to}`)
  }

  /** A file of the folder other than those of it that may be imported. */
  #fileIn(to: string, allowed: readonly string[]): string {
    if (to.endsWith('.ts')) return `src/${to}`
    const folder = OUTSIDE.includes(to) ? to : `src/${to}`
    const files = readdirSync(join(this.#root, folder)).filter((name) => /^(?!planted).*(?<!\.d)\.ts$/.test(name))
    const file = files.find((name) => !allowed.includes(`${to}/${name}`))
    return `${folder}/${file}`
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true })
  }
}

interface Violation {
  readonly from: string
  readonly to: string
  readonly rule: { readonly name: string }
}

test.for(['import', 'import type'])('every wrong %s is caught, and nothing else', async (statement) => {
  using copy = new Copy()
  const planted = [...NEVER, ...WRONG].map(([from, to]) => copy.plant(statement, from, to))
  const found = (await copy.violations('not-in-allowed')).map((line) =>
    line.replace(/node_modules\/((@\w+\/)?[\w-]+)\/.*/, '$1'),
  )
  expect(new Set(found)).toEqual(new Set(planted))
})

test('a folder that the table does not name may import nothing; exports from a file and late imports count', async () => {
  using copy = new Copy()
  copy.write('src/sinks/new/deep/a.ts', "import '../../sink.ts'\n")
  copy.write('src/new.ts', "import './core/errors.ts'\n")
  copy.write('src/core/b.ts', "export * from '../net/connections.ts'\n")
  copy.write('src/core/c.ts', "export const c = () => import('../net/connections.ts')\n")
  expect(new Set(await copy.violations('not-in-allowed'))).toEqual(
    new Set([
      'src/sinks/new/deep/a.ts → src/sinks/sink.ts',
      'src/new.ts → src/core/errors.ts',
      ...['b', 'c'].map((name) => `src/core/${name}.ts → src/net/connections.ts`),
    ]),
  )
})

test('a circle is caught even if it is one of types', async () => {
  using copy = new Copy()
  copy.write('src/core/a.ts', "import type { B } from './b.ts'\nexport interface A { readonly b?: B }\n")
  copy.write('src/core/b.ts', "import type { A } from './a.ts'\nexport interface B { readonly a?: A }\n")
  expect(await copy.violations('no-circle')).toEqual(['src/core/a.ts → src/core/b.ts'])
})
