import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Bridge } from '../../src/bridge.ts'
import { loadConfig } from '../../src/config/load.ts'
import { Secret } from '../../src/core/secret.ts'
import { NO_TELEMETRY } from '../../src/core/telemetry.ts'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import type { WrittenLogs } from '../../src/sls/official-client.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import type { Certificates } from './certificates.ts'
import type { LedgerEntry } from './ledger.ts'
import { ledgerOf } from './ledger.ts'

/** A logstore that bridges read again and again, each with a consumer group of its own, for one way to a collector after another. */
export class SyslogRun implements AsyncDisposable {
  readonly ledger: readonly LedgerEntry[]
  readonly #sls: SlsEmulator
  readonly #folder: string
  #groups = 0

  private constructor(sls: SlsEmulator, folder: string) {
    this.#sls = sls
    this.#folder = folder
    this.ledger = ledgerOf(sls)
  }

  /** `folder`: for dead letters. The caller must dispose of it. */
  static async start(logs: readonly WrittenLogs[], folder: string): Promise<SyslogRun> {
    const sls = await startSlsEmulator({ projects: { conformance: { audit: {} } }, shards: 2 })
    const client = new OfficialClient({
      ...{ endpoint: sls.url, project: 'conformance', logstore: 'audit', userAgent: 'conformance' },
      ...{ accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) },
    })
    for (const group of logs) await client.write(group)
    client.close()
    return new SyslogRun(sls, folder)
  }

  /** A bridge with these settings reads, delivers and commits everything there is, and ends. */
  async deliver(env: Record<string, string>): Promise<void> {
    const group = `group-${++this.#groups}`
    const settings = {
      ...{ ...this.#sls.environment(), SLS_CG: group, SLS_CONSUMER: group },
      ...{ SLS_HEARTBEAT_SECONDS: '1', SLS_FETCH_INTERVAL_SECONDS: '0.1' },
      ...{ DEAD_LETTER_DIR: join(this.#folder, group), SYSLOG_MAX_BYTES: '60000', ...env },
    }
    const loaded = loadConfig(settings)
    if (!('config' in loaded)) throw new Error(JSON.stringify(loaded.problems))
    const bridge = new Bridge(loaded.config, NO_TELEMETRY)
    const running = bridge.run()
    const caughtUp = await this.#sls
      .logstore()
      .caughtUp(group, { timeoutMs: 30_000 })
      .catch((error: Error) => error)
    if (!(await bridge.stop(10_000))) throw new Error('the bridge did not end in time')
    await running
    if (caughtUp instanceof Error) throw caughtUp
  }

  /** The bytes of each connection of such a bridge. */
  async bytes(env: Record<string, string>): Promise<Buffer[]> {
    const connections: Buffer[][] = []
    const server = createServer((socket) => {
      const chunks: Buffer[] = []
      connections.push(chunks)
      socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {})
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      await this.deliver({ ...env, SYSLOG_URL: `tcp://127.0.0.1:${port}` })
    } finally {
      server.close()
    }
    return connections.map((chunks) => Buffer.concat(chunks))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sls.close()
  }
}

/** Settings for TLS: our own certificate only where it is wanted. */
export function tlsSettings({ ca, client }: Certificates, isMutual: boolean): Record<string, string> {
  const own = { SYSLOG_TLS_CERT_FILE: client.cert, SYSLOG_TLS_KEY_FILE: client.key }
  return { SYSLOG_TLS_CA_FILE: ca, ...(isMutual && own) }
}
