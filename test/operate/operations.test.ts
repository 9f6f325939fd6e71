import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { BridgeProcess } from '../support/bridge-process.ts'
import { cleanEnvironment, MAIN, startCommand } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'
import { Scenario } from '../support/scenario.ts'

/** The procedures of docs/operations.md, as an operator runs them. */

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')

/** The commands of a section, one string for each block. */
function commandsOf(section: string): string[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? ''
  return [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, commands]) => commands as string)
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'operations-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Receive times are whole seconds. Waits for the next one, so that later logs have a later receive time. */
async function nextSecond(): Promise<string> {
  const second = Math.floor(Date.now() / 1000)
  await polled(() => Math.floor(Date.now() / 1000) > second)
  return new Date((second + 1) * 1000).toISOString()
}

/** Stops the old replica, as a supervisor does, and starts the new one under its name. */
async function restarted(scenario: Scenario, old: BridgeProcess, env: Record<string, string>): Promise<BridgeProcess> {
  expect(await old.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  const replica = scenario.replica(env)
  await scenario.eventually(async () => (await replica.ready()).status === 200)
  return replica
}

async function twoReplicas(scenario: Scenario, env: Record<string, string> = {}): Promise<BridgeProcess[]> {
  const replicas = ['a', 'b'].map((SLS_CONSUMER) => scenario.replica({ ...env, SLS_CONSUMER }))
  await scenario.eventually(() => scenario.holders().size === 2)
  return replicas
}

const paused = ({ lines }: BridgeProcess) => lines.filter(({ msg }) => /^paused/.test(msg))

describe('backfill of a time range', () => {
  test('delivers the range again, stops after its end, and does not touch the live group', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 } })
    const live = scenario.replica()
    const ids = async (groups: number): Promise<string[]> => {
      const before = new Set(scenario.indexedById.keys())
      await scenario.write(groups)
      await scenario.caughtUp()
      return [...scenario.indexedById.keys()].filter((id) => !before.has(id))
    }
    const before = await ids(4)
    const begin = await nextSecond()
    const within = await ids(10)
    const end = await nextSecond()
    await ids(4)
    // `lag` shows ages in whole seconds, so the end must be at least one second ago.
    await nextSecond()
    const held = scenario.holders()

    const root = temporary()
    mkdirSync(join(root, 'bin'))
    writeFileSync(join(root, 'bin/sls-siem-bridge.cjs'), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`)
    chmodSync(join(root, 'bin/sls-siem-bridge.cjs'), 0o755)
    const [start, untilEnd] = commandsOf('Backfill of a time range')
    const commands =
      `set -e\n${start}\n${untilEnd}\nwhile kill -0 "$(cat backfill.pid)" 2>/dev/null; do sleep 0.1; done`
        .replace(/BEGIN=\S+/, `BEGIN=${begin}`)
        .replace(/ END=\S+/, ` END=${end}`)
        .replace('sleep 10', 'sleep 0.2')
    const env = { ...cleanEnvironment(), ...scenario.environment(), PATH: process.env['PATH'] as string }
    await promisify(execFile)('bash', ['-c', commands], { cwd: root, env })

    const times = (id: string) => scenario.indexedById.get(id)?.events.length
    expect(within.map(times)).toEqual(within.map(() => 2))
    expect(before.map(times)).toEqual(before.map(() => 1))
    const log = readFileSync(join(root, 'backfill.log'), 'utf8')
    expect(log).toContain('everything that was pulled is delivered and committed')

    // The live group is unchanged.
    expect(scenario.holders()).toEqual(held)
    expect(live.lines.filter(({ level }) => level !== 'info')).toEqual([])
    expect(scenario.tally()).toMatchObject({ wanted: 360, delivered: 360, missing: [] })
  })
})

describe('rotating the HEC token', () => {
  const tokens = [{ token: 'old-token' }, { token: 'new-token' }]

  test('both tokens are valid, the file is replaced, replicas restart one by one under load: no pause, no duplicates', async () => {
    const scenario = await Scenario.start({ sls: { shards: 4 }, hec: { tokens } })
    const file = join(temporary(), 'token')
    writeFileSync(file, 'old-token\n')
    const env = { SPLUNK_HEC_TOKEN: '', SPLUNK_HEC_TOKEN_FILE: file }
    const [a, b] = (await twoReplicas(scenario, env)) as [BridgeProcess, BridgeProcess]
    const writing = scenario.write(100, { perSecond: 20 })
    writeFileSync(file, 'new-token\n')
    const replicas = [
      await restarted(scenario, a, { ...env, SLS_CONSUMER: 'a' }),
      await restarted(scenario, b, { ...env, SLS_CONSUMER: 'b' }),
    ]
    scenario.hec.setToken({ token: 'old-token', disabled: true })
    await writing
    await scenario.caughtUp()
    expect(replicas.flatMap(paused)).toEqual([])
    expect(scenario.tally()).toMatchObject({
      wanted: 2000,
      delivered: 2000,
      duplicated: 0,
      deadLettered: 0,
      missing: [],
    })
  })

  test('the old token is disabled too early: replicas with it pause and say so; after a restart every event is there once', async () => {
    const scenario = await Scenario.start({ sls: { shards: 4 }, hec: { tokens } })
    const env = { SHUTDOWN_GRACE_SECONDS: '1' }
    const [a, b] = (await twoReplicas(scenario, { ...env, SPLUNK_HEC_TOKEN: 'old-token' })) as [
      BridgeProcess,
      BridgeProcess,
    ]
    const replica = await restarted(scenario, a, { ...env, SLS_CONSUMER: 'a', SPLUNK_HEC_TOKEN: 'new-token' })
    scenario.hec.setToken({ token: 'old-token', disabled: true })
    await scenario.write(40)
    await scenario.eventually(async () => (await b.ready()).status === 503)
    expect((await b.ready()).text).toMatch(/^paused: hec_configuration, sink: .*Token disabled \(code 1\)/)
    expect((await replica.ready()).status).toBe(200)
    await restarted(scenario, b, { ...env, SLS_CONSUMER: 'b', SPLUNK_HEC_TOKEN: 'new-token' })
    await scenario.caughtUp()
    expect(scenario.tally()).toMatchObject({ wanted: 800, delivered: 800, duplicated: 0, deadLettered: 0, missing: [] })
    expect(scenario.commitsAhead()).toEqual([])
  })
})

describe('moving to another index', () => {
  const indexOf = (scenario: Scenario) =>
    [...scenario.indexedById.values()].flatMap(({ events }) => events.map(({ envelope }) => envelope.index))

  test('events read before are in the old index, later ones in the new one; a forbidden index pauses', async () => {
    const scenario = await Scenario.start({ sls: { shards: 2 }, hec: { indexes: ['audit_old', 'audit_new'] } })
    const env = { SLS_CONSUMER: 'a', SHUTDOWN_GRACE_SECONDS: '1' }
    const old = scenario.replica({ ...env, SPLUNK_HEC_INDEX: 'audit_old' })
    await scenario.write(5)
    await scenario.caughtUp()
    expect((await old.kill('SIGTERM')).code).toBe(0)
    const wrong = scenario.replica({ ...env, SPLUNK_HEC_INDEX: 'audit_nwe' })
    await scenario.write(5)
    await scenario.eventually(async () => /^paused: hec_configuration/.test((await wrong.ready()).text))
    expect((await wrong.ready()).text).toContain('Incorrect index (code 7)')
    await restarted(scenario, wrong, { ...env, SPLUNK_HEC_INDEX: 'audit_new' })
    await scenario.caughtUp()
    const indexes = indexOf(scenario)
    expect(indexes.filter((index) => index === 'audit_old')).toHaveLength(100)
    expect(indexes.filter((index) => index === 'audit_new')).toHaveLength(100)
    expect(scenario.tally()).toMatchObject({ duplicated: 0, deadLettered: 0, missing: [] })
  })

  test('a dead letter keeps its original index and is replayed into it', async () => {
    const refuse = [{ contains: 'poison', code: 6 }]
    const scenario = await Scenario.start({ sls: { shards: 1 }, hec: { refuse, indexes: ['audit_old', 'audit_new'] } })
    scenario.replica({ SPLUNK_HEC_INDEX: 'audit_old' })
    await scenario.writeLog({ message: 'poison' })
    await scenario.eventually(() => scenario.tally().deadLettered === 1)
    scenario.hec.acceptAll()
    const replay = startCommand(['dead-letter', 'replay'], { ...scenario.environment(), SPLUNK_HEC_INDEX: 'audit_new' })
    expect((await replay.exited).code).toBe(0)
    expect(indexOf(scenario)).toEqual(['audit_old'])
  })
})

describe('a dead-letter directory that cannot be written', () => {
  test('pauses when an event is refused, and resumes by itself when there is space', async () => {
    const scenario = await Scenario.start({ sls: { shards: 1 }, hec: { refuse: [{ contains: 'poison', code: 6 }] } })
    const DEAD_LETTER_DIR = join(temporary(), 'letters')
    const replica = scenario.replica({ DEAD_LETTER_DIR })
    await scenario.write(1)
    await scenario.caughtUp()
    writeFileSync(DEAD_LETTER_DIR, 'in its place')
    const settled = scenario.sls.commits.at(-1)?.checkpoint
    await scenario.writeLog({ message: 'poison' })
    await scenario.write(1)
    await scenario.eventually(async () => (await replica.ready()).status === 503)
    expect((await replica.ready()).text).toMatch(
      /^paused: dead_letter, sink: cannot write the dead letter in .*letters/,
    )
    expect(await replica.metrics()).toContain('sls_bridge_paused{reason="dead_letter",sink="splunk_hec"} 1')
    expect(scenario.sls.commits.at(-1)?.checkpoint).toBe(settled)
    rmSync(DEAD_LETTER_DIR)
    await replica.line(/^resumed \(dead_letter/)
    await scenario.caughtUp()
    const list = startCommand(['dead-letter', 'list'], { ...scenario.environment(), DEAD_LETTER_DIR })
    await list.line(/ 6 Invalid data format \(HTTP 400\)/)
    expect(scenario.hec.state()).toMatchObject({ events: 40, duplicateIds: 0 })
  })
})
