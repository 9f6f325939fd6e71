import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import { startCommand } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'
import { GROUP, Siem } from '../support/two-siems.ts'

const PROJECT = 'audit'
const PAD = 'x'.repeat(300)

interface Written {
  readonly sink: string
  readonly n: number
}

/** Log Service with these logstores, SIEMs with these names, and routes that send a log to the SIEM that it names. */
async function manySiems(logstores: Record<string, number>, names: readonly string[], maxInFlightBytes: number) {
  const shards = Object.fromEntries(Object.entries(logstores).map(([name, shards]) => [name, { shards }]))
  const sls = await startSlsEmulator({ projects: { [PROJECT]: shards } })
  const folder = mkdtempSync(join(tmpdir(), 'full-sinks-'))
  onTestFinished(async () => {
    await sls.close()
    rmSync(folder, { recursive: true })
  })
  const siems = new Map<string, Siem>()
  for (const name of names) siems.set(name, await Siem.start())
  const path = join(folder, 'bridge.yaml')
  const sinks = [...siems].map(([name, { receiver }]) => {
    const { SPLUNK_HEC_URL: url, SPLUNK_HEC_TOKEN: token } = receiver.environment()
    return `  ${name}: {type: splunk_hec, url: ["${url}"], token: "${token}", max_bytes: 20000}`
  })
  const source = `{endpoint: ${sls.url}, project: ${PROJECT}, logstore: [${Object.keys(logstores)}], group: ${GROUP}, heartbeat_seconds: 1, fetch_interval_seconds: 0.1}`
  const routes = names.map((name) => `  - {name: ${name}, when: for = ${name}, to: ${name}}`)
  writeFileSync(
    path,
    ['version: 1', `sources: {all: ${source}}`, 'sinks:', ...sinks, 'routes:', ...routes, 'unmatched: drop'].join('\n'),
  )
  const all: Written[] = []
  let written = 0
  return {
    /** Writes log groups whose logs are for these SIEMs in turn, and returns them. */
    async write(logstore: string, groups: number, ...sinks: string[]): Promise<Written[]> {
      const { accessKeyId, accessKeySecret, url: endpoint } = sls
      const secret = new Secret(accessKeySecret)
      const client = new OfficialClient({
        ...{ endpoint, project: PROJECT, logstore, accessKeyId, accessKeySecret: secret, userAgent: 'test' },
      })
      const mine: Written[] = []
      for (let group = 0; group < groups; group++) {
        const logs = Array.from({ length: 20 }, () => {
          const sink = sinks[written % sinks.length] as string
          mine.push({ sink, n: ++written })
          return { timestamp: 1_790_000_000, content: { n: String(written), for: sink, pad: PAD } }
        })
        await client.write({ topic: 't', source: '10.0.0.1', logs })
      }
      client.close()
      all.push(...mine)
      return mine
    },
    siem: (name: string): Siem => siems.get(name) as Siem,
    start: () =>
      startCommand(['run', '--config', path], {
        ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret, ADMIN_PORT: '0', SLS_CONSUMER: 'a' },
        ...{ DEAD_LETTER_DIR: join(folder, 'dead-letter'), MAX_IN_FLIGHT_BYTES: String(maxInFlightBytes) },
      }),
    /** Whether these logs arrive soon, or all that were written. */
    arrived: (logs: readonly Written[] = all): Promise<boolean> =>
      polled(() => logs.every(({ sink, n }) => siems.get(sink)?.arrivals.has(n)), 40_000),
    async caughtUp(): Promise<void> {
      const read = Object.keys(logstores).map((name) => sls.logstore(PROJECT, name))
      await Promise.all(read.map((logstore) => logstore.caughtUp(GROUP, { timeoutMs: 60_000 })))
    },
  }
}

test('eight sinks of which three are down: all other shards go on, memory stays bounded, and nothing is lost or repeated', async () => {
  const down = ['down0', 'down1', 'down2']
  const up = ['up0', 'up1', 'up2', 'up3', 'up4']
  const limit = 400_000
  const logstores = { dead: 3, rare: 6, own: 1, plain: 2, pairs: 2 }
  const { write, siem, start, arrived, caughtUp } = await manySiems(logstores, [...down, ...up], limit)
  for (const name of down) siem(name).goDown()
  await write('dead', 60, ...down)
  const begun = [
    ...(await write('own', 2, 'up0')),
    ...(await write('plain', 20, 'up1')),
    ...(await write('pairs', 20, 'up2', 'up3')),
  ]
  const replica = start()
  expect(await arrived(begun)).toBe(true)
  // Each shard of `rare` meets an event for a sink that is down, behind others.
  await write('rare', 36, ...Array(19).fill('up0'), 'down0')
  for (let turn = 0; turn < 3; turn++) {
    const more = [
      ...(await write('own', 4, 'up0')),
      ...(await write('plain', 4, 'up1', 'up4')),
      ...(await write('pairs', 4, 'up2', 'up3')),
    ]
    await write('dead', 4, 'down1')
    expect(await arrived(more)).toBe(true)
    const inFlight = Number(/^sls_bridge_in_flight_bytes (\S+)$/m.exec(await replica.metrics())?.[1])
    expect(inFlight).toBeLessThanOrEqual(limit)
  }
  for (const name of down) siem(name).comeBack()
  await caughtUp()
  expect(await arrived()).toBe(true)
  expect([...down, ...up].map((name) => siem(name).duplicates)).toEqual(Array(8).fill(0))
  expect((await replica.kill('SIGTERM')).code).toBe(0)
}, 180_000)
