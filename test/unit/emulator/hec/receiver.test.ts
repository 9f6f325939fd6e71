import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { hecReceiverCommand } from '../../../../src/cli/hec-receiver.ts'
import { Happenings } from '../../../support/happenings.ts'
import { CHANNEL, EVENT, TOKEN } from './client.ts'

/** The text that a stream has given so far. */
function text(stream: PassThrough) {
  let all = ''
  const given = new Happenings(() => all)
  stream.on('data', (chunk) => {
    all += String(chunk)
    given.notify()
  })
  const read = () => all
  return Object.assign(read, { matches: (pattern: RegExp) => given.until(() => pattern.test(all)) })
}

/** Starts the command; `stop` ends it the way a signal does and gives the exit code. */
function start(argv: string[], env: NodeJS.ProcessEnv = {}) {
  const end = new AbortController()
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const [out, errors] = [text(stdout), text(stderr)]
  const done = hecReceiverCommand(argv, { env, stdout, stderr, signal: end.signal })
  const stop = () => {
    end.abort()
    return done
  }
  onTestFinished(async () => void (await stop()))
  return { done, out, errors, stop }
}

/** The environment it prints when it is ready. */
async function ready(out: ReturnType<typeof text>): Promise<{ url: string; token: string }> {
  await out.matches(/\n\n/)
  const [, url = '', token = ''] = /^SPLUNK_HEC_URL=(\S+)\nSPLUNK_HEC_TOKEN=(\S+)\n\n/.exec(out()) ?? []
  return { url, token }
}

function deliver(url: string, token: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url + EVENT, { method: 'POST', body, headers: { Authorization: `Splunk ${token}`, ...headers } })
}

describe('hec-receiver', () => {
  test('prints its environment, then the events, and ends with 0', async () => {
    const { out, stop } = start(['--port', '0'])
    const { url, token } = await ready(out)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(token).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect((await deliver(url, token, '{"event":"x"}{"event":"y"}')).status).toBe(200)
    expect(await stop()).toBe(0)
    const lines = out().split('\n\n')[1]?.trimEnd().split('\n') ?? []
    expect(lines.shift()).toMatch(/^CONTROL_SECRET=\S{20,}$/)
    expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(['x', 'y'])
  })

  test('writes to a file instead', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hec-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'events.jsonl')
    const { out, stop } = start(['--port', '0', '--output', file])
    const { url, token } = await ready(out)
    await deliver(url, token, '{"event":"x"}')
    expect(await stop()).toBe(0)
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ event: 'x' })
    expect(out().split('\n\n')[1]).toMatch(/^CONTROL_SECRET=\S+\n$/)
  })

  test('takes the token from the option, else from the environment', async () => {
    const option = start(['--port', '0', '--token', TOKEN], { SPLUNK_HEC_TOKEN: 'other' })
    expect((await ready(option.out)).token).toBe(TOKEN)
    const environment = start(['--port', '0'], { SPLUNK_HEC_TOKEN: 'other' })
    await environment.out.matches(/\n\n/)
    const [, url = ''] = /^SPLUNK_HEC_URL=(\S+)$/m.exec(environment.out()) ?? []
    expect((await deliver(url, 'other', '{"event":1}')).status).toBe(200)
    expect((await deliver(url, TOKEN, '{"event":1}')).status).toBe(403)
  })

  test('does not print a token that it found in the environment', async () => {
    const { out } = start(['--port', '0', '--output', '/dev/null'], { SPLUNK_HEC_TOKEN: 'of-production' })
    await out.matches(/\n\nCONTROL_SECRET=\S+\n/)
    expect(out()).toMatch(/^SPLUNK_HEC_URL=\S+\n\n/)
    expect(out()).not.toContain('of-production')
  })

  test('with --ack acknowledges after --ack-delay-ms', async () => {
    const { out } = start(['--port', '0', '--ack', '--ack-delay-ms', '0'])
    const { url, token } = await ready(out)
    expect(await (await deliver(url, token, '{"event":1}')).json()).toMatchObject({ code: 10 })
    const answer = await deliver(url, token, '{"event":1}', { 'X-Splunk-Request-Channel': CHANNEL })
    expect(await answer.json()).toMatchObject({ ackId: 0 })
  })

  test('with --index and --max-bytes refuses other indexes and longer bodies', async () => {
    const { out } = start(['--port', '0', '--index', 'web', '--index', 'audit', '--max-bytes', '100'])
    const { url, token } = await ready(out)
    expect(await (await deliver(url, token, '{"event":1,"index":"main"}')).json()).toMatchObject({ code: 7 })
    expect((await deliver(url, token, '{"event":1,"index":"audit"}')).status).toBe(200)
    expect((await deliver(url, token, '{"event":2}')).status).toBe(200)
    expect((await deliver(url, token, ' '.repeat(101))).status).toBe(413)
  })

  test('--help lists what is not implemented, and ends with 0', async () => {
    const { done, out } = start(['--help'])
    expect(await done).toBe(0)
    expect(out()).toMatch(/--ack-delay-ms/)
    expect(out()).toMatch(/Not implemented/)
  })

  test.each([
    [['--port', 'x'], '--port'],
    [['--port', '70000'], '--port'],
    [['--token', ''], '--token'],
    [['--nope'], '--nope'],
    [['stray'], 'stray'],
    [['--port', '0', '--output', '/nonexistent/file'], '/nonexistent/file'],
  ])('%j is wrong usage', async (argv, named) => {
    const { done, errors, out } = start(argv)
    expect(await done).toBe(2)
    expect(errors()).toContain(named)
    expect(errors().trimEnd().split('\n')).toHaveLength(1)
    expect(out()).toBe('')
  })

  test('a port that is taken ends with 2 and says which', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { done, errors } = start(['--port', String(port)])
    expect(await done).toBe(2)
    expect(errors()).toContain(`port ${port} is taken`)
  })

  test('an output that can not be written any more ends with 1', async () => {
    const { done, out, errors } = start(['--port', '0', '--output', '/dev/full'])
    const { url, token } = await ready(out)
    expect((await deliver(url, token, '{"event":1}')).status).toBe(500)
    expect(await done).toBe(1)
    expect(errors()).toContain('ENOSPC')
  })
})

test('--search-token keeps the events and answers the search of reconcile at the address it prints', async () => {
  const { out } = start(['--port', '0', '--token', TOKEN, '--search-token', 'searcher'])
  await out.matches(/\n\n/)
  const [, url = '', search = '', token = ''] =
    /^SPLUNK_HEC_URL=(\S+)\nSPLUNK_HEC_TOKEN=\S+\nSPLUNK_SEARCH_URL=(\S+)\nSPLUNK_SEARCH_TOKEN=(\S+)\n\n/.exec(out()) ??
    []
  await deliver(url, TOKEN, '{"time":100,"source":"s","event":"x","fields":{"sls_event_id":"l:0:1:0"}}')
  const body = new URLSearchParams({
    search: '| tstats count where index=* source="s" sls_event_id="l:*" by sls_event_id',
    output_mode: 'json',
    earliest_time: '0',
    latest_time: '200',
  })
  const headers = { Authorization: `Bearer ${token}` }
  const answer = await fetch(`${search}/services/search/v2/jobs/export`, { method: 'POST', headers, body })
  expect(await answer.json()).toMatchObject({ lastrow: true, result: { sls_event_id: 'l:0:1:0', count: '1' } })
})
