import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { syslogChecks } from '../../src/cli/check/syslog.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Fault } from '../../src/core/errors.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { issueCertificates } from './certificates.ts'
import { chosen } from './client.ts'
import { temporaryFolder } from './collector.ts'
import { freePort } from './listening.ts'
import type { Input } from './rsyslog.ts'
import { Rsyslog } from './rsyslog.ts'
import type { SyslogNgInput } from './syslog-ng.ts'
import { SyslogNg } from './syslog-ng.ts'

const as = (url: string, scheme: string): string => url.replace(/^[a-z+]+:/, `${scheme}:`)

/** A server that reads, and never answers a FIN. */
async function deafServer(): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.resume().on('error', () => {}))
  server.listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test.runIf(chosen('syslog'))('check names what is wrong with rsyslog and syslog-ng, with a remedy', async () => {
  const folder = temporaryFolder()
  const certificates = await issueCertificates(folder)
  const { ca, client, server } = certificates
  const rsyslog = await Rsyslog.start({ folder, certificates })
  onTestFinished(() => rsyslog.end('SIGKILL'))
  const syslogNg = await SyslogNg.start(folder, certificates)
  onTestFinished(() => syslogNg.end())
  const sls = await startSlsEmulator({ projects: { conformance: { audit: {} } } })
  onTestFinished(() => sls.close())

  const trusting = { SYSLOG_TLS_CA_FILE: ca }
  const own = { ...trusting, SYSLOG_TLS_CERT_FILE: client.cert, SYSLOG_TLS_KEY_FILE: client.key }
  const foreign = { ...trusting, SYSLOG_TLS_CERT_FILE: server.cert, SYSLOG_TLS_KEY_FILE: server.key }
  const rs = (input: Input): string => rsyslog.url(input)
  const ng = (input: SyslogNgInput): string => syslogNg.url(input)
  const nowhere = `127.0.0.1:${await freePort()}`
  const CLOSED = /^FAIL +syslog.*nothing listens there.*\n +→ .*SYSLOG_URL/m
  const AUTHORITY = /^FAIL +syslog TLS .*no CA that we trust.*\n +→ .*SYSLOG_TLS_CA_FILE/m
  const PLAIN = /^FAIL +syslog TLS .*makes no TLS handshake\n +→ .*SYSLOG_URL has tcp:/m
  const TLS = /^FAIL +syslog .*this port speaks TLS\n +→ Use tls:.*SYSLOG_URL/m
  const CERTIFICATE = /^FAIL +syslog .*TLS.*\n +→ .*SYSLOG_TLS_CERT_FILE/m

  const cases: Array<[url: string, env: Record<string, string>, says: RegExp]> = [
    [`tcp://${nowhere}`, {}, CLOSED],
    [`tls://${nowhere}`, trusting, CLOSED],
    [`relp://${nowhere}`, {}, CLOSED],
    ...[rs('tls'), rs('tls-ossl'), rs('relp-tls'), ng('tls')].map((url) => [url, {}, AUTHORITY] as const),
    ...[rs('tcp'), ng('tcp'), ng('lines')].map((url) => [as(url, 'tls'), trusting, PLAIN] as const),
    [as(rs('relp'), 'relp+tls'), trusting, /^FAIL +syslog TLS .*handshake.*\n +→ .*SYSLOG_URL/m],
    ...[rs('tls'), rs('tls-ossl'), rs('mtls'), ng('tls')].map((url) => [as(url, 'tcp'), {}, TLS] as const),
    [as(rs('relp-tls'), 'relp'), {}, /^FAIL +syslog .*\n +→ .*relp\+tls:/m],
    [as(rs('tcp'), 'relp'), {}, /^FAIL +syslog .*did not answer RELP.*\n +→ .*tcp:/m],
    [as(rs('relp'), 'tcp'), {}, /^FAIL +syslog .*speaks RELP\n +→ Use relp:.*SYSLOG_URL/m],
    ...[rs('mtls'), rs('mtls-ossl'), rs('relp-mtls'), ng('mtls')].map((url) => [url, trusting, CERTIFICATE] as const),
    [rs('mtls'), foreign, CERTIFICATE],
    [
      await deafServer(),
      {},
      /^warn +syslog .*SYSLOG_CONFIRM=drain will confirm nothing\n +→ .*SYSLOG_CONFIRM=written/m,
    ],
    ...[rs('mtls'), rs('mtls-ossl'), ng('mtls')].map((url) => [url, own, /^ok +syslog .*confirms by drain/m] as const),
    ...[rs('tcp'), ng('tcp'), ng('lines')].map((url) => [url, {}, /^ok +syslog .*confirms by drain/m] as const),
    [rs('relp-mtls'), own, /^ok +syslog .*answers each message by RELP/m],
  ].map(([url, env, says]) => [url, env, says] as [string, Record<string, string>, RegExp])

  const said = await Promise.all(cases.map(([url, env]) => checked({ ...sls.environment(), SYSLOG_URL: url, ...env })))
  for (const [nth, [url, , says]] of cases.entries()) expect(said[nth], url).toMatch(says)
  // The greeting of TLS is text for a port without it.
  expect(rsyslog.records().filter(({ input }) => input !== 'tcp')).toEqual([])
})

/** The lines of `check` about the collector, each with its advice, up to the first that fails. */
async function checked(env: Record<string, string>): Promise<string> {
  const loaded = loadConfig({ ...env, SLS_CG: 'siem' })
  const [sink] = 'config' in loaded ? loaded.config.sinks : []
  if (sink?.type !== 'syslog') throw new Error(JSON.stringify(loaded))
  const { signal } = new AbortController()
  const lines: string[] = []
  for (const { about, run } of syslogChecks(sink, false)) {
    const { verdict, found, advice } = await run(signal).catch(({ message, advice }: Fault) => {
      return { verdict: 'FAIL', found: message, advice }
    })
    lines.push(`${verdict} ${about} ${found}\n → ${advice}`)
    if (verdict === 'FAIL') break
  }
  return lines.join('\n')
}
