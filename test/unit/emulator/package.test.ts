import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { InstalledPackage } from './installed-package.ts'

const PAGE = readFileSync(new URL('../../../docs/emulator.md', import.meta.url), 'utf8')
/** The page's TypeScript: the example, then lines that stand for themselves. */
const [EXAMPLE = '', ...SNIPPETS] = [...PAGE.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)

const STRICT = {
  compilerOptions: {
    ...{ target: 'es2024', lib: ['es2024', 'esnext.disposable'], module: 'nodenext', types: ['node'] },
    // The published types are checked, too.
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false },
    noEmit: true,
  },
  include: ['*.ts'],
}

const IMPORTS = `import assert from 'node:assert/strict'
import { startHecReceiver } from 'sls-siem-bridge/emulator/hec'
import { startSlsEmulator } from 'sls-siem-bridge/emulator/sls'
import { startSyslogReceiver } from 'sls-siem-bridge/emulator/syslog'
`

let installed: InstalledPackage

beforeAll(async () => {
  installed = await InstalledPackage.create()
  write('package.json', JSON.stringify({ type: 'module' }))
  write('tsconfig.json', JSON.stringify(STRICT))
  write('example.test.ts', EXAMPLE)
}, 60_000)
afterAll(() => installed.remove())

function write(name: string, text: string): void {
  writeFileSync(join(installed.project, name), text)
}

/** Without the servers of its own that a snippet starts, it uses those of the example. */
function functionOf(code: string, index: number): string {
  const snippet = code.replace(/^import .*\n+/gm, '')
  const given = ['sls', 'hec'].filter((name) => !snippet.includes(`const ${name} =`))
  const started = given.map(
    (name) => `const ${name} = await start${name === 'sls' ? 'SlsEmulator' : 'HecReceiver'}()\n`,
  )
  return `export async function snippet${index}() {\n${started.join('')}${snippet}  return [sls, hec]\n}\n`
}

describe('the installed package', () => {
  test('types the example of docs/emulator.md and its other lines, and leaves out what is internal', async () => {
    write('snippets.ts', IMPORTS + SNIPPETS.map(functionOf).join('\n'))
    write(
      'internals.ts',
      `${IMPORTS}
const [sls, hec] = [await startSlsEmulator(), await startHecReceiver()]
// @ts-expect-error
sls.listen()
// @ts-expect-error
void sls.logstore().append
// @ts-expect-error
sls.faults.take({})
// @ts-expect-error
hec.listen()
// @ts-expect-error
await startSyslogReceiver({ framing: 'relp' })
// @ts-expect-error
await startSlsEmulator({ project: 'p' })
`,
    )
    expect(await installed.run('tsc', ['-p', '.'])).toEqual({ code: 0, output: '' })
  }, 60_000)

  test('runs the example of docs/emulator.md', async () => {
    expect(EXAMPLE.split('\n').filter((line) => /^ {2}\S/.test(line)).length).toBeLessThanOrEqual(10)
    const { code, output } = await installed.run('node', ['--test', 'example.test.ts'])
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/pass 1$/m) })
  }, 60_000)

  test.each(['sls-siem-bridge', 'sls-siem-bridge/dist/emulator/sls/store.js', 'sls-siem-bridge/emulator/sls/store'])(
    'does not let %s be imported',
    async (name) => {
      const { code, output } = await installed.run('node', ['--eval', `await import('${name}')`])
      expect(code).not.toBe(0)
      expect(output).toMatch(/ERR_PACKAGE_PATH_NOT_EXPORTED/)
    },
  )
})
