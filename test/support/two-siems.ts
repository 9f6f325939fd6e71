import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import type { IndexedEvent } from '../../src/emulator/hec/index.ts'
import type { HecReceiver } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import type { Logstore } from '../../src/emulator/sls/logstore.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'

export const GROUP = 'siem'

/** A SIEM that remembers when each event arrived. */
export class Siem {
  readonly receiver: HecReceiver
  /** By the number that the log carries. */
  readonly arrivals = new Map<number, { id: string; at: number[] }>()

  private constructor(receiver: HecReceiver, arrivals: Siem['arrivals']) {
    this.receiver = receiver
    this.arrivals = arrivals
  }

  static async start(): Promise<Siem> {
    const arrivals: Siem['arrivals'] = new Map()
    const onIndexed = (events: readonly IndexedEvent[]): void => {
      for (const { envelope } of events) {
        const number = Number((envelope.event as { n: string }).n)
        const known = arrivals.get(number) ?? { id: String(envelope.fields?.['sls_event_id']), at: [] }
        known.at.push(Date.now())
        arrivals.set(number, known)
      }
    }
    const receiver = await startHecReceiver({ keep: false, onIndexed })
    onTestFinished(() => receiver.close())
    return new Siem(receiver, arrivals)
  }

  get numbers(): number[] {
    return [...this.arrivals.keys()].sort((a, b) => a - b)
  }

  get duplicates(): number {
    return [...this.arrivals.values()].reduce((sum, { at }) => sum + at.length - 1, 0)
  }

  goDown(): void {
    this.receiver.faults.add({ id: 'down', match: { endpoint: 'event' }, times: 0, action: { status: 503, body: '' } })
  }

  comeBack(): void {
    this.receiver.faults.remove('down')
  }
}

export const sorted = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b)

/** Log Service with a logstore of trails and one of requests, and two SIEMs. */
export async function twoSiems() {
  const projects = { audit: { trail: { shards: 2 }, extra: { shards: 1 } }, web: { access: { shards: 2 } } }
  const sls = await startSlsEmulator({ projects })
  const folder = mkdtempSync(join(tmpdir(), 'routes-'))
  onTestFinished(async () => {
    await sls.close()
    rmSync(folder, { recursive: true })
  })
  const [main, security] = [await Siem.start(), await Siem.start()]
  let written = 0
  return {
    ...{ sls, main, security },
    ...{ trail: sls.logstore('audit', 'trail'), access: sls.logstore('web', 'access') },
    env: {
      ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, ADMIN_PORT: '0' },
      DEAD_LETTER_DIR: join(folder, 'dead-letter'),
    },
    /** Writes a configuration file with these routes, and returns the settings that name it. */
    configure(routes: string): Record<string, string> {
      const path = join(folder, 'bridge.yaml')
      const common = `endpoint: ${sls.url}, group: ${GROUP}, heartbeat_seconds: 1, fetch_interval_seconds: 0.1`
      const sink = (token: string, { receiver }: Siem): string =>
        `{type: splunk_hec, url: ["${receiver.environment().SPLUNK_HEC_URL}"], token: "\${${token}}", max_bytes: 20000}`
      const text = `version: 1
sources:
  trail: {${common}, project: audit, logstore: trail}
  web: {${common}, project: web, logstore: access}
sinks:
  main: ${sink('MAIN', main)}
  security: ${sink('SECURITY', security)}
routes:
${routes}`
      writeFileSync(path, text)
      const [MAIN, SECURITY] = [main, security].map(({ receiver }) => receiver.environment().SPLUNK_HEC_TOKEN)
      return { BRIDGE_CONFIG: path, MAIN: String(MAIN), SECURITY: String(SECURITY) }
    },
    /** Writes logs that carry numbers of their own and what `contents` gives them. */
    async write(
      { project, name: logstore }: Pick<Logstore, 'project' | 'name'>,
      groups: number,
      contents: (n: number) => Record<string, string> = () => ({}),
    ): Promise<number[]> {
      const { accessKeyId, accessKeySecret, url: endpoint } = sls
      const secret = new Secret(accessKeySecret)
      const client = new OfficialClient({
        ...{ endpoint, project, logstore, accessKeyId, accessKeySecret: secret, userAgent: 'test' },
      })
      const numbers: number[] = []
      for (let group = 0; group < groups; group++) {
        const logs = Array.from({ length: 20 }, () => {
          numbers.push(++written)
          return { timestamp: 1_790_000_000, content: { n: String(written), ...contents(written) } }
        })
        await client.write({ topic: 't', source: '10.0.0.1', logs })
      }
      client.close()
      return numbers
    },
  }
}

export const caughtUp = async (...logstores: Logstore[]): Promise<void> => {
  for (const logstore of logstores) await logstore.caughtUp(GROUP, { timeoutMs: 60_000 })
}
