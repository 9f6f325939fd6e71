import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import type { LogGroupLine } from './log-groups.ts'

export type Language = 'python' | 'go' | 'java'

/** The program's only argument, as JSON. */
export interface ClientOptions {
  command: 'write' | 'consume'
  /** The newest Java release has no setting for this: its worker always reads LZ4 and signs V1. */
  compression: 'lz4' | 'zstd' | 'deflate' | 'none'
  signature: 'v1' | 'v4'
  /** For a consumer: its group, its name, and its heartbeat interval. */
  group?: string
  consumer?: string
  heartbeatSeconds?: number
  timeoutSeconds?: number
  /** Reads the children of a split only after their parents. */
  inOrder?: boolean
  /** Used instead of the emulator's own. */
  accessKeySecret?: string
}

export interface Route {
  sls: SlsEmulator
  /** A forward proxy to the emulator, or the emulator itself. */
  proxyPort: number
  /** A SOCKS proxy to the emulator, for Java's worker: its release has no proxy setting. */
  socksPort: number
}

const PARTS = ['python', 'go', 'java', 'node', 'otel', 'syslog', 'go-syslog', 'vrl'] as const
type Part = (typeof PARTS)[number]
const CHOSEN = process.env['CONFORMANCE']?.split(',') ?? [...PARTS]
for (const part of CHOSEN) {
  // Otherwise a typing error would look like a success.
  if (!PARTS.some((known) => known === part))
    throw new Error(`CONFORMANCE names "${part}"; it takes some of ${PARTS.join(',')}`)
}

/** Whether CONFORMANCE names this part. The default is all. */
export function chosen(part: Part): boolean {
  return CHOSEN.includes(part)
}

const HERE = fileURLToPath(new URL('.', import.meta.url))
const TOOLS = `${HERE}.tools/`

/** This name has no address, so every request to the emulator came through a proxy. */
const DOMAIN = 'cn-local.log.test'
const HOSTS_FILE = `${HERE}java/hosts`

const PROGRAMS: Record<Language, { needs: string; command: (java: string[]) => [string, ...string[]] }> = {
  python: {
    needs: `${TOOLS}python/bin/python`,
    command: () => [`${TOOLS}python/bin/python`, `${HERE}python/conformance.py`],
  },
  go: { needs: `${TOOLS}conformance-go`, command: () => [`${TOOLS}conformance-go`] },
  java: {
    needs: `${TOOLS}java/Conformance.class`,
    command: (properties) => ['java', ...properties, '-cp', `${TOOLS}java:${TOOLS}java/*`, 'Conformance'],
  },
}

/** JVM properties that send plain sockets through a SOCKS proxy and map the project's name to an unused address. */
function socksProperties(port: number): string[] {
  return [
    `-Djdk.net.hosts.file=${HOSTS_FILE}`,
    '-DsocksProxyHost=127.0.0.1',
    `-DsocksProxyPort=${port}`,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  ]
}

/** A program around an official client. It prints a line of JSON per log group it consumed. */
export class ClientProcess {
  readonly child: ChildProcess
  readonly groups: LogGroupLine[] = []
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  onGroup: (group: LogGroupLine) => void = () => {}
  stderr = ''

  constructor(child: ChildProcess) {
    this.child = child
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }))
    child.stderr?.on('data', (text) => {
      this.stderr += text
    })
    if (!child.stdout) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      // Other output of an SDK goes to its error text.
      if (!line.startsWith('{')) this.stderr += `${line}\n`
      else this.#consumed(JSON.parse(line))
    })
  }

  #consumed(group: LogGroupLine): void {
    this.groups.push(group)
    this.onGroup(group)
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  kill(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.child.kill(signal)
    return this.exited
  }
}

/** The caller must end the program. Throws when `install.sh` has not built it. */
export function startClient(language: Language, route: Route, options: ClientOptions): ClientProcess {
  const { needs, command } = PROGRAMS[language]
  if (!existsSync(needs)) {
    throw new Error(
      `the ${language} client is not installed: run \`npm run test:conformance\` with its toolchain on PATH, or leave ${language} out of CONFORMANCE`,
    )
  }
  const { sls, proxyPort, socksPort } = route
  const proxy = `http://127.0.0.1:${proxyPort}`
  const given = {
    // Java accepts no scheme; Python and Go default to http.
    ...{ endpoint: language === 'java' ? DOMAIN : `http://${DOMAIN}`, region: 'cn-local' },
    ...{ project: sls.logstore().project, logstore: sls.logstore().name },
    ...{ accessKeyId: sls.accessKeyId, accessKeySecret: sls.accessKeySecret },
    ...{ proxyHost: '127.0.0.1', proxyPort },
    ...options,
  }
  const [program, ...rest] = command(options.command === 'consume' ? socksProperties(socksPort) : [])
  const child = spawn(program, [...rest, JSON.stringify(given)], {
    env: { ...process.env, http_proxy: proxy, HTTP_PROXY: proxy, no_proxy: '', NO_PROXY: '' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  return new ClientProcess(child)
}
