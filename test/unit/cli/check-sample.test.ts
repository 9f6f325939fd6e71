import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Ends } from './check-ends.ts'

const TRAIL = { event: '{"errorCode":"Forbidden.RAM"}', text: 'plain' }

async function endsWith(logs: Record<string, number>): Promise<Ends> {
  const ends = await Ends.start()
  for (const [topic, count] of Object.entries(logs)) {
    ends.sls.logstore().write(
      Array.from({ length: count }, (_, n) => ({ ...TRAIL, n: String(n) })),
      { topic },
    )
  }
  return ends
}

describe('check of the newest logs, in environment mode', () => {
  test('an empty logstore is told, and is no failure', async () => {
    const { of, ok } = await (await endsWith({})).check({ FILTER_TOPICS: 'a' })
    expect(of('SLS topics')[0]).toMatchObject({ verdict: 'skip', found: 'no logs in 2 shards yet' })
    expect(ok).toBe(true)
  })

  test('names topics with their counts, and whether FILTER_TOPICS wants them', async () => {
    const ends = await endsWith({ audit: 5, access: 3, '': 1, 'evil\u001b[31m': 2 })
    const { of } = await ends.check({ FILTER_TOPICS: 'audit,""' })
    expect(of('SLS topics')).toMatchObject([
      {
        verdict: 'ok',
        found: 'the newest 11 logs of 2 shards; wanted: audit 5, "" 1; dropped: access 3, evil\\u001b[31m 2',
      },
    ])
    expect(of('SLS routes')).toEqual([])
    expect(ends.sls.state().logstores[0]?.consumerGroups).toEqual([])
  })

  test('a filter that wants none of them is a warning that names the remedy', async () => {
    const { of, ok } = await (await endsWith({ audit: 5 })).check({ FILTER_TOPICS: 'adit' })
    expect(of('SLS topics')).toMatchObject(
      [{ verdict: 'warn', found: expect.stringContaining('dropped: audit 5'), advice: /FILTER_TOPICS wants none/ }].map(
        (line) => ({ ...line, advice: expect.stringMatching(line.advice) }),
      ),
    )
    expect(ok).toBe(true)
  })

  test('lists at most 100 topics', async () => {
    const topics = Object.fromEntries(Array.from({ length: 105 }, (_, n) => [`t${n}`, n === 0 ? 2 : 1]))
    const [line] = (await (await endsWith(topics)).check()).of('SLS topics')
    expect(line?.found.match(/\bt\d+ /g)).toHaveLength(100)
    expect(line?.found).toMatch(/ and 5 other topics$/)
  })

  test('a field whose values are JSON objects is named with the setting, unless EVENT_JSON_FIELDS has it', async () => {
    const ends = await endsWith({ audit: 5 })
    const { of } = await ends.check()
    expect(of('SLS JSON fields')).toMatchObject([
      {
        verdict: 'warn',
        found: expect.stringMatching(/^`event` looks like JSON/),
        advice: 'Set EVENT_JSON_FIELDS=event',
      },
    ])
    expect((await ends.check({ EVENT_JSON_FIELDS: 'event' })).of('SLS JSON fields')[0]).toMatchObject({ verdict: 'ok' })
    ends.sls.logstore().write([{ event: 'sometimes it is a line' }])
    expect((await ends.check()).of('SLS JSON fields')[0]).toMatchObject({ verdict: 'ok' })
  })

  test('Log Service refusing the sample makes nothing fail', async () => {
    const ends = await endsWith({ audit: 1 })
    const match = { api: 'PullLogs' }
    ends.sls.faults.add({
      match,
      after: 1,
      times: 0,
      action: { status: 500, code: 'InternalServerError', message: 'm' },
    })
    const { of, ok } = await ends.check()
    expect(of('SLS topics')).toMatchObject([{ verdict: 'skip', found: expect.stringContaining('InternalServerError') }])
    expect(ok).toBe(true)
  })
})

test('with a configuration file, each route tells how many logs it took, and an idle one is a warning', async () => {
  const ends = await endsWith({ audit: 6, access: 2 })
  const { SLS_ENDPOINT, SLS_PROJECT, SLS_LOGSTORE, SLS_AK_ID = '', SLS_AK_KEY = '' } = ends.sls.environment()
  const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN = '' } = ends.hec.environment()
  const file = join(ends.dir, 'bridge.yaml')
  const written = (shape: string) =>
    writeFileSync(
      file,
      `version: 1
sources: {trail: {endpoint: "${SLS_ENDPOINT}", project: ${SLS_PROJECT}, logstore: ${SLS_LOGSTORE}, group: siem, shape: [${shape}]}}
sinks: {splunk: {type: splunk_hec, url: "${SPLUNK_HEC_URL}", token: "\${TOKEN}"}}
routes:
  - {name: elsewhere, when: '@logstore = other', to: splunk}
  - {name: access, when: '__topic__ = access', drop: noise}
  - {name: denied, when: 'event.errorCode = Nothing', to: splunk}
  - {name: copies, when: 'event.errorCode startswith Forbidden', to: splunk, continue: true}
  - {name: rest, when: 'n >= 3', to: splunk}
unmatched: drop
`,
    )
  const env = {
    ...{ SLS_AK_ID, SLS_AK_KEY, TOKEN: SPLUNK_HEC_TOKEN },
    DEAD_LETTER_DIR: join(ends.dir, 'letters'),
    ADMIN_PORT: '0',
  }
  written('')
  const first = await ends.checkAlone(env, ['--config', file])
  expect(first.stderr).toBe('')
  expect(first.of('SLS routes')).toMatchObject([
    {
      verdict: 'warn',
      found: 'of 8 logs: access 2, denied 0, copies 6, rest 3, unmatched 3',
      advice: expect.stringMatching(/^No log came into denied\..*explain --source trail/),
    },
  ])
  expect(first.of('SLS JSON fields')[0]).toMatchObject({
    found: '`event` looks like JSON, and will be sent as text by the routes copies, rest',
    advice: 'Add `json: event` to the shape of the source trail, or of each route that is to send JSON.',
  })
  expect(first.of('SLS query')[0]?.found).toBe('the source has no query')
  written('{json: event}')
  const second = await ends.checkAlone(env, ['--config', file])
  expect(second.of('SLS JSON fields')[0]).toMatchObject({ verdict: 'ok' })
})

test('a tag of docker with the id of the container is a warning where no log has one', async () => {
  const ends = await Ends.start()
  const logstore = ends.sls.logstore()
  logstore.write([{ content: '{"a":1}', _source_: 'stdout', _container_name_: 'web' }], { topic: 'x' })
  const { SLS_ENDPOINT, SLS_PROJECT, SLS_LOGSTORE, SLS_AK_ID = '', SLS_AK_KEY = '' } = ends.sls.environment()
  const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN = '' } = ends.hec.environment()
  const file = join(ends.dir, 'containers.yaml')
  const env = {
    ...{ SLS_AK_ID, SLS_AK_KEY, TOKEN: SPLUNK_HEC_TOKEN },
    ...{ DEAD_LETTER_DIR: join(ends.dir, 'letters'), ADMIN_PORT: '0' },
  }
  const checked = async (docker: string) => {
    const source = `endpoint: "${SLS_ENDPOINT}", project: ${SLS_PROJECT}, logstore: ${SLS_LOGSTORE}, group: siem`
    const sink = `{type: splunk_hec, url: "${SPLUNK_HEC_URL}", token: "\${TOKEN}"}`
    const route = `{name: all, to: splunk, shape: [{docker: ${docker}}]}`
    writeFileSync(file, `version: 1\nsources: {pods: {${source}}}\nsinks: {splunk: ${sink}}\nroutes: [${route}]\n`)
    return await ends.checkAlone(env, ['--config', file])
  }
  const first = await checked('{format: inline}')
  expect(first.of('SLS container ids')).toMatchObject([
    { verdict: 'warn', found: '0 of 1 logs have `_container_id_`, so {{.ID}} is empty' },
  ])
  // The line is text because the format says so.
  expect(first.of('SLS JSON fields')[0]).toMatchObject({ verdict: 'ok' })
  expect((await checked('{tag: "{{.Name}}"}')).of('SLS container ids')).toEqual([])
  logstore.write([{ content: 'x', _container_id_: '0123456789abcdef' }], { topic: 'x' })
  expect((await checked('{}')).of('SLS container ids')).toMatchObject([{ verdict: 'ok' }])
})
