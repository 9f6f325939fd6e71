import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { Happenings } from './happenings.ts'

export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface LogLine {
  level: string
  msg: string
  [field: string]: unknown
}

const LONGEST_WAIT_MS = 60_000

/** A real `sls-siem-bridge` process whose JSON log is read as it comes. */
export class BridgeProcess {
  readonly child: ChildProcess
  readonly lines: LogLine[] = []
  stderr = ''
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly #output = new Happenings(() => this.transcript())
  readonly #onOutput: () => void
  #gone = false

  /** `onOutput` is called after each log line, each piece of standard error, and the exit. */
  constructor(child: ChildProcess, onOutput: () => void = () => {}) {
    this.#onOutput = onOutput
    this.child = child
    this.exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
    void this.exited.then(() => {
      this.#gone = true
      this.#notify()
    })
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.#read(line))
    child.stderr?.on('data', (text) => {
      this.stderr += text
      this.#notify()
    })
  }

  #read(line: string): void {
    try {
      this.lines.push(JSON.parse(line))
    } catch {
      this.lines.push({ level: 'raw', msg: line })
    }
    this.#notify()
  }

  #notify(): void {
    this.#output.notify()
    this.#onOutput()
  }

  /** The first log line whose message matches, once it is there. */
  line(pattern: RegExp): Promise<LogLine> {
    return this.#output.until(() => {
      const found = this.lines.find((line) => pattern.test(line.msg))
      if (!found && this.#gone) throw new Error(`ended before logging ${pattern}\n${this.transcript()}`)
      return found
    }, LONGEST_WAIT_MS)
  }

  /** Waits until standard error has a text. */
  said(text: string): Promise<boolean> {
    return this.#output.until(() => this.stderr.includes(text), LONGEST_WAIT_MS)
  }

  async adminUrl(): Promise<string> {
    const { msg } = await this.line(/metrics and health at/)
    return /http:\/\/\S+/.exec(msg)?.[0] as string
  }

  async metrics(): Promise<string> {
    return (await fetch(`${await this.adminUrl()}/metrics`)).text()
  }

  async ready(): Promise<{ status: number; text: string }> {
    const response = await fetch(`${await this.adminUrl()}/readyz`)
    return { status: response.status, text: await response.text() }
  }

  kill(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.child.kill(signal)
    return this.exited
  }

  transcript(): string {
    return `${this.lines.map((line) => JSON.stringify(line)).join('\n')}\n${this.stderr}`
  }
}

/** Environment of this process without any setting of ours, so that a developer's own never leak into a test. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours =
    /^(SLS_|ALIBABA_CLOUD_|SPLUNK_(HEC|SEARCH)_|FILTER_|EVENT_|SYSLOG_|BRIDGE_|DEAD_LETTER|MAX_IN_FLIGHT|ADMIN_|SHUTDOWN_|LOG_)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

/** Starts a command; killed when the test ends. Runs in a fresh folder, so that no `.env` is picked up. */
export function startCommand(
  args: string[],
  env: Record<string, string>,
  {
    prepare = () => {},
    onOutput = () => {},
    descriptors,
    main = MAIN,
  }: {
    prepare?: (folder: string) => void
    onOutput?: () => void
    /** How many files and connections it may have open. */
    descriptors?: number
    /** Entry point of another checkout. */
    main?: string
  } = {},
): BridgeProcess {
  const cwd = mkdtempSync(join(tmpdir(), 'bridge-'))
  prepare(cwd)
  const command = [process.execPath, main, ...args]
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors};`
  const child = spawn('sh', ['-c', `${limit} exec "$@"`, 'sh', ...command], {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const bridge = new BridgeProcess(child, onOutput)
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGCONT')
      await bridge.kill('SIGKILL')
    }
    rmSync(cwd, { recursive: true, force: true })
  })
  return bridge
}
