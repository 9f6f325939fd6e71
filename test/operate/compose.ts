import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cleanEnvironment } from '../support/bridge-process.ts'
import { REPOSITORY } from './installation.ts'

const COMMAND = join(REPOSITORY, 'test/operate/compose.sh')

export interface Ended {
  exitCode: number
  stdout: string
  stderr: string
}

export interface ShardLag {
  shard: number
  owner: string
  lagSeconds: number
  state: string
}

export interface Reconciled {
  missing: number
  duplicated: number
  pending: number
  deadLettered: number
  wanted: number
}

/** Runs docker-compose.yml as a separate project, with Prometheus on any free port. */
export class Compose {
  readonly #folder = mkdtempSync(join(tmpdir(), 'compose-'))
  readonly #env: NodeJS.ProcessEnv

  constructor() {
    const ports = join(this.#folder, 'ports.yml')
    writeFileSync(ports, 'services: { prometheus: { ports: !override ["127.0.0.1::9090"] } }\n')
    this.#env = {
      ...cleanEnvironment(),
      COMPOSE_PROJECT_NAME: 'sls-siem-bridge-operate',
      COMPOSE_FILE: `docker-compose.yml:${ports}`,
    }
  }

  async run(...args: string[]): Promise<Ended> {
    const options = { cwd: REPOSITORY, env: this.#env, maxBuffer: 64 * 2 ** 20 }
    try {
      return { exitCode: 0, ...(await promisify(execFile)('bash', [COMMAND, ...args], options)) }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { exitCode: code, stdout, stderr }
    }
  }

  /** Stdout of a command that must succeed. */
  async done(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(...args)
    if (exitCode === 0) return stdout
    throw new Error(`compose ${args.join(' ')}: ${exitCode}\n${stdout}${stderr}(test/operate/install.sh prepares it)`)
  }

  /** Removes containers, network and volumes. */
  async down(): Promise<void> {
    await this.done('down', '--volumes', '--timeout', '10')
  }

  async end(): Promise<void> {
    await this.down()
    rmSync(this.#folder, { recursive: true })
  }

  /** Runs a command in a replica's container. */
  inBridge(...command: string[]): Promise<Ended> {
    return this.run('exec', '-T', 'bridge', ...command)
  }

  /** Exit codes of all stopped replicas. */
  async ends(): Promise<number[]> {
    const listed = await this.done('ps', '--all', '--format', 'json', 'bridge')
    const replicas: Array<{ State: string; ExitCode: number }> = lines(listed)
    return replicas.filter(({ State }) => State === 'exited').map(({ ExitCode }) => ExitCode)
  }

  async lag(): Promise<ShardLag[]> {
    return lines(await this.done('exec', '-T', 'bridge', 'node', 'dist/main.js', 'lag', '--json'))
  }

  /** Reconciles the logs received between two times, in unix seconds. */
  async reconcile(from: number, to: number): Promise<{ exitCode: number; total: Reconciled }> {
    const period = ['--from', String(from), '--to', String(to)]
    const { exitCode, stdout, stderr } = await this.inBridge('node', 'dist/main.js', 'reconcile', ...period, '--json')
    if (stdout === '') throw new Error(`reconcile: ${exitCode}\n${stderr}`)
    return { exitCode, total: JSON.parse(stdout).total }
  }

  /** Address of the published port of a service. */
  async published(service: string, port: number): Promise<string> {
    return (await this.done('port', service, String(port))).trim()
  }
}

function lines<T>(text: string): T[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)
}
