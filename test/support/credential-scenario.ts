import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import type { BridgeProcess } from './bridge-process.ts'
import type { EndpointOptions } from './credential-endpoints.ts'
import { CredentialEndpoint } from './credential-endpoints.ts'
import { Scenario } from './scenario.ts'

/** Unsets the key pair of a scenario. */
export const NO_PAIR = { SLS_AK_ID: '', SLS_AK_KEY: '' }

/** An endpoint whose credentials the emulator takes until they expire. */
export async function endpointFor(sls: SlsEmulator, options: EndpointOptions = {}): Promise<CredentialEndpoint> {
  return CredentialEndpoint.start({ ...options, onGiven: (keys) => sls.credentials.set(keys.accessKeyId, keys) })
}

/** A scenario and a credentials URI for it. */
export async function withUri(options: EndpointOptions = {}) {
  const scenario = await Scenario.start({ sls: { shards: 2 } })
  const endpoint = await endpointFor(scenario.sls, options)
  const env = { ...NO_PAIR, ALIBABA_CLOUD_CREDENTIALS_URI: endpoint.url }
  return { scenario, endpoint, env }
}

/** A folder that goes away with the test. */
export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'credentials-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

/** The log and the pages of the admin server hold no secret of any credentials so far. */
export async function expectSilence(replica: BridgeProcess, endpoint: CredentialEndpoint): Promise<void> {
  const url = await replica.adminUrl()
  const pages = await Promise.all(['/', '/metrics', '/readyz'].map(async (path) => (await fetch(url + path)).text()))
  const shown = [replica.transcript(), ...pages].join('\n')
  for (const { accessKeySecret, securityToken } of endpoint.given) {
    expect(shown).not.toContain(accessKeySecret)
    expect(shown).not.toContain(securityToken)
  }
}
