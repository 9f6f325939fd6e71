import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BIN = join(ROOT, 'node_modules', '.bin')

export interface Ran {
  code: number
  output: string
}

/**
 * A foreign project in which this package is installed as npm would do it: packed from a fresh build, then unpacked.
 */
export class InstalledPackage {
  readonly project: string
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
    this.project = join(folder, 'project')
  }

  static async create(): Promise<InstalledPackage> {
    const folder = mkdtempSync(join(tmpdir(), 'installed-'))
    const made = new InstalledPackage(folder)
    const packed = join(folder, 'package')
    const modules = join(made.project, 'node_modules')
    const installed = join(modules, 'sls-siem-bridge')
    mkdirSync(join(modules, '.bin'), { recursive: true })
    for (const name of ['package.json', 'bin', 'docs'])
      cpSync(join(ROOT, name), join(packed, name), { recursive: true })
    await made.#mustRun('tsc', ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(packed, 'dist')], ROOT)
    await made.#mustRun('npm', ['pack', '--ignore-scripts', '--offline'], packed)
    mkdirSync(installed)
    const unpack = 'tar -xzf ../package/*.tgz -C node_modules/sls-siem-bridge --strip-components=1'
    await made.#mustRun('sh', ['-c', unpack], made.project)
    // Its dependencies and the types of Node come from this checkout: nothing is downloaded.
    symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'))
    symlinkSync(join(ROOT, 'node_modules', '@types'), join(modules, '@types'))
    symlinkSync(join(installed, 'bin', 'sls-siem-bridge.cjs'), join(modules, '.bin', 'sls-siem-bridge'))
    return made
  }

  /** Runs a command in the project. */
  run(command: string, args: string[], cwd = this.project): Promise<Ran> {
    const env = { ...process.env, PATH: [BIN, process.env['PATH']].join(delimiter), NODE_OPTIONS: '' }
    return promisify(execFile)(command, args, { cwd, env }).then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
    )
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #mustRun(command: string, args: string[], cwd: string): Promise<void> {
    const { code, output } = await this.run(command, args, cwd)
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${output}`)
  }
}
