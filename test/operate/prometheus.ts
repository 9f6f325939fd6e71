import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const CONFIGURED = fileURLToPath(new URL('../../deploy/prometheus/prometheus.yml', import.meta.url))
const RULES = fileURLToPath(new URL('../../deploy/prometheus/rules.yml', import.meta.url))

export interface Series {
  metric: Record<string, string>
  /** Unix seconds, and the value as text. */
  values: Array<[at: number, value: string]>
}

export interface Rule {
  name: string
  health: string
  lastError?: string
  state: 'inactive' | 'pending' | 'firing'
}

/** A real Prometheus with the repository's configuration, but with these addresses and a scrape every second. */
export class Prometheus {
  readonly #url: string
  readonly #startedAt = Date.now() / 1000

  private constructor(url: string) {
    this.#url = url
  }

  static async start(targets: readonly string[]): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
    const config = [
      [/(scrape|evaluation)_interval: 15s/g, '$1_interval: 1s'],
      [/rule_files: .*/, `rule_files: [${JSON.stringify(RULES)}]`],
      [/dns_sd_configs:\n.*/, `static_configs: [{ targets: ${JSON.stringify(targets)} }]`],
    ].reduce(
      (text, [pattern, by]) => {
        const changed = text.replace(pattern as RegExp, by as string)
        if (changed === text) throw new Error(`prometheus.yml has nothing like ${pattern}`)
        return changed
      },
      readFileSync(CONFIGURED, 'utf8'),
    )
    writeFileSync(join(folder, 'prometheus.yml'), config)
    const address = `127.0.0.1:${await freePort()}`
    const options = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ]
    const child = spawn('prometheus', options, { stdio: ['ignore', 'ignore', 'pipe'] })
    const ended = once(child, 'exit')
    let said = ''
    onTestFinished(async () => {
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true })
    })
    await new Promise<void>((resolve, reject) => {
      child.once('error', (error) => reject(new Error(`${error.message} (test/operate/install.sh installs it)`)))
      child.once('exit', () => reject(new Error(`prometheus ended\n${said}`)))
      child.stderr.on('data', (text) => {
        said += text
        if (said.includes('Server is ready')) resolve()
      })
    })
    return new Prometheus(`http://${address}`)
  }

  async #ask<T>(path: string, query: Record<string, string> = {}): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(query)}`)
    const { status, data, error } = (await response.json()) as { status: string; data: T; error?: string }
    if (status !== 'success') throw new Error(`${JSON.stringify(query)}: ${error}`)
    return data
  }

  /** Values from the start until now, one per second. Rejects an invalid expression. */
  async over(expression: string): Promise<Series[]> {
    const query = { query: expression, start: String(this.#startedAt), end: String(Date.now() / 1000), step: '1' }
    return (await this.#ask<{ result: Series[] }>('query_range', query)).result
  }

  async now(expression: string): Promise<Series[]> {
    const { result } = await this.#ask<{ result: Array<{ metric: Series['metric']; value: Series['values'][0] }> }>(
      'query',
      { query: expression },
    )
    return result.map(({ metric, value }) => ({ metric, values: [value] }))
  }

  async rules(): Promise<Rule[]> {
    const { groups } = await this.#ask<{ groups: Array<{ rules: Rule[] }> }>('rules')
    return groups.flatMap(({ rules }) => rules)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
