import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const KEPT_OUTPUT = 20_000

/** A real `sls-siem-bridge run` process, of this same program. */
export class Replica {
  readonly name: string
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>
  #output = ''

  /** `folder` is the demo's own: in a shared one another user could put an `.env`. */
  constructor(name: string, folder: string, env: Record<string, string>) {
    this.name = name
    // Without an .env and without the caller's settings, so that the demo does the same everywhere.
    const path = process.env['PATH'] ?? ''
    this.#child = spawn(process.execPath, [process.argv[1] as string, 'run'], {
      // The channel closes when the demo dies, however it dies, and the replica then dies with it.
      env: { PATH: path, SLS_SIEM_BRIDGE_LAUNCHED: '1', ...env },
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#exited = once(this.#child, 'exit').then(([code]) => code)
    const keep = (text: Buffer): void => {
      this.#output = (this.#output + text).slice(-KEPT_OUTPUT)
    }
    this.#child.stdout?.on('data', keep)
    this.#child.stderr?.on('data', keep)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The last lines that it wrote, to show when it failed. */
  get output(): string {
    return this.#output
  }

  /** Resolves with the exit code, `null` when a signal ended it. */
  kill(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal)
    return this.#exited
  }
}
