import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const PROGRAM = fileURLToPath(new URL('.tools/otel/otelcol', import.meta.url))
const READY = 'Everything is ready'

/** Settings by component name, as in a collector's configuration file. */
type Parts = Record<string, object>

export interface CollectorConfig {
  extensions?: Parts
  receivers: Parts
  /** In this order. */
  processors?: Parts
  exporters: Parts
}

/** An OpenTelemetry Collector process whose receivers feed its exporters. It ends with the test. */
export class Collector {
  readonly #configFile: string
  #child: ChildProcess | undefined
  #said = ''

  private constructor(configFile: string) {
    this.#configFile = configFile
  }

  /** Throws when `install.sh` has not built the program, or when it exits instead of starting. */
  static async start({ extensions = {}, receivers, processors = {}, exporters }: CollectorConfig): Promise<Collector> {
    if (!existsSync(PROGRAM)) {
      throw new Error(
        'the OpenTelemetry Collector is not built: run `npm run test:conformance` with go on PATH, or leave otel out of CONFORMANCE',
      )
    }
    const folder = temporaryFolder()
    const collector = new Collector(join(folder, 'config.yaml'))
    const [from, through, to] = [receivers, processors, exporters].map((parts) => Object.keys(parts))
    const pipeline = { receivers: from, processors: through, exporters: to }
    const service = {
      extensions: Object.keys(extensions),
      pipelines: { logs: pipeline },
      // Otherwise every collector uses port 8888.
      telemetry: { metrics: { level: 'none' } },
    }
    writeFileSync(collector.#configFile, JSON.stringify({ extensions, receivers, processors, exporters, service }))
    onTestFinished(async () => {
      await collector.#end('SIGKILL')
    })
    await collector.run()
    return collector
  }

  /** Starts it (again) with the same configuration. */
  async run(): Promise<void> {
    const child = spawn(PROGRAM, ['--config', `file:${this.#configFile}`], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    this.#said = ''
    const ready = new Promise<void>((resolve) => {
      child.stderr?.on('data', (text) => {
        this.#said += text
        if (this.#said.includes(READY)) resolve()
      })
    })
    await Promise.race([ready, once(child, 'close')])
    if (!this.#said.includes(READY)) throw new Error(`the collector ended instead of starting\n${this.#said}`)
  }

  /** Sends SIGTERM. Afterwards its file has everything it accepted. */
  async stop(): Promise<void> {
    const code = await this.#end('SIGTERM')
    if (code !== 0) throw new Error(`the collector ended with ${code}\n${this.#said}`)
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return 0
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
    return child.exitCode
  }
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'collector-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
