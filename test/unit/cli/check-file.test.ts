import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkCommand } from '../../../src/cli/check.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import { startSlsEmulator } from '../../../src/emulator/sls/server.ts'
import { FileLock } from '../../../src/sinks/file/lock.ts'
import { temporaryFiles } from '../config/given-environment.ts'

const FILE = `
version: 1
sources: {trail: {endpoint: 127.0.0.1:9, project: audit-hz, logstore: actiontrail, group: siem}}
sinks: {splunk: {type: splunk_hec, url: "http://127.0.0.1:9", token: "\${TOKEN}"}}
routes: [{name: all, to: splunk}]
`
const ENVIRONMENT = { TOKEN: 'a-token', SLS_AK_ID: 'an-id', SLS_AK_KEY: 'a-key', ADMIN_PORT: '0' }

async function check(file: string, args: string[] = [], env: Readonly<Record<string, string>> = {}) {
  const { directory, write } = temporaryFiles()
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const all = { ...ENVIRONMENT, DEAD_LETTER_DIR: `${directory}/letters`, ...env }
  const io = { env: all, stdout, stderr, signal: new AbortController().signal }
  const code = await checkCommand(['--config', write('bridge.yaml', file), ...args], io)
  const lines = String(stdout.read() ?? '')
    .trimEnd()
    .split('\n')
  return { code, lines, verdict: lines.at(-1), stderr: String(stderr.read() ?? '').replaceAll(directory, '') }
}

describe('check --static', () => {
  test.for(['--static', '-t'])('is offline, and ends with its verdict: %s', async (option) => {
    expect(await check(FILE, [option])).toEqual({
      code: 0,
      lines: [
        'ok    configuration          audit-hz/actiontrail → http://127.0.0.1:9',
        expect.stringMatching(/^ok {4}settings {15}there is no \/.*\.env: the environment alone counts$/),
        'ready',
      ],
      verdict: 'ready',
      stderr: '',
    })
  })

  test('ends with 2 for a wrong file, and lists its problems on standard error', async () => {
    const { code, lines, stderr } = await check(FILE.replace('to: splunk', 'to: splnk, wen: x'), ['-t'])
    expect({ code, lines }).toEqual({ code: 2, lines: ['not ready: 2 failed'] })
    expect(stderr).toContain(
      '  /bridge.yaml:5:26  routes[0].to: splnk\n      there is no sink of this name; did you mean splunk?',
    )
    expect(stderr).toContain('  /bridge.yaml:5:33  routes[0].wen\n      is not a key here; did you mean when?')
    expect(stderr).toContain('docs/configuration-file.md')
  })

  test('shows warnings with their places', async () => {
    const { code, lines } = await check(`${FILE}lists: {idle: [x]}\n`, ['-t'])
    expect({ code, warned: lines[1] }).toEqual({
      code: 0,
      warned: expect.stringMatching(
        /^warn {2}configuration {10}\/.*bridge\.yaml:6:9 lists\.idle: nothing uses this list$/,
      ),
    })
  })

  test('shows them below the problems of a wrong file, too', async () => {
    const literal = FILE.replace('${TOKEN}', 'literal').replace('routes:', 'lists: {idle: [x]}\nroutes:')
    const { code, stderr } = await check(literal.replace('to: splunk', 'to: splunk, wen: x'), ['-t'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/routes\[0\]\.wen\n.*\nwarning: \/bridge\.yaml:4:\d+ sinks\.splunk\.token: is a secret/s)
    expect(stderr).toContain('\nwarning: /bridge.yaml:5:9 lists.idle: nothing uses this list')
    expect(stderr).not.toContain('literal')
  })
})

test('check says in its last line what it did not try, and where', async () => {
  const sls = await startSlsEmulator({ shards: 1 })
  const hec = await startHecReceiver()
  onTestFinished(() => Promise.all([sls.close(), hec.close()]).then(() => {}))
  const { project, name } = sls.logstore()
  const { host } = new URL(sls.url)
  const file = `
version: 1
sources:
  good: {endpoint: "http://${host}", project: ${project}, logstore: [${name}, second], group: siem}
  bad: {endpoint: "http://127.0.0.1:9", project: ${project}, logstore: ${name}, group: siem}
sinks:
  splunk: {type: splunk_hec, url: "${hec.url}", token: "\${TOKEN}"}
  refused: {type: splunk_hec, url: "${hec.url}", token: "no\${TOKEN}"}
  archive: {type: file, path: archive.jsonl}
routes: [{name: all, to: [splunk, refused, archive]}]
`
  const { SLS_AK_ID, SLS_AK_KEY } = sls.environment()
  const { lines, verdict, code } = await check(file, [], { SLS_AK_ID, SLS_AK_KEY, TOKEN: hec.token } as Record<
    string,
    string
  >)
  expect(lines[0]).toBe('ok    configuration          good, bad → splunk, refused, archive')
  expect(code).toBe(1)
  expect(verdict).toMatch(
    /^not ready: 3 failed; not tried: .*bad\/[^:]+: SLS clock, SLS credentials, SLS logstore, .*; refused: HEC health, HEC body size, HEC index$/,
  )
  expect(lines).toContainEqual(expect.stringMatching(/^FAIL {2}SLS logstore +good\/second: /))
  expect(lines).toContainEqual(expect.stringMatching(/^FAIL {2}SLS address +bad\/audit: /))
  expect(lines).toContainEqual(expect.stringMatching(/^ok {4}SLS credentials +good\/.*: /))
  expect(lines).toContainEqual(expect.stringMatching(/^FAIL {2}HEC token +refused: /))
  expect(lines).toContainEqual(expect.stringMatching(/^ok {4}file sink +archive: .* can be written; .* is writable/))
})

describe('check of a file sink', () => {
  const file = (path: string) => `
version: 1
sources: {trail: {endpoint: 127.0.0.1:9, project: audit-hz, logstore: actiontrail, group: siem}}
sinks: {archive: {type: file, path: "${path}"}}
routes: [{name: all, to: archive}]
`
  const lineFor = async (path: string) => {
    const { lines } = await check(file(path), [], { SLS_AK_ID: 'id', SLS_AK_KEY: 'key' })
    return lines[lines.findIndex((line) => line.includes('file sink'))]
  }

  test('standard output', async () => {
    expect(await lineFor('-')).toMatch(/^ok .* events go to standard output, and the log to standard error/)
  })

  test('a missing folder is a failure, and is not made', async () => {
    expect(await lineFor('none/out.jsonl')).toMatch(/^FAIL {2}file sink .*ENOENT/)
    expect(await lineFor('none/out.jsonl')).toMatch(/^FAIL {2}file sink .*ENOENT/)
  })

  test('what is no file is a failure', async () => {
    expect(await lineFor('/dev/null')).toMatch(/^FAIL {2}file sink .*(it is a device|E[A-Z]+)/)
  })

  test('a path that is being written is a warning that says who writes it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'check-file-sink-'))
    const path = join(folder, 'out.jsonl')
    const lock = new FileLock({ path: join(folder, '.out.jsonl.lock'), of: path, clock: systemClock })
    await lock.hold()
    onTestFinished(async () => {
      await lock.release()
      rmSync(folder, { recursive: true })
    })
    expect(await lineFor(path)).toMatch(/^warn {2}file sink .* is being written by /)
  })

  test('a file, or a folder, that others may change is a warning', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'check-file-sink-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'out.jsonl')
    writeFileSync(path, '')
    chmodSync(path, 0o666)
    expect(await lineFor(path)).toMatch(
      /^warn {2}file sink .* others may change the events in it: everybody may change it/,
    )
    chmodSync(folder, 0o777)
    expect(await lineFor(path)).toMatch(/^warn {2}file sink .* others may take away files and add their own/)
  })
})

test('a configuration of the environment ends with the verdict, too', async () => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const io = { env: { SLS_PROJECT: 'x' }, stdout, stderr, signal: new AbortController().signal }
  expect(await checkCommand(['-t'], io)).toBe(2)
  expect(String(stdout.read())).toMatch(/^not ready: \d+ failed\n$/)
})
