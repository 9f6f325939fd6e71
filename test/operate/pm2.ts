import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { cleanEnvironment } from '../support/bridge-process.ts'
import { installation, REPOSITORY } from './installation.ts'

const COMMAND = join(REPOSITORY, 'test/operate/.tools/pm2/node_modules/pm2/bin/pm2')

export interface Listed {
  pid: number
  name: string
  status: string
  restarts: number
  /** Exit code of its last run; absent before the first exit. */
  exitCode: number | undefined
}

/** pm2 with its own daemon and installation. It and its processes end with the test. */
export class Pm2 {
  /** The folder of the installation. */
  readonly root = installation()
  /** Of the first instance; those above belong to the others. Other replicas of this machine may have the default. */
  readonly port = 20_000 + 10 * Math.floor(Math.random() * 1_000)
  readonly #env: NodeJS.ProcessEnv

  constructor(env: Record<string, string>) {
    this.#env = { ...cleanEnvironment(), ADMIN_PORT: String(this.port), ...env, PM2_HOME: join(this.root, 'pm2') }
    onTestFinished(() => this.run('kill').then(() => undefined))
  }

  async run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, ...args], {
      cwd: this.root,
      env: this.#env,
    })
    return stdout
  }

  /** What pm2 has taken of the standard error of all instances. */
  errors(): string[] {
    const folder = join(this.root, 'pm2/logs')
    const logs = readdirSync(folder).filter((name) => name.includes('-error'))
    return logs.map((name) => readFileSync(join(folder, name), 'utf8'))
  }

  /** Process id of the daemon. */
  daemon(): number {
    return Number(readFileSync(join(this.root, 'pm2/pm2.pid'), 'utf8'))
  }

  /** How its processes exited so far, from pm2's log: its list says 0 for a process that it killed. */
  ends(): string[] {
    const log = readFileSync(join(this.root, 'pm2/pm2.log'), 'utf8')
    return [...log.matchAll(/exited with code (.*)$/gm)].map(([, end]) => end as string)
  }

  async list(): Promise<Listed[]> {
    const listed: ListedByPm2[] = JSON.parse((await this.run('jlist')).trim().split('\n').at(-1) as string)
    return listed.map(({ pid, name, pm2_env: { status, restart_time, exit_code } }) => {
      return { pid, name, status, restarts: restart_time, exitCode: exit_code }
    })
  }
}

interface ListedByPm2 {
  pid: number
  name: string
  pm2_env: { status: string; restart_time: number; exit_code?: number }
}
