import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import { selfSigned } from '../emulator/hec/certificate.ts'
import { Ends, failures } from './check-ends.ts'

describe('check against working ends', () => {
  test('does not fail, ingests nothing and makes no group', async () => {
    const ends = await Ends.start({ ack: true })
    const checked = await ends.check()
    expect(failures(checked)).toEqual([])
    expect(checked).toMatchObject({ code: 0, ok: true })
    for (const line of checked.checks) {
      expect(Object.keys(line)).toEqual(['check', 'verdict', 'found', 'advice', 'code'])
    }
    expect(ends.hec.state().events).toBe(0)
    expect(ends.sls.state().logstores[0]?.consumerGroups).toEqual([])
  })

  test('says which permissions it cannot try', async () => {
    const { of } = await (await Ends.start()).check()
    expect(of('SLS write permission')[0]).toMatchObject({ verdict: 'skip' })
    expect(of('SLS write permission')[0]?.found).toContain('log:ConsumerGroupUpdateCheckPoint')
  })
})

describe('check of Log Service', () => {
  test('fails once when the service cannot be reached, and skips the rest', async () => {
    const ends = await Ends.start()
    const checked = await ends.check({ SLS_ENDPOINT: 'http://127.0.0.1:9' })
    expect(failures(checked)).toEqual(['SLS address'])
    expect(checked.of('SLS clock')[0]).toMatchObject({ verdict: 'skip' })
    expect(checked.of('SLS credentials')[0]).toMatchObject({ verdict: 'skip' })
    expect(checked.of('HEC token')[0]).toMatchObject({ verdict: 'ok' })
    expect(checked.code).toBe(1)
  })

  test.each([
    [{}, 'ok', /^V1 \(HMAC-SHA1, and MD5 of bodies\), because the region is not known/],
    [{ SLS_REGION: 'cn-hangzhou' }, 'ok', /^V4 \(HMAC-SHA256\) for cn-hangzhou$/],
    [
      { SLS_ENDPOINT: 'https://cn-shanghai-intranet.log.aliyuncs.com' },
      'warn',
      /although the endpoint tells the region/,
    ],
  ])('says how requests are signed: %j', async (settings, verdict, found) => {
    const ends = await Ends.start()
    // No name of the cloud is asked: the proxy refuses.
    const proxy = { HTTPS_PROXY: 'http://127.0.0.1:9' }
    const [line] = (await ends.check({ ...settings, ...proxy })).of('SLS signature')
    expect(line).toMatchObject({ verdict, found: expect.stringMatching(found) })
    if (verdict === 'warn') expect(line?.advice).toBe('Set SLS_REGION=cn-shanghai: V4 signs with SHA-256.')
  })

  test('fails for a project of another region', async () => {
    const ends = await Ends.start()
    const checked = await ends.check({ SLS_PROJECT: 'not-here' })
    expect(failures(checked)).toEqual(['SLS project'])
    expect(checked.of('SLS project')[0]).toMatchObject({ code: 'ProjectNotExist' })
    expect(checked.of('SLS project')[0]?.advice).toMatch(/SLS_PROJECT .*SLS_ENDPOINT is the endpoint of its region/)
  })

  test('names the RAM action of a missing permission', async () => {
    const ends = await Ends.start()
    const match = { api: 'PullLogs' }
    ends.sls.faults.add({ match, action: { status: 401, code: 'Unauthorized', message: 'denied' } })
    const checked = await ends.check()
    expect(failures(checked)).toEqual(['SLS read permission'])
    expect(checked.of('SLS read permission')[0]?.advice).toContain('log:GetCursorOrData')
  })

  test('tells a refused SLS_QUERY from a missing permission', async () => {
    const ends = await Ends.start()
    const checked = await ends.check({ SLS_QUERY: '* | wher x' })
    expect(checked.of('SLS read permission')[0]).toMatchObject({ verdict: 'ok' })
    expect(checked.of('SLS query')[0]).toMatchObject({ verdict: 'fail', code: 'ParameterInvalid' })
    expect(checked.of('SLS query')[0]?.advice).toContain('SLS_QUERY')
  })

  test('warns of a group with another timeout and order, and says what will change', async () => {
    const ends = await Ends.start()
    ends.sls.logstore().createGroup({ name: 'checked', timeoutSeconds: 30, order: true })
    const [group] = (await ends.check()).of('SLS consumer group')
    expect(group).toMatchObject({ verdict: 'warn' })
    expect(group?.found).toMatch(/timeout from 30 to 60 s.*order from true to false/)
  })

  test('fails for a clock that SLS refuses, and warns of one that is nearly refused', async () => {
    const ends = await Ends.start()
    const skewed = async (ms: number) => {
      ends.sls.faults.add({ id: 'clock', times: 0, action: { clockSkewMs: ms } })
      return (await ends.check()).of('SLS clock')[0]
    }
    expect(await skewed(16 * 60_000)).toMatchObject({ verdict: 'fail', found: expect.stringContaining('behind') })
    expect(await skewed(-5 * 60_000)).toMatchObject({ verdict: 'warn', found: expect.stringContaining('ahead') })
  })

  test('warns if the usual quota has no room for the group, since the vendor raises quotas', async () => {
    const ends = await Ends.start()
    const logstore = ends.sls.logstore()
    for (let i = 0; i < 30; i++) logstore.createGroup({ name: `other-${i}`, timeoutSeconds: 60, order: false })
    const checked = await ends.check()
    expect(checked.of('SLS consumer group')[0]).toMatchObject({ verdict: 'warn' })
    expect(checked.of('SLS consumer group')[0]?.advice).toMatch(/quota was raised.*delete one/)
    expect(checked.code).toBe(0)
  })

  test('warns of a logstore that takes no more logs', async () => {
    const ends = await Ends.start()
    const logstore = ends.sls.logstore()
    for (const { id } of logstore.shards()) logstore.seal(id)
    expect((await ends.check()).of('SLS credentials')[0]).toMatchObject({ verdict: 'warn' })
  })
})

describe('check of the collector', () => {
  test('fails for a wrong token and for a disabled token', async () => {
    const ends = await Ends.start()
    const wrong = await ends.check({ SPLUNK_HEC_TOKEN: 'not-the-token' })
    expect(failures(wrong)).toEqual(['HEC token'])
    expect(wrong.of('HEC token')[0]).toMatchObject({ code: '4' })
    expect(JSON.stringify(wrong.checks)).not.toContain('not-the-token')
    ends.hec.setToken({ disabled: true })
    expect((await ends.check()).of('HEC token')[0]).toMatchObject({ verdict: 'fail', code: '1' })
  })

  test('compares acknowledgement with SPLUNK_HEC_ACK', async () => {
    const off = await Ends.start()
    expect((await off.check({ SPLUNK_HEC_ACK: 'true' })).of('HEC token')[0]).toMatchObject({ verdict: 'fail' })
    const on = await Ends.start({ ack: true })
    const [ignored] = (await on.check({ SPLUNK_HEC_ACK: 'false' })).of('HEC token')
    expect(ignored).toMatchObject({ verdict: 'warn' })
    expect(ignored?.advice).toContain('SPLUNK_HEC_ACK')
  })

  test('warns if gzip is refused', async () => {
    const ends = await Ends.start()
    ends.hec.faults.add({ match: { encoding: 'gzip' }, times: 0, action: { status: 415 } })
    const [token] = (await ends.check()).of('HEC token')
    expect(token).toMatchObject({ verdict: 'warn', advice: expect.stringContaining('SPLUNK_HEC_GZIP') })
  })

  test.each([
    ['a proxy or max_content_length', { maxContentLength: 500_000 }],
    ['Splunk Cloud', { cloudCap: 500_000 }],
  ])('a smaller limit of %s than SPLUNK_HEC_MAX_BYTES is a warning', async (_, options) => {
    const ends = await Ends.start(options)
    const [size] = (await ends.check()).of('HEC body size')
    expect(size).toMatchObject({ verdict: 'warn', advice: expect.stringContaining('SPLUNK_HEC_MAX_BYTES') })
    expect((await ends.check({ SPLUNK_HEC_MAX_BYTES: '400000' })).of('HEC body size')[0]).toMatchObject({
      verdict: 'ok',
    })
    expect(ends.hec.state().events).toBe(0)
  })

  test('warns of a full queue', async () => {
    const ends = await Ends.start()
    ends.hec.faults.add({ match: { endpoint: 'health' }, action: { code: 18 } })
    const checked = await ends.check()
    expect(checked.of('HEC health')[0]).toMatchObject({
      verdict: 'warn',
      found: expect.stringContaining('queues are full'),
    })
    expect(checked.code).toBe(0)
  })

  test('warns of several URLs that differ', async () => {
    const ends = await Ends.start({ ack: true })
    const other = await startHecReceiver({ token: ends.hec.token })
    onTestFinished(() => other.close())
    const checked = await ends.check({ SPLUNK_HEC_URL: `${ends.hec.url},${other.url}` })
    expect(checked.of('HEC URLs')[0]).toMatchObject({
      verdict: 'warn',
      found: expect.stringContaining('acknowledgement'),
    })
  })

  test('names the URL that has a fault', async () => {
    const ends = await Ends.start()
    const other = await startHecReceiver({ token: 'another-token' })
    onTestFinished(() => other.close())
    const checked = await ends.check({ SPLUNK_HEC_URL: `${ends.hec.url},${other.url}` })
    expect(checked.of('HEC token').map(({ verdict, found }) => [verdict, found])).toEqual([
      ['ok', expect.stringContaining(ends.hec.url)],
      ['fail', expect.stringContaining(other.url)],
    ])
  })

  test('fails for the index only if HEC refuses it without an event', async () => {
    const ends = await Ends.start({ indexes: ['main'] })
    const silent = await ends.check({ SPLUNK_HEC_INDEX: 'audit' })
    expect(silent.of('HEC index')[0]).toMatchObject({ verdict: 'skip' })
    ends.hec.faults.add({ match: { endpoint: 'event' }, after: 2, action: { code: 7 } })
    const told = await ends.check({ SPLUNK_HEC_INDEX: 'audit' })
    expect(told.of('HEC index')[0]).toMatchObject({ verdict: 'fail', code: '7' })
    expect(ends.hec.faults.unfired()).toEqual([])
  })
})

describe('check --send-test-event', () => {
  test('ingests one marked event, waits for its acknowledgement and says where to find it', async () => {
    const ends = await Ends.start({ ack: true, ackDelayMs: 100, indexes: ['audit'] })
    const checked = await ends.check({ SPLUNK_HEC_INDEX: 'audit' }, ['--send-test-event'])
    const [sent] = checked.of('HEC test event')
    expect(sent).toMatchObject({ verdict: 'ok', found: expect.stringMatching(/acknowledged after 0\.\d s/) })
    expect(ends.hec.events).toHaveLength(1)
    const { envelope, request } = ends.hec.events[0] as (typeof ends.hec.events)[0]
    expect(envelope).toMatchObject({ index: 'audit', sourcetype: 'aliyun:sls' })
    expect(JSON.stringify(envelope.event)).toContain('test event')
    expect(sent?.found).toContain(`index=audit sls_event_id::"${envelope.fields?.['sls_event_id']}"`)
    expect(request.ack?.toldAtMs).toBeDefined()
  })

  test('fails for an index without the right to write', async () => {
    const ends = await Ends.start({ indexes: ['main'] })
    const checked = await ends.check({ SPLUNK_HEC_INDEX: 'audit' }, ['--send-test-event'])
    expect(checked.of('HEC test event')[0]).toMatchObject({ verdict: 'fail', code: '7' })
    expect(ends.hec.state().events).toBe(0)
  })

  test('fails without an acknowledgement, as behind a balancer without sticky sessions', async () => {
    const ends = await Ends.start({ ack: true, ackDelayMs: Number.POSITIVE_INFINITY })
    const checked = await ends.check({ SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '0.4' }, ['--send-test-event'])
    expect(checked.of('HEC test event')[0]).toMatchObject({
      verdict: 'fail',
      advice: expect.stringContaining('sticky'),
    })
  })
})

describe('check of TLS', () => {
  async function secure(until?: Date): Promise<{ ends: Ends; ca: string }> {
    const tls = selfSigned('splunk.internal', until)
    const ends = await Ends.start({ tls })
    const ca = join(ends.dir, 'ca.pem')
    writeFileSync(ca, tls.cert)
    return { ends, ca }
  }

  test('names the certificate and its end once it is trusted', async () => {
    const { ends, ca } = await secure()
    const untrusted = await ends.check()
    expect(failures(untrusted)).toEqual(['HEC TLS'])
    expect(untrusted.of('HEC TLS')[0]?.advice).toContain('SPLUNK_HEC_TLS_CA_FILE')
    expect(untrusted.of('HEC token')[0]).toMatchObject({ verdict: 'skip' })
    const trusted = await ends.check({ SPLUNK_HEC_TLS_CA_FILE: ca })
    expect(trusted.of('HEC TLS')[0]).toMatchObject({ verdict: 'ok' })
    expect(trusted.of('HEC TLS')[0]?.found).toMatch(/TLSv1\.3, splunk\.internal, valid until 2049-12-31/)
    expect(failures(trusted)).toEqual([])
  })

  test('fails for a certificate with another name', async () => {
    const { ends, ca } = await secure()
    const checked = await ends.check({ SPLUNK_HEC_TLS_CA_FILE: ca, SPLUNK_HEC_TLS_SERVER_NAME: 'splunk.example.com' })
    expect(checked.of('HEC TLS')[0]).toMatchObject({ verdict: 'fail', advice: expect.stringContaining('another name') })
  })

  test('warns of a certificate that expires soon', async () => {
    const { ends, ca } = await secure(new Date(Date.now() + 5.5 * 86_400_000))
    const [soon] = (await ends.check({ SPLUNK_HEC_TLS_CA_FILE: ca })).of('HEC TLS')
    expect(soon).toMatchObject({ verdict: 'warn', found: expect.stringContaining('in 5 days') })
  })

  test('says what verification would say when it is off', async () => {
    const { ends } = await secure()
    const checked = await ends.check({ SPLUNK_HEC_TLS_VERIFY: 'false' })
    expect(checked.of('HEC TLS')[0]).toMatchObject({ verdict: 'warn', found: expect.stringMatching(/SELF_SIGNED/) })
    expect(checked.code).toBe(0)
  })

  test('fails for http:// at a TLS port, and for https:// at a port without TLS', async () => {
    const { ends } = await secure()
    const plain = await ends.check({ SPLUNK_HEC_URL: ends.hec.url.replace('https:', 'http:') })
    expect(plain.of('HEC address')[0]).toMatchObject({ verdict: 'fail', advice: 'Use https:// in SPLUNK_HEC_URL.' })
    const other = await Ends.start()
    const tls = await other.check({ SPLUNK_HEC_URL: other.hec.url.replace('http:', 'https:') })
    expect(tls.of('HEC TLS')[0]).toMatchObject({ verdict: 'fail', advice: expect.stringContaining('scheme and port') })
  })
})

describe('check of this machine', () => {
  test('fails for an admin port that was set and that another program has', async () => {
    const ends = await Ends.start()
    const other = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const checked = await ends.check({ ADMIN_PORT: String(port) })
    expect(checked.of('admin port')[0]).toMatchObject({
      verdict: 'fail',
      advice: expect.stringContaining('ADMIN_PORT'),
    })
  })

  test('fails for a dead-letter folder that cannot exist', async () => {
    const ends = await Ends.start()
    writeFileSync(join(ends.dir, 'file'), '')
    const checked = await ends.check({ DEAD_LETTER_DIR: join(ends.dir, 'file', 'letters') })
    expect(checked.code).not.toBe(0)
    expect(JSON.stringify(checked.checks)).toContain('DEAD_LETTER_DIR')
  })
})

describe('check --wait', () => {
  test('tries again after a fault that passes', async () => {
    const ends = await Ends.start()
    ends.hec.faults.add({ match: { endpoint: 'ack' }, times: 1, action: { status: 503 } })
    expect(failures(await ends.check())).toEqual(['HEC address'])
    ends.hec.faults.add({ match: { endpoint: 'ack' }, times: 1, action: { status: 503 } })
    expect(failures(await ends.check({}, ['--wait', '30']))).toEqual([])
  })

  test('does not wait for a fault that a person has to fix', async () => {
    const ends = await Ends.start()
    const begun = performance.now()
    expect(failures(await ends.check({ SPLUNK_HEC_TOKEN: 'wrong' }, ['--wait', '600']))).toEqual(['HEC token'])
    expect(performance.now() - begun).toBeLessThan(9_000)
  })
})

test('a wrong configuration gives a document too, and exit code 2', async () => {
  const ends = await Ends.start()
  const checked = await ends.check({ SPLUNK_HEC_URL: 'ftp://splunk' })
  expect(checked).toMatchObject({ code: 2, ok: false })
  expect(checked.checks).toMatchObject([{ check: 'configuration', verdict: 'fail', code: 'SPLUNK_HEC_URL' }])
  expect(checked.stderr).toContain('SPLUNK_HEC_URL')
})
