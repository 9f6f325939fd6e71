import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { MAIN } from '../support/bridge-process.ts'

/** All of what a person needs for a first replica, except the address of Log Service. */
const COMPLETE = {
  SLS_ENDPOINT: 'http://127.0.0.1:9',
  SLS_AK_ID: 'an-id',
  SLS_AK_KEY: 'a-key',
  SLS_PROJECT: 'audit-prod',
  SLS_LOGSTORE: 'audit-log',
  SLS_CG: 'siem',
  SPLUNK_HEC_URL: 'http://127.0.0.1:9',
  SPLUNK_HEC_TOKEN: 'a-token',
}

interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function lines(env: Record<string, string>): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** All that a command says in a new folder with these files. The folder's path is told as `FOLDER`. */
async function said(args: string[], files: Record<string, string>, env: Record<string, string> = {}): Promise<Said> {
  const folder = mkdtempSync(join(tmpdir(), 'first-hour-'))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  rmSync(folder, { recursive: true })
  const plain = (words: string) => words.replaceAll(folder, 'FOLDER')
  return { code, stdout: plain(stdout), stderr: plain(stderr) }
}

describe.concurrent('the whole of what is said about .env', () => {
  test('one bad line is one problem', async () => {
    const env = lines(COMPLETE).replace('SLS_AK_KEY=', 'SLS_AK_KEY: ')
    expect(await said(['run'], { '.env': env })).toEqual({
      code: 2,
      stdout: '',
      stderr: `The configuration has a problem:

  FOLDER/.env
      line 3 is not NAME=value
      allowed: NAME=value lines, # comments, and values in one kind of quotes

docs/configuration.md describes every variable.
`,
    })
  })

  test('a name that nothing reads is named, with the one that was meant', async () => {
    const { SPLUNK_HEC_TOKEN, FILTER_TOPICS, ...others } = { ...COMPLETE, FILTER_TOPICS: 'audit' }
    const env = lines({ ...others, SPLUNK_TOKEN: 'a-token', SLS_TOPIC: 'audit', SPLUNK_INDEX: 'main', SLS_XYZ: 'x' })
    expect(await said(['check', '--static'], { '.env': env })).toEqual({
      code: 2,
      stdout: 'not ready: 1 failed\n',
      stderr: `The configuration has a problem:

  SPLUNK_HEC_TOKEN
      is required and not set
      allowed: printable ASCII without spaces; the token alone
      example: SPLUNK_HEC_TOKEN=00000000-0000-0000-0000-000000000000

docs/configuration.md describes every variable.
Settings come from: FOLDER/.env, and the environment.

warning: SLS_TOPIC is not a variable of this program

warning: SLS_XYZ is not a variable of this program

warning: SPLUNK_INDEX in .env is not a variable of this program, and has no effect; did you mean SPLUNK_HEC_INDEX?

warning: SPLUNK_TOKEN in .env is not a variable of this program, and has no effect; did you mean SPLUNK_HEC_TOKEN?
`,
    })
  })

  test('a variable of the environment that counts more is named, without its value', async () => {
    const { code, stdout } = await said(['check', '--static'], { '.env': lines(COMPLETE) }, { SLS_CG: 'siem-2' })
    expect(stdout).toBe(
      `ok    configuration          audit-prod/audit-log → http://127.0.0.1:9
ok    settings               FOLDER/.env, and the environment, which overrides SLS_CG
ready
`,
    )
    expect(code).toBe(0)
  })

  test('that there is none', async () => {
    const { code, stderr } = await said(['lag'], {}, { ...COMPLETE, SLS_CG: '' })
    expect(stderr).toBe(`The configuration has a problem:

  SLS_CG
      is required and not set
      allowed: 2 to 63 of a-z, 0-9, _ and -; first and last a letter or digit
      example: SLS_CG=siem-bridge

docs/configuration.md describes every variable.
Settings come from: there is no FOLDER/.env: the environment alone counts.
`)
    expect(code).toBe(2)
  })
})
