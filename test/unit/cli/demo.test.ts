import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { Act } from '../../../src/cli/demo/act.ts'
import { ACTS, killedSink } from '../../../src/cli/demo/acts.ts'
import { SinkLedger } from '../../../src/cli/demo/ledger.ts'
import { Stage } from '../../../src/cli/demo/stage.ts'
import { DemoView } from '../../../src/cli/demo/view.ts'
import { tryText } from '../../../src/cli/trial/log.ts'
import { loadConfigFile } from '../../../src/config/file/load.ts'
import type { SourceConfig } from '../../../src/config/model.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import { SampleLogs } from '../../../src/emulator/sample-logs.ts'
import { startSlsEmulator } from '../../../src/emulator/sls/server.ts'

const delivered = (...serials: number[]) =>
  serials.map((serial) => {
    return { __topic__: 'audit_log', serial: String(serial), error_code: serial % 2 === 0 ? 'Forbidden.RAM' : '' }
  })

const written = (...serials: number[]) => ({
  topic: 'audit_log',
  logs: delivered(...serials).map(({ serial, error_code }) => ({
    ...{ timestamp: 0, timestampNsPart: 0 },
    content: { serial, error_code },
  })),
})

test('the ledger of a sink counts each log by what became of it, whoever tells first', () => {
  const { soc } = killedSink.sinks
  const ledger = new SinkLedger(soc as NonNullable<typeof soc>)
  ledger.delivered(delivered(2))
  ledger.written(written(1, 2, 3, 4, 6, 8))
  ledger.delivered(delivered(2, 4))
  ledger.deadLettered('6')
  ledger.deadLettered('6')
  expect(ledger.verdict()).toEqual({
    ...{ wanted: 4, delivered: 3, duplicated: 1, deadLettered: 1, missing: 1, unwanted: 0 },
  })
  ledger.delivered(delivered(3))
  expect(ledger.verdict()).toMatchObject({ missing: 1, unwanted: 1 })
})

test('the routes of the second act send each log where its ledgers want it', async () => {
  await using sls = await startSlsEmulator({ projects: { demo: killedSink.logstores } })
  await using splunk = await startHecReceiver()
  await using soc = await startHecReceiver()
  const folder = mkdtempSync(join(tmpdir(), 'demo-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const env = killedSink.settings({ sls, receivers: new Map(Object.entries({ splunk, soc })), folder })
  const loaded = loadConfigFile(env['BRIDGE_CONFIG'] as string, env)
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
  expect(loaded.warnings).toEqual([])
  const samples = new SampleLogs(1)
  const seen = new Set<string>()
  for (const [logstore, { kinds }] of Object.entries(killedSink.logstores)) {
    const source = loaded.config.sources.find(({ name }) => name === logstore) as SourceConfig
    const { topic, logs } = samples.group(kinds[0] as (typeof kinds)[number], 60)
    for (const { content } of logs) {
      const log = new Map(Object.entries({ ...content, __topic__: topic }))
      const sinks = tryText(loaded.config, source, logstore, log).copies.map(({ sink }) => sink)
      const wanted = Object.entries(killedSink.sinks).flatMap(([name, { wants }]) =>
        wants(topic, content) ? name : [],
      )
      expect(sinks.toSorted()).toEqual(wanted.toSorted())
      seen.add(wanted.toSorted().join())
    }
  }
  expect(seen).toEqual(new Set(['', 'splunk', 'soc,splunk']))
})

test.each([...ACTS.splunk_hec, ...ACTS.syslog])(
  'every line fits into 80 columns, and every column has a name: $title',
  async (act) => {
    await using sls = await startSlsEmulator({ projects: { demo: act.logstores } })
    const lines: string[] = []
    const out = new Writable({
      write(chunk, _, done) {
        lines.push(...String(chunk).split('\n'))
        done()
      },
    })
    const ledgers = new Map(Object.entries(act.sinks).map(([name, sink]) => [name, new SinkLedger(sink)]))
    const view = new DemoView(out, { act, sls, ledgers })
    view.title()
    for (const line of act.story) view.say(line)
    view.progress(999.9)
    view.ledger({ written: 1e9, lagSeconds: 99_999, stopped: true })
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    expect(lines.join('\n')).toMatch(/(#0 .*#7|trail\/0 .*web\/1) +lag events\/s {2}(splunk( {5}soc)?|syslog)\n/)
  },
)

test('a sink whose port was taken while it was down is one clear fault', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'demo-'))
  const thief = createServer()
  onTestFinished(() => {
    thief.close()
    rmSync(folder, { recursive: true })
  })
  let port = 0
  const act: Act = {
    ...{ title: '', story: [], share: 1, writingSeconds: 0, replicas: [] },
    logstores: { trail: { shards: 1, kinds: ['audit'] } },
    sinks: { soc: { type: 'splunk_hec', wants: () => true } },
    settings: ({ receivers }) => {
      port = receivers.get('soc')?.port ?? 0
      return {}
    },
    incident: async (stage) => {
      await stage.killSink('soc')
      await once(thief.listen(port, '127.0.0.1'), 'listening')
      await stage.startSink('soc')
    },
  }
  const out = new Writable({ write: (_, __, done) => done() })
  const playing = Stage.play({
    ...{ act, logs: 1, seed: 1, folder: join(folder, 'act'), out, end: new AbortController().signal },
  })
  const fault = await playing.catch((error: unknown) => error)
  const message = `the sink soc cannot listen on 127.0.0.1: another program has taken port ${port}`
  expect(fault).toMatchObject({ name: 'Fault', message })
})
