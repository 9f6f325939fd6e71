import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { reconcileCommand } from '../../src/cli/reconcile.ts'
import { startCommand } from '../support/bridge-process.ts'
import type { ScenarioOptions } from '../support/scenario.ts'
import { Scenario } from '../support/scenario.ts'

const SEARCH_TOKEN = 'eyJraWQiOiJzcGx1bmsifQ'

interface Reconciled {
  ok: boolean
  total: Record<'wanted' | 'found' | 'missing' | 'duplicated' | 'deadLettered' | 'notLookedFor' | 'pending', number>
  shards: Array<Record<'shard' | 'wanted' | 'found' | 'missing' | 'pending', number>>
  missing: Array<{ shard: number; id: string; cursor: string; time: string }>
  notes: string[]
}

/** A cursor by time names a log of that second, and `--to now` ends before it: so logs are written some seconds before. */
const AGE_MS = 2_000
/** How far the clock of the service is behind ours. Where a test says nothing, it goes right while `reconcile` runs. */
let behindMs = AGE_MS

function start(options: ScenarioOptions = {}): Promise<Scenario> {
  const sls = { now: () => Date.now() - behindMs, ...options.sls }
  return Scenario.start({ ...options, sls, hec: { keep: true, searchToken: SEARCH_TOKEN, ...options.hec } })
}

interface Run {
  code: number
  stdout: string
  stderr: string
  /** The output of `--json`. */
  said: Reconciled
}

/** `--to now`: the receiver's events can be searched at once. */
async function reconcile(scenario: Scenario, args: string[] = [], env: Record<string, string> = {}): Promise<Run> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const settings = { ...withoutCollector(scenario), ...search(scenario), ...env }
  const io = { env: settings, stdout, stderr, signal: new AbortController().signal }
  behindMs = 0
  const code = await reconcileCommand(['--from', '-1h', '--to', 'now', ...args], io)
  behindMs = AGE_MS
  const text = String(stdout.read() ?? '')
  const said = (text.startsWith('{') ? JSON.parse(text) : {}) as Reconciled
  return { code, stdout: text, stderr: String(stderr.read() ?? ''), said }
}

function withoutCollector(scenario: Scenario): Record<string, string> {
  const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN, ...settings } = scenario.environment()
  return settings
}

function search(scenario: Scenario): Record<string, string> {
  return { SPLUNK_SEARCH_URL: scenario.hec.url, SPLUNK_SEARCH_TOKEN: SEARCH_TOKEN }
}

describe('reconcile', () => {
  test('finds every delivered log once, and counts only logs that the filter wants', async () => {
    const scenario = await start({ sls: { shards: 2 }, env: { FILTER_TOPICS: 'audit_log' } })
    await scenario.write(4)
    await scenario.writeLog({ message: 'nobody wants this' }, 'other')
    await scenario.deliver()
    const { wanted } = scenario.tally()
    const { code, said } = await reconcile(scenario, ['--json'])
    expect(said.total).toEqual({
      wanted,
      found: wanted,
      missing: 0,
      duplicated: 0,
      deadLettered: 0,
      notLookedFor: 0,
      pending: 0,
    })
    expect(wanted).toBeGreaterThan(0)
    expect(said).toMatchObject({ ok: true, missing: [] })
    expect(said.shards.map(({ shard }) => shard)).toEqual([0, 1])
    expect(code).toBe(0)
  })

  test('says when the filter wants no log at all, since an empty comparison proves nothing', async () => {
    const scenario = await start({ env: { FILTER_TOPICS: 'audit_lgo' } })
    await scenario.write(2)
    await scenario.deliver()
    const { code, said } = await reconcile(scenario, ['--json'])
    expect(said).toMatchObject({ ok: true, total: { wanted: 0 } })
    expect(said.notes).toContainEqual(expect.stringContaining('FILTER_TOPICS'))
    expect(code).toBe(0)
  })

  test('names shard and id of each event that the SIEM acknowledged and lost', async () => {
    const scenario = await start({ sls: { shards: 2 }, env: { SPLUNK_HEC_MAX_BYTES: '4000' } })
    await scenario.write(6)
    // A 200 for events that are not indexed. A bridge can't notice this.
    scenario.hec.faults.add({ match: { endpoint: 'event', encoding: 'gzip' }, after: 3, times: 2, action: { code: 0 } })
    await scenario.deliver()
    expect(scenario.hec.faults.unfired()).toEqual([])
    const lost = scenario.tally().missing
    expect(lost.length).toBeGreaterThan(1)
    const { code, said } = await reconcile(scenario, ['--json', '--show', '1000'])
    expect(code).toBe(1)
    expect(said.ok).toBe(false)
    expect(said.missing.map(({ id }) => id).sort()).toEqual([...lost].sort())
    expect(said.total).toMatchObject({ missing: lost.length, duplicated: 0, pending: 0 })
    const { stdout } = await reconcile(scenario, ['--show', '1'])
    const shown = stdout.split('\n')
    expect(shown.filter((line) => line.startsWith('missing  shard'))).toHaveLength(1)
    expect(shown).toContain(`missing  … ${lost.length - 1} more (--show N)`)
    for (const { shard, id, cursor, time } of said.missing) {
      const [, ofShard, position] = id.split(':')
      expect(String(shard)).toBe(ofShard)
      expect(Buffer.from(cursor, 'base64').toString()).toBe(position)
      expect(Date.parse(time)).toBeGreaterThan(0)
    }
  })

  test('counts events that a killed replica sent again', async () => {
    const scenario = await start({ sls: { shards: 1 }, hec: { ack: true, ackDelayMs: Number.POSITIVE_INFINITY } })
    await scenario.write(3)
    const first = scenario.replica({ SLS_CONSUMER: 'one' })
    await scenario.eventually(() => scenario.hec.state().events > 0)
    await first.kill('SIGKILL')
    scenario.hec.condition({ ackDelayMs: 0 })
    await scenario.deliver('one')
    const { duplicated, missing } = scenario.tally()
    expect(missing).toEqual([])
    expect(duplicated).toBeGreaterThan(0)
    const { code, said } = await reconcile(scenario, ['--json'])
    expect(said.total).toMatchObject({ missing: 0, duplicated })
    expect(code).toBe(0)
  })

  test('knows dead letters, of other folders too', async () => {
    const scenario = await start({ sls: { shards: 1 }, hec: { refuse: [{ contains: 'poison', code: 6 }] } })
    await scenario.write(1)
    await scenario.writeLog({ message: 'poison' })
    await scenario.deliver()
    const here = await reconcile(scenario, ['--json'])
    expect(here.said.total).toMatchObject({ wanted: 21, found: 20, missing: 0, deadLettered: 1 })
    expect(here.code).toBe(0)
    const elsewhere = { DEAD_LETTER_DIR: './none' }
    const without = await reconcile(scenario, ['--json'], elsewhere)
    expect(without.said.total).toMatchObject({ missing: 1, deadLettered: 0 })
    expect(without.code).toBe(1)
    const named = await reconcile(scenario, ['--json', '--dead-letter', scenario.deadLetterDir], elsewhere)
    expect(named.said.total).toMatchObject({ missing: 0, deadLettered: 1 })
    const mistyped = await reconcile(scenario, ['--json', '--dead-letter', `${scenario.deadLetterDir}s`], elsewhere)
    expect(mistyped.code).toBe(2)
    expect(mistyped.stderr).toMatch(/dead-letter-\w+s\b/)
  })

  test('asks again where a shard gives nothing before the end of the period', async () => {
    const scenario = await start({ sls: { shards: 1 } })
    await scenario.write(2)
    await scenario.deliver()
    const shard = scenario.logstore.shard(0)
    const headers = { 'x-log-cursor': shard.cursorAt(0), 'x-log-count': '0', 'x-log-bodyrawsize': '0' }
    scenario.sls.faults.add({ match: { api: 'PullLogs' }, action: { status: 200, headers } })
    const { code, said } = await reconcile(scenario, ['--json'])
    expect(scenario.sls.faults.unfired()).toEqual([])
    expect(said.total).toMatchObject({ wanted: 40, found: 40 })
    expect(code).toBe(0)
  })

  test('calls uncommitted logs pending, not missing', async () => {
    const scenario = await start({ sls: { shards: 1 } })
    await scenario.write(2)
    await scenario.deliver()
    await scenario.write(1)
    const { code, said } = await reconcile(scenario, ['--json'])
    expect(said.total).toEqual({
      wanted: 60,
      found: 40,
      missing: 0,
      duplicated: 0,
      deadLettered: 0,
      notLookedFor: 0,
      pending: 20,
    })
    expect(code).toBe(0)
  })

  test('takes dead letters off before it looks a second time, and says what it did not look for', async () => {
    const scenario = await start({ sls: { shards: 1 } })
    const group = scenario.logstore.createGroup({ name: 'scenario', timeoutSeconds: 60, order: false })
    const written = Array.from({ length: 61 }, () =>
      scenario.logstore.write(Array.from({ length: 100 }, (_, n) => ({ n: String(n) }))),
    )
    const ids = written.flatMap(({ cursor }) =>
      Array.from({ length: 100 }, (_, n) => `audit:0:${Buffer.from(cursor, 'base64')}:${n}`),
    )
    const [letters, found] = [ids.slice(0, 6_000), ids.slice(6_000)]
    const shard = scenario.logstore.shard(0)
    group.commit({ shard: 0, checkpoint: shard.cursorAt(shard.end), consumer: 'c', force: true })
    const { project, name: logstore } = scenario.logstore
    // Splunk has them at another time than theirs, so only the second look finds them.
    const source = `sls://${project}/${logstore}`
    const events = found.map((id) => JSON.stringify({ time: 1, source, event: 'x', fields: { sls_event_id: id } }))
    const posted = await fetch(`${scenario.hec.url}/services/collector/event`, {
      method: 'POST',
      headers: { authorization: `Splunk ${scenario.hec.token}` },
      body: events.join('\n'),
    })
    expect(posted.status).toBe(200)
    const line = (id: string) =>
      JSON.stringify({
        reason: { code: '6', text: 'Invalid data format', status: 400 },
        origin: { project, logstore, shard: 0, cursor: 'MQ==', event_id: id },
        at: new Date().toISOString(),
        event: { event: 'x', fields: { sls_event_id: id } },
      })
    writeFileSync(join(scenario.deadLetterDir, 'dead-letter-a.jsonl'), letters.map((id) => `${line(id)}\n`).join(''))

    const { code, said } = await reconcile(scenario, ['--json'])
    const total = { wanted: 6_100, duplicated: 0, pending: 0 }
    expect(said.total).toEqual({ ...total, found: 100, missing: 0, deadLettered: 6_000, notLookedFor: 0 })
    expect({ code, ok: said.ok }).toEqual({ code: 0, ok: true })

    const without = await reconcile(scenario, ['--json'], { DEAD_LETTER_DIR: './none' })
    expect(without.said.total).toEqual({ ...total, found: 0, missing: 5_000, deadLettered: 0, notLookedFor: 1_100 })
    expect({ code: without.code, ok: without.said.ok }).toEqual({ code: 1, ok: false })
    const text = await reconcile(scenario, ['--show', '0'], { DEAD_LETTER_DIR: './none' })
    expect(text.stdout.trimEnd().split('\n').at(-1)).toBe(
      '5000 of 6100 wanted logs are missing, and 1100 were not looked for: compare shorter periods',
    )
  })

  test('counts nothing as owed that is never delivered: before SLS_START, and of a deleted shard', async () => {
    let ageMs = 100_000
    const scenario = await start({ sls: { shards: 3, now: () => Date.now() - ageMs } })
    scenario.logstore.createGroup({ name: 'scenario', timeoutSeconds: 60, order: false })
    const write = (shard: number) => scenario.logstore.write([{ n: '1' }], { shard })
    for (const shard of [0, 1, 1, 2]) write(shard)
    ageMs = AGE_MS
    for (const shard of [1, 2]) write(shard)
    ageMs = 0
    const gone = { match: { api: 'GetCursor', shard: 2 }, times: 0, action: { status: 404, code: 'ShardNotExist' } }
    scenario.sls.faults.add(gone)
    const SLS_START = String(Math.floor(Date.now() / 1000) - 50)
    const { code, said } = await reconcile(scenario, ['--json'], { SLS_START })
    expect(said.shards.map(({ shard, wanted, pending }) => [shard, wanted, pending])).toEqual([
      [0, 0, 0],
      [1, 1, 1],
      [2, 0, 0],
    ])
    expect(said.notes.join()).toMatch(/shard 2 is deleted.*before the start \(SLS_START\)/)
    expect(code).toBe(0)
    const begin = await reconcile(scenario, ['--json'])
    expect(begin.said.shards[1]).toMatchObject({ pending: 3 })
  })

  test('does not call logs from before SLS_START missing where the shard has a checkpoint', async () => {
    let ageMs = 100_000
    const env = { SLS_START: String(Math.floor(Date.now() / 1000) - 50) }
    const scenario = await start({ sls: { shards: 1, now: () => Date.now() - ageMs }, env })
    await scenario.write(2)
    ageMs = AGE_MS
    await scenario.write(1)
    await scenario.deliver()
    ageMs = 0
    const { code, said } = await reconcile(scenario, ['--json'])
    expect(said.total).toMatchObject({ wanted: 20, found: 20, missing: 0, pending: 0 })
    expect(said.notes.join()).toMatch(/before the start \(SLS_START\).* 40 of them are not in Splunk/)
    expect(code).toBe(0)
    const begin = await reconcile(scenario, ['--json'], { SLS_START: 'begin' })
    expect([begin.code, begin.said.total.missing]).toEqual([1, 40])
    const end = await reconcile(scenario, ['--json'], { SLS_START: 'end' })
    expect(end.said.notes.join()).toMatch(/SLS_START=end/)
  })

  test('counts --from back from the time of the service, whatever the clock of this machine says', async () => {
    let aheadMs = 602_000
    const scenario = await start({ sls: { shards: 1, now: () => Date.now() - aheadMs } })
    await scenario.write(1)
    await scenario.deliver()
    aheadMs = 600_000
    const { code, said } = await reconcile(scenario, ['--json', '--from', '-5m', '--to', '-1s'])
    expect(said.total).toMatchObject({ wanted: 20, found: 20 })
    expect(code).toBe(0)
  })

  test('says which shards may have lost logs of the period to their retention', async () => {
    const scenario = await start({ sls: { shards: 2 } })
    await scenario.write(4)
    await scenario.deliver()
    await scenario.write(4)
    scenario.logstore.expire({ shard: 0 })
    const { said } = await reconcile(scenario, ['--json'])
    expect(said.notes).toContain('logs of shard 0 expired before they were delivered')
    expect(said.notes).toContain('the oldest log of shard 1 came after --from: logs that have expired are not compared')
  })

  test('with SLS_QUERY compares by the hashed ids the bridge gave', async () => {
    const scenario = await start({ sls: { shards: 1 }, env: { SLS_QUERY: "* | where who = 'me'" } })
    for (const who of ['me', 'you', 'me']) await scenario.writeLog({ who, n: String(Math.random()) })
    await scenario.deliver()
    const { said } = await reconcile(scenario, ['--json'], { SPLUNK_HEC_INDX: 'audit' })
    expect(said.total).toMatchObject({ wanted: 2, found: 2, missing: 0, duplicated: 0 })
    expect(said.notes.join()).toMatch(/SLS_QUERY/)
    // A fault in the settings may be why something is missing.
    expect(said.notes.join()).toMatch(/SPLUNK_HEC_INDX/)
  })
})

describe('reconcile without the REST API', () => {
  test('--print-spl prints the search, and --ids reads its result', async () => {
    const scenario = await start({ sls: { shards: 1 } })
    await scenario.write(2)
    await scenario.deliver()
    const printed = await reconcile(scenario, ['--from', '1700000000', '--to', '1700003600', '--print-spl'])
    expect(printed.code).toBe(0)
    expect(printed.stdout.trimEnd().split('\n')).toEqual([
      `| tstats count where index=* source="sls://${scenario.logstore.project}/audit" sls_event_id="audit:*" earliest=1699913600 latest=1700007200 by sls_event_id`,
    ])
    const dir = mkdtempSync(join(tmpdir(), 'ids-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const file = join(dir, 'ids.csv')
    const [lost, twice, ...others] = [...scenario.indexedById.keys()]
    const rows = [`"${twice}",2`, ...others.map((id) => `"${id}",1`)]
    writeFileSync(file, `sls_event_id,count\r\n${rows.join('\r\n')}\r\n`)
    const { code, said } = await reconcile(scenario, ['--json', '--ids', file], {
      SPLUNK_SEARCH_URL: '',
      SPLUNK_SEARCH_TOKEN: '',
    })
    expect(code).toBe(1)
    expect(said.missing.map(({ id }) => id)).toEqual([lost])
    expect(said.total).toMatchObject({ wanted: 40, found: 39, missing: 1, duplicated: 1 })
  })
})

describe('reconcile names the obstacle', () => {
  test('a wrong search token: clearly, without showing it, exit code 1', async () => {
    const scenario = await start({ sls: { shards: 1 } })
    await scenario.write(1)
    const group = { name: scenario.environment()['SLS_CG'] as string, timeoutSeconds: 60, order: false }
    scenario.logstore.createGroup(group)
    const { code, stderr } = await reconcile(scenario, [], { SPLUNK_SEARCH_TOKEN: 'not-the-token' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/401.*not properly authenticated/)
    expect(stderr).toMatch(/→ .*SPLUNK_SEARCH_TOKEN/)
    expect(stderr).not.toMatch(/not-the-token|\n\s+at /)
  })

  test('no search head and no file, or a period that ends before it begins: exit code 2', async () => {
    const scenario = await start()
    const none = await reconcile(scenario, [], { SPLUNK_SEARCH_URL: '' })
    expect(none.code).toBe(2)
    expect(none.stderr).toMatch(/SPLUNK_SEARCH_URL.*--ids/)
    const backwards = await reconcile(scenario, ['--to', '-2h'])
    expect(backwards.code).toBe(2)
    expect(backwards.stderr).toMatch(/not before/)
  })

  test('from the command line, with times that begin with a dash', async () => {
    const scenario = await start()
    const settings = { ...withoutCollector(scenario), ...search(scenario) }
    const run = startCommand(['reconcile', '--from', '-2h', '--to', '-1h'], settings)
    expect((await run.exited).code).toBe(1)
    expect(run.stderr).toMatch(/group/i)
  })

  test('a group that is not there', async () => {
    const scenario = await start()
    const { code, stderr } = await reconcile(scenario, ['--json'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/group/i)
  })
})
