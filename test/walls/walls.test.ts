import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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
const PACKAGES = ['node:http', 'undici', 'prom-client', '@alicloud/log']
const PLACES = Object.keys(ALLOWED).flatMap(standsFor)
const TARGETS = [...PLACES, '../test', '../bench', '../engine', ...PACKAGES]

function standsFor(name: string): string[] {
  if (name === 'cli/**') return ['cli', 'cli/check']
  if (name === 'sinks/*') return ['sinks/splunk-hec', 'sinks/other']
  return [name]
}

/** For each place what it may import, and what it must not. */
const IMPORTS = Object.entries(ALLOWED).flatMap(([name, imported]) => {
  const may = new Set(imported.flatMap(standsFor))
  if (may.has('node')) may.add('node:http')
  return standsFor(name).map((from) => {
    const own = name === 'cli/**' ? standsFor(name) : [from]
    const right = TARGETS.filter((to) => may.has(to) || own.includes(to))
    const never = NEVER.filter(([importing]) => importing === from).map(([, to]) => to)
    return { from, right, wrong: new Set([...TARGETS.filter((to) => !right.includes(to)), ...never]) }
  })
})

/** A project behind the same walls: one file in each place, and files with planted imports. */
class Project implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'walls-'))

  constructor() {
    for (const name of ['test/walls/allowed.ts', '.dependency-cruiser.mjs', 'package.json']) {
      cpSync(join(ROOT, name), join(this.#root, name))
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.#root, 'node_modules'))
    for (const target of [...TARGETS, ...NEVER.map(([, to]) => to)]) {
      if (!PACKAGES.includes(target)) this.write(fileIn(target), 'export {}')
    }
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.#root, file)), { recursive: true })
    writeFileSync(join(this.#root, file), `${text}\n`)
  }

  async violations(rule: string): Promise<Set<string>> {
    const depcruise = join(ROOT, 'node_modules/.bin/depcruise')
    const options = ['src', 'engine', '--preserve-symlinks', '--output-type', 'json']
    const { stdout } = await promisify(execFile)(process.execPath, [depcruise, ...options], { cwd: this.#root })
    const violations: Violation[] = JSON.parse(stdout).summary.violations
    const found = violations.filter((violation) => violation.rule.name === rule)
    return new Set(found.map(({ from, to }) => `${from} → ${to.replace(/^node_modules\/((@\w+\/)?[\w-]+)\/.*/, '$1')}`))
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

function fileIn(place: string): string {
  return join('src', place.endsWith('.ts') ? place : join(place, 'file.ts'))
}

test.for(['import', 'import type'])(
  'every wrong %s is caught, and no right one',
  { timeout: 60_000 },
  async (statement) => {
    using project = new Project()
    const expected = new Set<string>()
    for (const { from, right, wrong } of IMPORTS) {
      const file = from.endsWith('.ts') ? fileIn(from) : join('src', from, 'importing.ts')
      const lines = [...right, ...wrong].map((to, i) => {
        const target = PACKAGES.includes(to) ? to : `./${relative(dirname(file), fileIn(to))}`
        return `${statement} * as planted${i} from '${target}'`
      })
      project.write(file, lines.join('\n'))
      for (const to of wrong) expected.add(`${file} → ${PACKAGES.includes(to) ? to.replace('node:', '') : fileIn(to)}`)
    }
    expect(await project.violations('not-in-allowed')).toEqual(expected)
  },
)

test('a place that the table does not name may import nothing; exports and late imports count', async () => {
  using project = new Project()
  project.write('src/sinks/new/deep/a.ts', "import '../../file.ts'")
  project.write('engine/a.ts', "import '../src/core/file.ts'")
  project.write('src/new.ts', "import './core/file.ts'")
  project.write('src/core/a.ts', "export * from '../net/file.ts'")
  project.write('src/core/b.ts', "export const late = () => import('../net/file.ts')")
  expect(await project.violations('not-in-allowed')).toEqual(
    new Set([
      'src/sinks/new/deep/a.ts → src/sinks/file.ts',
      'engine/a.ts → src/core/file.ts',
      'src/new.ts → src/core/file.ts',
      'src/core/a.ts → src/net/file.ts',
      'src/core/b.ts → src/net/file.ts',
    ]),
  )
})

test('a circle is caught even if it is one of types', async () => {
  using project = new Project()
  project.write('src/core/a.ts', "import type { B } from './b.ts'\nexport interface A { readonly b?: B }")
  project.write('src/core/b.ts', "import type { A } from './a.ts'\nexport interface B { readonly a?: A }")
  expect(await project.violations('no-circle')).toEqual(new Set(['src/core/a.ts → src/core/b.ts']))
})
