import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { AccessKeyConfig } from '../../../src/config/credentials.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { Problem } from '../../../src/config/problems.ts'
import type { Peer } from '../../../src/config/setting.ts'
import type { Single } from './single.ts'
import { singleOf } from './single.ts'

/** The shortest environment that works. */
export const minimal = {
  SLS_ENDPOINT: 'https://cn-hangzhou.log.aliyuncs.com',
  SLS_AK_ID: 'an-id',
  SLS_AK_KEY: 'a-key',
  SLS_PROJECT: 'audit-prod',
  SLS_LOGSTORE: 'audit-log',
  SLS_CG: 'siem',
  SPLUNK_HEC_URL: 'https://splunk.example.com:8088',
  SPLUNK_HEC_TOKEN: 'a-token',
}

const surroundings = { hostname: 'host-1', pid: 42, nowSeconds: 1_780_000_000 }

type Given = Record<string, string | undefined>

export function accepted(extra: Given = {}, asked?: readonly Peer[]): { config: Single; warnings: string[] } {
  const loaded = loadConfig({ ...minimal, ...extra }, surroundings, asked)
  if ('problems' in loaded) throw new Error(`refused: ${JSON.stringify(loaded.problems)}`)
  return { ...loaded, config: singleOf(loaded.config) }
}

export function refused(extra: Given, asked?: readonly Peer[]): Problem[] {
  const loaded = loadConfig({ ...minimal, ...extra }, surroundings, asked)
  if ('config' in loaded) throw new Error('accepted')
  return loaded.problems
}

export function accessKeyOf({ sls: { credentials } }: Single): AccessKeyConfig {
  if (credentials.source !== 'access_key') throw new Error(`credentials come from ${credentials.source}`)
  return credentials
}

/** Names of the variables that were refused. */
export function blamed(extra: Given, asked?: readonly Peer[]): string[] {
  return refused(extra, asked).map(({ variable }) => variable)
}

/** A directory that goes away with the test, and a function that writes into it and returns the path. */
export function temporaryFiles(): { directory: string; write: (name: string, content: string | Buffer) => string } {
  const directory = mkdtempSync(join(tmpdir(), 'bridge-config-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return {
    directory,
    write(name, content) {
      const path = join(directory, name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, content)
      return path
    },
  }
}
