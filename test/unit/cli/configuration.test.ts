import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { configurationOf } from '../../../src/cli/configuration.ts'
import { lagCommand } from '../../../src/cli/lag.ts'
import { reconcileCommand } from '../../../src/cli/reconcile.ts'
import { readEnvironment } from '../../../src/config/environment.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { Secret } from '../../../src/core/secret.ts'
import { NO_TELEMETRY } from '../../../src/core/telemetry.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import { startSlsEmulator } from '../../../src/emulator/sls/server.ts'
import { credentialSources } from '../../../src/parts.ts'
import { SlsClient } from '../../../src/sls/client.ts'
import { fixedCredentials } from '../../../src/sls/credentials.ts'
import { minimal, temporaryFiles } from '../config/given-environment.ts'
import { singleOf } from '../config/single.ts'

const NOT_MOUNTED = '/no/such/mount.pem'
const SEARCH_TOKEN = 'the-search-token'

const COLLECTOR = {
  SPLUNK_HEC_URL: 'https://splunk.example.com:8088',
  SPLUNK_HEC_TOKEN_FILE: '/no/such/mount/token',
  SPLUNK_HEC_TLS_CA_FILE: NOT_MOUNTED,
  SPLUNK_HEC_TLS_CERT_FILE: NOT_MOUNTED,
  SPLUNK_HEC_TLS_KEY_FILE: NOT_MOUNTED,
}

async function ends() {
  const sls = await startSlsEmulator({ shards: 1 })
  const splunk = await startHecReceiver({ searchToken: SEARCH_TOKEN })
  onTestFinished(() => Promise.all([sls.close(), splunk.close()]).then(() => {}))
  const { url: endpoint, accessKeyId, accessKeySecret } = sls
  const { project, name: logstore } = sls.logstore()
  const credentials = fixedCredentials({ accessKeyId, accessKeySecret: new Secret(accessKeySecret) })
  const client = new SlsClient({ endpoint, project, logstore, credentials: credentials.get, userAgent: 'test' })
  await client.createConsumerGroup({ name: 'asked', timeoutSeconds: 60, inOrder: false })
  await client.close()
  return {
    splunk,
    env: {
      SLS_ENDPOINT: endpoint,
      SLS_AK_ID: accessKeyId,
      SLS_AK_KEY: accessKeySecret,
      SLS_PROJECT: project,
      SLS_LOGSTORE: logstore,
      SLS_CG: 'asked',
    },
  }
}

function io(env: Record<string, string>) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  return {
    streams: { env, stdout, stderr, signal: new AbortController().signal },
    said: () => `${stdout.read() ?? ''}${stderr.read() ?? ''}`,
  }
}

describe('on a machine without the files of a replica', () => {
  test('lag shows the group, whatever the settings of Splunk are', async () => {
    const { env } = await ends()
    const { streams, said } = io({ ...env, ...COLLECTOR, SPLUNK_SEARCH_TLS_CA_FILE: NOT_MOUNTED })
    const code = await lagCommand([], streams)
    expect({ code, said: said() }).toEqual({ code: 0, said: expect.stringMatching(/^SHARD/) })
  })

  test('reconcile asks the search head and not the collector', async () => {
    const { env, splunk } = await ends()
    const search = { SPLUNK_SEARCH_URL: splunk.url, SPLUNK_SEARCH_TOKEN: SEARCH_TOKEN }
    const asked = io({ ...env, ...COLLECTOR, ...search })
    const code = await reconcileCommand(['--from', '-1h'], asked.streams)
    expect({ code, said: asked.said() }).toEqual({ code: 0, said: expect.stringContaining('0') })
    const untrusted = io({ ...env, ...COLLECTOR, ...search, SPLUNK_SEARCH_TLS_CA_FILE: NOT_MOUNTED })
    expect(await reconcileCommand(['--from', '-1h'], untrusted.streams)).toBe(2)
    expect(untrusted.said()).toContain('SPLUNK_SEARCH_TLS_CA_FILE')
  })

  test('settings of a search head that is not asked may be wrong', async () => {
    const { env } = await ends()
    const { streams, said } = io({ ...env, SPLUNK_SEARCH_TLS_CA_FILE: NOT_MOUNTED })
    expect(await reconcileCommand(['--from', '-1h', '--print-spl'], streams)).toBe(0)
    expect(said()).toContain('| tstats')
  })
})

test('the vendor’s chain finds keys that only .env has', async () => {
  const { directory, write } = temporaryFiles()
  const { SLS_AK_ID, SLS_AK_KEY, ...others } = minimal
  const keys = { ALIBABA_CLOUD_ACCESS_KEY_ID: 'id-of-env-file', ALIBABA_CLOUD_ACCESS_KEY_SECRET: 'hush' }
  onTestFinished(() => {
    for (const name of [...Object.keys(keys), 'ALIBABA_CLOUD_ROLE_SESSION_NAME']) delete process.env[name]
  })
  const lines = Object.entries({ ...others, ...keys, SLS_CREDENTIALS: 'default' })
  write('.env', lines.map(([name, value]) => `${name}=${value}\n`).join(''))
  const loaded = loadConfig(readEnvironment({}, directory).env)
  if ('problems' in loaded) throw new Error('refused')
  expect((await credentialSources(NO_TELEMETRY)(singleOf(loaded.config).sls).get()).accessKeyId).toBe('id-of-env-file')
})

test('a replica does not look at settings that only reconcile needs', async () => {
  const { env, splunk } = await ends()
  const collector = { SPLUNK_HEC_URL: splunk.url, SPLUNK_HEC_TOKEN: splunk.token }
  const { streams, said } = io({ ...env, ...collector, SPLUNK_SEARCH_TLS_CA_FILE: NOT_MOUNTED })
  expect(singleOf((await configurationOf(streams)).config).hec.urls).toEqual([splunk.url])
  expect(said()).toBe('')
  const without = io({ ...env, ...collector, SPLUNK_HEC_TLS_CA_FILE: NOT_MOUNTED })
  await expect(configurationOf(without.streams)).rejects.toThrow('SPLUNK_HEC_TLS_CA_FILE')
})
