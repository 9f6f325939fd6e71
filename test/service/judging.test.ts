import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HecReceiver } from '../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import type { Fact } from './fact.ts'
import { cannot, complaint, judge, summary, table } from './fact.ts'
import { HecService } from './hec-service.ts'
import { TestLogstore } from './sls-logstore.ts'
import { SlsService } from './sls-service.ts'
import { subjectOf } from './subject.ts'

const SLS = { SLS_ENDPOINT: 'https://sls.example', SLS_AK_ID: 'id', SLS_AK_KEY: 'the-secret', SLS_PROJECT: 'audit' }
const HEC = { SPLUNK_HEC_URL: 'https://splunk.example:8088', SPLUNK_HEC_TOKEN: 'the-token' }

function fact(observe: Fact['observe'], rest: Partial<Fact> = {}): Fact {
  const where = { source: 'somewhere', mark: 'unverified' as const, reliedOnBy: ['src/that.ts'] }
  return { id: 'sls/this', says: 'It is so', believed: ['200', '201'], observe, ...where, ...rest }
}

describe('choosing the service to test', () => {
  test('without credentials the emulator is tested', () => {
    expect(subjectOf({ PATH: '/bin', SLS_ENDPOINT: '' })).toMatchObject({ sls: undefined, hec: undefined })
  })

  test('with credentials nothing happens until writing is allowed, and the message says what would be written', () => {
    expect(() => subjectOf({ ...SLS, ...HEC })).toThrow(
      /SERVICE_TEST_WRITE=yes is not set.*project audit of https:\/\/sls\.example .*sls-siem-bridge-conformance-.*deletes all of it.*splunk\.example:8088.*cannot delete/,
    )
    expect(() => subjectOf({ ...SLS, SERVICE_TEST_WRITE: 'yes please' })).toThrow(/SERVICE_TEST_WRITE/)
    const subject = subjectOf({ ...SLS, ...HEC, SERVICE_TEST_WRITE: 'yes', SLS_REGION: 'cn-x' })
    expect(subject).toMatchObject({ sls: { project: 'audit', region: 'cn-x' }, hec: { token: 'the-token' } })
  })

  test('incomplete credentials are refused, without showing secrets', () => {
    const { SLS_PROJECT: _, ...half } = SLS
    expect(() => subjectOf({ ...half, SERVICE_TEST_WRITE: 'yes' })).toThrow(
      'SLS_ENDPOINT, SLS_AK_ID, SLS_AK_KEY given, but not SLS_PROJECT',
    )
    const search = { SPLUNK_SEARCH_URL: 'https://splunk.example:8089', SPLUNK_SEARCH_USER: 'me' }
    expect(() => subjectOf({ ...HEC, ...search, SERVICE_TEST_WRITE: 'yes' })).toThrow(/SPLUNK_SEARCH_PASSWORD/)
  })
})

describe('testing a fact', () => {
  test('any of the expected observations agrees', async () => {
    const verdict = await judge(fact(async () => '201'))
    expect([verdict.outcome, complaint(verdict, false)]).toEqual(['agrees', undefined])
  })

  test('a difference names the assumption, the observation, and the files that rely on it', async () => {
    const verdict = await judge(fact(async () => '404'))
    const said = complaint(verdict, false)
    expect(said).toMatch(/sls\/this: our picture of the service is wrong.*It is so \(somewhere, unverified\)/s)
    expect(said).toMatch(/200 \| 201.*404.*src\/that\.ts/s)
    expect(complaint(verdict, true)).toMatch(/either the definition or the emulator is wrong/)
  })

  test('an unobservable fact is no failure on a real service; on the emulator it needs a reason', async () => {
    const blind = async () => cannot('needs a day')
    const verdict = await judge(fact(blind))
    expect([verdict.outcome, verdict.observed, complaint(verdict, false)]).toEqual([
      'not seen',
      'needs a day',
      undefined,
    ])
    expect(complaint(verdict, true)).toMatch(/needs a day/)
    expect(complaint(await judge(fact(blind, { notOurs: 'never' })), true)).toBeUndefined()
  })

  test('an observation that throws is a failure', async () => {
    const verdict = await judge(fact(() => Promise.reject(new Error('ECONNREFUSED'))))
    expect([verdict.outcome, complaint(verdict, false)]).toEqual(['failed', expect.stringContaining('ECONNREFUSED')])
  })

  test('the table has a line for each, and the summary counts them', async () => {
    const verdicts = [
      await judge(fact(async () => '200')),
      await judge(fact(async () => '201')),
      await judge(fact(async () => '5')),
    ]
    expect(table(verdicts).split('\n')).toEqual([
      'outcome  fact      ?  believed   observed (= as believed)',
      'agrees   sls/this  ?  200 | 201  =',
      'agrees   sls/this  ?  200 | 201  201',
      'DIFFERS  sls/this  ?  200 | 201  5',
    ])
    expect(summary(verdicts)).toBe(
      '3 facts (3 of them unverified): 2 agree, 1 differ, 0 cannot be observed here, 0 failed',
    )
  })
})

describe('a real Log Service', () => {
  async function realService() {
    const emulator = await startSlsEmulator()
    onTestFinished(() => emulator.close())
    const { SLS_LOGSTORE: _, ...access } = emulator.environment()
    const sls = await SlsService.start(subjectOf({ ...access, SERVICE_TEST_WRITE: 'yes' }))
    return { sls, names: () => emulator.state().logstores.map(({ logstore }) => logstore) }
  }

  test('gets logstores with recognisable names, which are deleted at the end', async () => {
    const { sls, names } = await realService()
    const store = await TestLogstore.create(sls, 'logs', 1)
    await store.createGroup()
    const body = { logstoreName: `${sls.prefix}-Refused`, ttl: 1, shardCount: 1 }
    expect(await sls.call({ method: 'POST', path: '/logstores', body })).toMatchObject({ code: 'LogStoreInfoInvalid' })
    expect(names()).toEqual(['audit', expect.stringMatching(/^sls-siem-bridge-conformance-[0-9a-z]+-logs$/)])
    await sls.close()
    expect(names()).toEqual(['audit'])
  })

  test('the message names a logstore that cannot be deleted', async () => {
    const { sls } = await realService()
    const name = await sls.createLogstore('logs', 1)
    sls.access.project = 'another'
    await expect(sls.close()).rejects.toThrow(`delete these logstores yourself: ${name} (404 ProjectNotExist)`)
  })

  test.for([
    ['POST', '/logstores/audit/shards/lb'],
    ['DELETE', '/logstores/audit'],
    ['POST', '/logstores/audit/consumergroups'],
    ['PUT', '/logstores/audit/consumergroups/cg'],
    ['DELETE', '/'],
    ['POST', '/logstores'],
  ] as const)('%s %s is never sent: it changes foreign objects', async ([method, path]) => {
    const { sls, names } = await realService()
    const call = sls.call({ method, path, body: { logstoreName: 'other' } })
    await expect(call).rejects.toThrow(/would change what this run has not created/)
    await sls.close()
    expect(names()).toEqual(['audit'])
  })
})

describe('a real Splunk', () => {
  test('is searched until the last posted event is found; missing events were not indexed', async () => {
    const receiver = await startHecReceiver()
    onTestFinished(() => receiver.close())
    const search = await searchOf(receiver)
    const url = { SPLUNK_HEC_URL: receiver.url, SPLUNK_HEC_TOKEN: receiver.token, SPLUNK_SEARCH_URL: search.url }
    const subject = subjectOf({ ...url, SPLUNK_SEARCH_TOKEN: 'search-token', SERVICE_TEST_WRITE: 'yes' })
    const hec = await HecService.start(subject)
    onTestFinished(() => hec.close())
    const [mark, other] = [hec.mark(), hec.mark()]
    await hec.post([{ event: `${other} of another fact` }])
    await hec.post([
      { event: `${mark} first`, time: 1.5, host: 'h', fields: { conformance_long: 'xx' } },
      { event: '' },
    ])
    expect(await hec.indexed(mark)).toEqual([{ raw: `${mark} first`, time: '1.500000000', host: 'h', long: 'xx' }])
    expect(search.authorizations).toEqual(new Set(['Bearer search-token']))
  })

  test('without a search fails before anything is posted', async () => {
    const hec = await HecService.start(subjectOf({ ...HEC, SERVICE_TEST_WRITE: 'yes' }))
    expect(() => hec.needSearch()).toThrow('SPLUNK_SEARCH_URL')
    await hec.close()
  })
})

/** A Splunk search export of the receiver's events: previews first, and the newest event only in the second search. */
async function searchOf(receiver: HecReceiver): Promise<{ url: string; authorizations: Set<string | undefined> }> {
  const authorizations = new Set<string | undefined>()
  let looks = 0
  const exported = (form: URLSearchParams): string => {
    const word = /^search index=\* TERM\((\w+)\) \|/.exec(form.get('search') ?? '')?.[1] ?? 'none'
    const known = looks++ === 0 ? receiver.events.slice(0, -1) : receiver.events
    const results = known.flatMap(({ envelope: { event, time, host, fields } }) =>
      String(event).split(' ').includes(word)
        ? [{ raw: event, time: Number(time).toFixed(9), host, long: fields?.['conformance_long'] }]
        : [],
    )
    const lines = [true, false].flatMap((preview) => results.map((result) => JSON.stringify({ preview, result })))
    return `${lines.join('\n')}\n{"preview":false,"lastrow":true}\n`
  }
  const server = createServer((request, response) => {
    authorizations.add(request.headers.authorization)
    void text(request).then((body) => response.end(exported(new URLSearchParams(body))))
  })
  server.listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, authorizations }
}
