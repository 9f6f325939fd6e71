import { once } from 'node:events'
import { chmodSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { checkCommand } from '../../../src/cli/check.ts'
import type { Command } from '../../../src/cli/command.ts'
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts'
import { explainCommand } from '../../../src/cli/explain.ts'
import { hecReceiverCommand } from '../../../src/cli/hec-receiver.ts'
import { lagCommand } from '../../../src/cli/lag.ts'
import { reconcileCommand } from '../../../src/cli/reconcile.ts'
import { syslogReceiverCommand } from '../../../src/cli/syslog-receiver.ts'
import { testCommand } from '../../../src/cli/test.ts'
import { startSlsEmulator } from '../../../src/emulator/sls/server.ts'
import { Happenings } from '../../support/happenings.ts'
import { temporaryFiles } from '../config/given-environment.ts'

/** Clears a line and goes up, with escapes of one byte and of two, turns the text around, and forges a line. */
const HOSTILE = 'h\u001b[2K\u009b1A\u202e\u200f\u2028\r\n0  FORGED  caught up\u0007'
const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

async function ran(command: Command, args: readonly string[], env: Record<string, string> = {}, isTTY = true) {
  const [stdout, stderr] = [Object.assign(new PassThrough(), { isTTY }), new PassThrough()]
  const code = await command(args, { env, stdout, stderr, signal: new AbortController().signal })
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

/** All that a command says: `forged` can stand in its lines, and can begin none. */
function expectHarmless(...said: string[]): void {
  expect(said.join('')).toContain('FORGED')
  for (const line of said.join('').split('\n')) {
    expect(line).not.toMatch(OBEYED)
    expect(line).not.toMatch(/^0? *FORGED/)
  }
}

const FILE = `version: 1
sources: {web: {endpoint: a.b, project: web, logstore: access, group: siem}}
sinks: {splunk: {type: splunk_hec, url: "https://a:1", token: "\${NOT_SET}"}}
routes: [{name: rest, when: field contains h, to: splunk}]
unmatched: drop
tests: [{name: t, source: web, log: {field: ${JSON.stringify(HOSTILE)}, ${JSON.stringify(HOSTILE)}: x}, expect: [{event: {field: y}}]}]
`

describe('what a log holds has no power over the terminal', () => {
  const log = JSON.stringify({ field: HOSTILE, [HOSTILE]: HOSTILE })

  test('in explain, whose event stays the same JSON, and the same bytes for a program', async () => {
    const config = temporaryFiles().write('bridge.yaml', FILE)
    const args = ['--config', config, '--source', 'web', '--log', log]
    const { code, out } = await ran(explainCommand, args)
    expect(code).toBe(0)
    expectHarmless(out)
    const event = out.trimEnd().split('\n').at(-1) ?? ''
    expect(JSON.parse(event)).toMatchObject({ event: { field: HOSTILE } })
    const piped = await ran(explainCommand, args, {}, false)
    expect(piped.out).toContain(`"field":${JSON.stringify(HOSTILE)}`)
    const origin = { project: `p${HOSTILE}`, logstore: 'access' }
    const letter = JSON.stringify({ reason: { code: '6', text: 'x' }, origin, event: { event: {} } })
    const stray = await ran(explainCommand, ['--config', config, '--log', letter])
    expect(stray.code).toBe(2)
    expectHarmless(stray.err)
  })

  test('in test, and in check of the file', async () => {
    const config = temporaryFiles().write('bridge.yaml', FILE)
    const tested = await ran(testCommand, ['--config', config])
    expect(tested.code).toBe(1)
    expectHarmless(tested.out)
    for (const args of [[], ['--json']]) {
      const env = { NOT_SET: 'x', SLS_AK_ID: 'i', SLS_AK_KEY: 'k' }
      const checked = await ran(checkCommand, ['--static', '--config', config, ...args], env)
      expect(checked.code).toBe(1)
      expectHarmless(checked.out, checked.err)
    }
  })

  test('in dead-letter list, which shows the same JSON', async () => {
    const { directory, write } = temporaryFiles()
    mkdirSync(join(directory, 'letters'))
    const origin = { project: 'p', logstore: `l${HOSTILE}`, shard: 0, cursor: 'MQ==', event_id: null, sink: HOSTILE }
    const reason = { code: '6', text: HOSTILE, status: 400 }
    const at = '2026-01-01T00:00:00.000Z'
    const line = JSON.stringify({ reason, origin, at, event: { event: HOSTILE } })
    write('letters/dead-letter-a.jsonl', `${line}\n{"${HOSTILE}\n`)
    const env = { ...SETTINGS, DEAD_LETTER_DIR: join(directory, 'letters') }
    const { out, err } = await ran(deadLetterCommand, ['list'], env)
    expectHarmless(out, err)
    const json = await ran(deadLetterCommand, ['list', '--json'], env)
    expectHarmless(json.out)
    expect(JSON.parse(json.out)).toMatchObject({ reason, event: { event: HOSTILE } })
  })
})

describe('what a sender writes has no power over the terminal of a receiver', () => {
  /** The command's standard output until it has the text, as a terminal or as a program. */
  async function saidBy(
    receiver: Command,
    args: readonly string[],
    isTTY: boolean,
    send: (out: string) => Promise<void>,
  ) {
    const end = new AbortController()
    const [stdout, stderr] = [Object.assign(new PassThrough(), { isTTY }), new PassThrough()]
    const done = receiver(args, { env: {}, stdout, stderr, signal: end.signal })
    let out = ''
    const said = new Happenings(() => out)
    stdout.on('data', (chunk) => {
      out += String(chunk)
      said.notify()
    })
    await said.until(() => out.includes('\n\n'))
    await send(out)
    await said.until(() => /FORGED.*\n/.test(out))
    end.abort()
    await done
    return out
  }

  const ofHec = async (out: string): Promise<void> => {
    const [, url, token] = /^SPLUNK_HEC_URL=(\S+)\nSPLUNK_HEC_TOKEN=(\S+)/.exec(out) ?? []
    const headers = { Authorization: `Splunk ${token}` }
    await fetch(`${url}/services/collector/event`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ event: HOSTILE }),
    })
  }
  const ofSyslog = async (out: string): Promise<void> => {
    const socket = connect(Number(/:(\d+)$/m.exec(out)?.[1]), '127.0.0.1')
    socket.end(`<14>${HOSTILE.replaceAll('\n', ' ')}\n`)
    await once(socket, 'close')
  }

  test.each([
    ['hec-receiver', hecReceiverCommand, ['--port', '0'], ofHec],
    ['syslog-receiver', syslogReceiverCommand, ['--framing', 'lf'], ofSyslog],
  ] as const)('%s', async (_, receiver, args, send) => {
    const shown = await saidBy(receiver, args, true, send)
    expectHarmless(shown)
    const [line = ''] = shown.match(/^\{.*FORGED.*$/m) ?? []
    expect(Object.values(JSON.parse(line)).some((value) => String(value).includes('\u009b1A\u202e'))).toBe(true)
    expect(await saidBy(receiver, args, false, send)).toContain('\u009b1A\u202e')
  })
})

test('the name of a file has no power over the terminal, in dead-letter list and replay', async () => {
  const { directory, write } = temporaryFiles()
  const name = `dead-letter-${HOSTILE.replaceAll('/', '')}.jsonl`
  chmodSync(write(`letters/${name}`, '{}\n'), 0o666)
  write(`letters/dead-letter-b${HOSTILE}.jsonl`, '{\n')
  const env = { ...SETTINGS, DEAD_LETTER_DIR: join(directory, 'letters') }
  for (const word of ['list', 'replay']) {
    const { out, err } = await ran(deadLetterCommand, [word], env)
    expect(err).toMatch(/everybody may change it/)
    expectHarmless(out, err)
  }
})

const SETTINGS = {
  SLS_ENDPOINT: 'http://127.0.0.1:9',
  SLS_AK_ID: 'id',
  SLS_AK_KEY: 'key',
  SLS_PROJECT: 'audit-prod',
  SLS_LOGSTORE: 'audit',
  SLS_CG: 'siem',
  SPLUNK_HEC_URL: 'http://127.0.0.1:9',
  SPLUNK_HEC_TOKEN: 'token',
}

describe('what a server says has no power over the terminal', () => {
  let settings: Record<string, string> = {}

  beforeAll(async () => {
    const sls = await startSlsEmulator({ shards: 1 })
    const group = sls.logstore().createGroup({ name: 'gg', timeoutSeconds: 60, order: false })
    const { cursor } = sls.logstore().write([{ a: 'b' }], { shard: 0 })
    group.commit({ shard: 0, checkpoint: cursor, consumer: HOSTILE, force: true })
    const action = { status: 403, code: 'Unauthorized', message: HOSTILE }
    sls.faults.add({ match: { api: 'GetCursor' }, times: 0, action })
    settings = { ...SETTINGS, ...sls.environment(), SLS_CG: 'gg' }
    return () => sls.close()
  })

  test('in lag', async () => {
    for (const args of [[], ['--json']]) {
      const { code, out, err } = await ran(lagCommand, args, settings)
      expect(code).toBe(1)
      expectHarmless(out, err)
      expect(out.trimEnd().split('\n')).toHaveLength(args.length === 0 ? 2 : 1)
    }
  })

  test('in check', async () => {
    for (const args of [[], ['--json']]) {
      const { code, out, err } = await ran(checkCommand, args, settings)
      expect(code).toBe(1)
      expectHarmless(out, err)
    }
  })

  test('in reconcile, of Log Service and of Splunk', async () => {
    const period = ['--from', '-1h', '--to', 'now']
    const refused = await ran(reconcileCommand, period, { ...settings, ...(await splunk(400)) })
    expect(refused.code).toBe(1)
    expectHarmless(refused.err)
    let behindMs = 2_000
    const sls = await startSlsEmulator({ shards: 1, now: () => Date.now() - behindMs })
    onTestFinished(() => sls.close())
    const group = sls.logstore().createGroup({ name: 'gg', timeoutSeconds: 60, order: false })
    sls.logstore().write([{ a: 'b' }])
    behindMs = 0
    const [shard] = sls.logstore().shards()
    group.commit({ shard: 0, checkpoint: shard?.cursorAt(shard.end) ?? '', consumer: 'c', force: true })
    const own = { ...settings, ...sls.environment() }
    for (const [status, args] of [
      [400, []],
      [200, []],
      [200, ['--json']],
    ] as const) {
      const { code, out, err } = await ran(reconcileCommand, [...period, ...args], {
        ...own,
        ...(await splunk(status)),
      })
      expect(code).toBe(1)
      expectHarmless(out, err)
    }
  })
})

/** A Splunk that finds nothing, with a warning, or refuses the search. */
async function splunk(status: number): Promise<Record<string, string>> {
  const messages = [{ type: 'WARN', text: HOSTILE }]
  const server = createServer((_, response) => {
    response.writeHead(status).end(`${JSON.stringify({ preview: false, lastrow: true, messages })}\n`)
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { SPLUNK_SEARCH_URL: `http://127.0.0.1:${port}`, SPLUNK_SEARCH_TOKEN: 'token' }
}
