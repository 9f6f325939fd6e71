import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import type { Logstore } from '../../src/emulator/sls/logstore.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { cleanEnvironment, MAIN, startCommand } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'

/** Two logstores of two projects, and a folder for the configuration file and what it names. */
async function twoLogstores() {
  const sls = await startSlsEmulator({ projects: { audit: { trail: { shards: 2 } }, web: { access: { shards: 1 } } } })
  const folder = mkdtempSync(join(tmpdir(), 'several-ends-'))
  onTestFinished(async () => {
    await sls.close()
    rmSync(folder, { recursive: true })
  })
  const [trail, access] = [sls.logstore('audit', 'trail'), sls.logstore('web', 'access')]
  let written = 0
  return {
    ...{ sls, folder, trail, access },
    env: {
      ...{ SLS_AK_ID: sls.accessKeyId, SLS_AK_KEY: sls.accessKeySecret },
      ...{ ADMIN_PORT: '0', DEAD_LETTER_DIR: join(folder, 'dead-letter'), BRIDGE_CONFIG: join(folder, 'bridge.yaml') },
    },
    /** Writes the configuration file with these sinks and routes. */
    configure(rest: string): void {
      const common = `endpoint: ${sls.url}, group: siem, heartbeat_seconds: 1, fetch_interval_seconds: 0.1`
      const sources = `sources:
  trail: {${common}, project: audit, logstore: trail}
  web: {${common}, project: web, logstore: access}
`
      writeFileSync(join(folder, 'bridge.yaml'), `version: 1\n${sources}${rest}`)
    },
    /** Writes logs with numbers of their own, and returns the numbers. */
    async write({ project, name: logstore }: Logstore, groups: number): Promise<number[]> {
      const { accessKeyId, accessKeySecret, url: endpoint } = sls
      const secret = new Secret(accessKeySecret)
      const client = new OfficialClient({
        ...{ endpoint, project, logstore, accessKeyId, accessKeySecret: secret, userAgent: 'test' },
      })
      const numbers: number[] = []
      for (let group = 0; group < groups; group++) {
        const logs = Array.from({ length: 10 }, () => {
          numbers.push(++written)
          return { timestamp: 1_790_000_000, content: { n: String(written), pad: 'x'.repeat(200) } }
        })
        await client.write({ topic: 't', source: '10.0.0.1', logs })
      }
      client.close()
      return numbers
    },
    async caughtUp(): Promise<void> {
      for (const logstore of [trail, access]) await logstore.caughtUp('siem', { timeoutMs: 20_000 })
    },
  }
}

interface Envelope {
  readonly source: string
  readonly event: { readonly n: string }
  readonly fields: { readonly sls_event_id: string }
}

/** Every line of a file sink, the oldest file first; a line that is not whole fails the test. */
function linesOf(path: string): Envelope[] {
  const folder = join(path, '..')
  const files = readdirSync(folder).filter((name) => name.startsWith(basename(path)))
  const texts = files.map((name) => readFileSync(join(folder, name), 'utf8'))
  for (const text of texts) expect(text === '' || text.endsWith('\n')).toBe(true)
  return texts.flatMap((text) => text.split('\n').filter(Boolean)).map((line) => JSON.parse(line) as Envelope)
}

const numbersIn = (lines: readonly Envelope[]): number[] =>
  lines.map(({ event }) => Number(event.n)).sort((a, b) => a - b)

describe('an archive of two logstores', () => {
  test('has every log although the bridge is killed while it writes, and no broken line', async () => {
    const { configure, env, folder, write, caughtUp, trail, access } = await twoLogstores()
    const path = join(folder, 'archive', 'out.jsonl')
    configure(`sinks: {archive: {type: file, path: archive/out.jsonl, max_bytes: 100000, keep: 1000}}
routes: [{name: all, to: archive}]
`)
    const wanted = [...(await write(trail, 60)), ...(await write(access, 30))]
    const first = startCommand(['run'], { ...env, SLS_CONSUMER: 'a' })
    // The folder is missing: the sink waits for it.
    await first.line(/paused \(file_not_written, sink archive\).*ENOENT/)
    expect((await first.ready()).text).toMatch(/paused: file_not_written, sink archive/)
    mkdirSync(join(folder, 'archive'))
    for (let kills = 0; kills < 2; kills++) {
      const replica = kills === 0 ? first : startCommand(['run'], { ...env, SLS_CONSUMER: 'a' })
      // In the middle of a rotation there is no file.
      const size = () => statSync(path, { throwIfNoEntry: false })?.size ?? 0
      const before = size()
      expect(await polled(() => size() > 0 && size() !== before)).toBe(true)
      await replica.kill('SIGKILL')
      writeFileSync(path, '{"time":1790000000.0', { flag: 'a' })
    }
    wanted.push(...(await write(trail, 5)))
    const last = startCommand(['run'], { ...env, SLS_CONSUMER: 'a' })
    await caughtUp()
    expect((await last.kill('SIGTERM')).code).toBe(0)
    const lines = linesOf(path)
    expect([...new Set(numbersIn(lines))]).toEqual(wanted.sort((a, b) => a - b))
    const ofWeb = lines.filter(({ source }) => source === 'sls://web/access')
    expect(ofWeb[0]?.fields.sls_event_id).toMatch(/^web\/access:0:\d+:\d+$/)
    expect(readdirSync(join(folder, 'archive')).length).toBeGreaterThan(1)
  })

  test('waits for a path that another replica writes, and says so', async () => {
    const { configure, env, write, access, folder, caughtUp } = await twoLogstores()
    configure('sinks: {archive: {type: file, path: out.jsonl}}\nroutes: [{name: all, to: archive}]\n')
    const first = startCommand(['run'], { ...env, SLS_CONSUMER: 'a' })
    await write(access, 1)
    await caughtUp()
    const second = startCommand(['run'], { ...env, SLS_CONSUMER: 'b' })
    await second.line(/paused \(file_not_written, sink archive\).*is being written by process \d+/)
    expect((await second.ready()).text).toContain('a path of its own')
    await first.kill('SIGTERM')
    await second.line(/resumed \(file_not_written, sink archive\)/)
    await write(access, 1)
    await caughtUp()
    expect(numbersIn(linesOf(join(folder, 'out.jsonl')).filter(({ event }) => event))).toHaveLength(20)
  })
})

describe('the standard output as a sink', () => {
  /** A replica whose standard output goes through a shell. */
  function piped(env: Record<string, string>, shell: string) {
    const args = ['-c', `"$@" | ${shell}`, 'bash', process.execPath, MAIN, 'run']
    const child = spawn('bash', ['-o', 'pipefail', ...args], { env: { ...cleanEnvironment(), ...env }, stdio: 'pipe' })
    onTestFinished(() => void child.kill('SIGKILL'))
    let [said, told] = ['', '']
    child.stdout.on('data', (chunk) => (said += chunk))
    child.stderr.on('data', (chunk) => (told += chunk))
    return { child, said: () => said, told: () => told }
  }

  test('has nothing but events, and the log is on standard error', async () => {
    const { configure, env, write, trail, access, caughtUp } = await twoLogstores()
    configure('sinks: {look: {type: file, path: "-"}}\nroutes: [{name: all, to: look}]\n')
    const wanted = [...(await write(trail, 3)), ...(await write(access, 3))]
    const replica = startCommand(['run'], { ...env, SLS_CONSUMER: 'a' })
    await caughtUp()
    await replica.kill('SIGTERM')
    expect(replica.lines.map((line) => Number((line as unknown as Envelope).event.n)).sort((a, b) => a - b)).toEqual(
      wanted,
    )
    expect(replica.stderr).toContain('stopped: everything that was pulled is delivered and committed')
  })

  test('ends the replica with a clear line when its reader has ended', async () => {
    const { configure, env, write, trail } = await twoLogstores()
    configure('sinks: {look: {type: file, path: "-"}}\nroutes: [{name: all, to: look}]\n')
    await write(trail, 20)
    const { child, told, said } = piped({ ...env, SLS_CONSUMER: 'a' }, 'head -1')
    const [code] = await once(child, 'exit')
    expect(code).toBe(1)
    expect(said().trim().split('\n')).toHaveLength(1)
    expect(told()).toMatch(/stopping: nobody reads the standard output any more/)
    expect(told()).not.toContain('deadline')
  })
})

test('lag shows each shard with project and logstore, also when one logstore cannot be asked', async () => {
  const rowsOf = ({ lines }: BridgeProcess): string[][] => lines.map(({ msg }) => msg.split(/ {2,}/))
  const { configure, env, write, access, caughtUp, folder } = await twoLogstores()
  configure('sinks: {archive: {type: file, path: out.jsonl}}\nroutes: [{name: all, to: archive}]\n')
  const replica = startCommand(['run'], { ...env, SLS_CONSUMER: 'a' })
  await write(access, 1)
  await caughtUp()
  await replica.kill('SIGTERM')
  await write(access, 2)
  const table = startCommand(['lag', '--config', join(folder, 'bridge.yaml')], { ...env, BRIDGE_CONFIG: '' })
  const json = startCommand(['lag', '--json'], env)
  expect([(await table.exited).code, (await json.exited).code]).toEqual([0, 0])
  const [header, ...rows] = rowsOf(table)
  expect(header?.slice(0, 3)).toEqual(['PROJECT', 'LOGSTORE', 'SHARD'])
  expect(rows.map((row) => row.slice(0, 3))).toEqual([
    ['audit', 'trail', '0'],
    ['audit', 'trail', '1'],
    ['web', 'access', '0'],
  ])
  expect(rows[2]?.[7]).toBe('behind')
  expect(json.lines.at(-1)).toMatchObject({ source: 'web', project: 'web', logstore: 'access', shard: 0 })
  access.deleteGroup('siem')
  const partly = startCommand(['lag'], env)
  expect((await partly.exited).code).toBe(1)
  expect(rowsOf(partly).slice(1)).toEqual(rows.slice(0, 2))
  expect(partly.stderr).toMatch(/^sls-siem-bridge lag: web\/access: /)
})

describe('two sinks', () => {
  test('one that is down is named, and the other gets its copies', async () => {
    const { configure, env, write, trail, folder } = await twoLogstores()
    const hec = await startHecReceiver()
    onTestFinished(() => hec.close())
    hec.setToken({ disabled: true })
    const { SPLUNK_HEC_URL: url, SPLUNK_HEC_TOKEN: token } = hec.environment()
    configure(`sinks:
  archive: {type: file, path: out.jsonl}
  splunk: {type: splunk_hec, url: ["${url}"], token: "\${TOKEN}"}
routes: [{name: all, to: [archive, splunk]}]
`)
    const wanted = await write(trail, 3)
    const replica = startCommand(['run'], { ...env, TOKEN: token as string, SLS_CONSUMER: 'a' })
    await replica.line(/paused \(hec_configuration, sink splunk\)/)
    expect(await polled(() => numbersIn(linesOf(join(folder, 'out.jsonl'))).length === wanted.length)).toBe(true)
    expect(await replica.metrics()).toMatch(/^sls_bridge_paused\{reason="hec_configuration",sink="splunk"\} 1$/m)
    hec.setToken({ disabled: false })
    await trail.caughtUp('siem', { timeoutMs: 20_000 })
    expect(hec.state().events).toBe(wanted.length)
    expect(numbersIn(linesOf(join(folder, 'out.jsonl')))).toEqual(wanted)
  })
})
