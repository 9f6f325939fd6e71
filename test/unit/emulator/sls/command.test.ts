import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { EXIT } from '../../../../src/cli/command.ts'
import { emulatorCommand } from '../../../../src/cli/emulator.ts'
import type { SlsState } from '../../../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../../../src/emulator/sls/server.ts'
import { send } from './requests.ts'

function run(argv: string[], env: NodeJS.ProcessEnv = {}) {
  const [stdout, stderr, end] = [new PassThrough(), new PassThrough(), new AbortController()]
  const exit = emulatorCommand(argv, { env, stdout, stderr, signal: end.signal })
  return { exit, stdout, stderr, end: () => end.abort() }
}

/** Runs to its end; what it said. */
async function finished(argv: string[], env?: NodeJS.ProcessEnv): Promise<{ code: number; out: string; err: string }> {
  const { exit, stdout, stderr } = run(argv, env)
  const code = await exit
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

test('prints what it made up when it is ready, and runs until the signal', async () => {
  const env = { SLS_AK_ID: 'my-id', SLS_AK_KEY: 'my-key' }
  const { exit, stdout, end } = run(['--port', '0', '--project', 'proj', '--logstore', 'logs', '--shards', '3'], env)
  await once(stdout, 'readable')
  const lines = String(stdout.read()).split('\n')
  const port = Number(/^SLS_ENDPOINT=http:\/\/127\.0\.0\.1:(\d+)$/.exec(lines[0] ?? '')?.[1])
  expect(lines.slice(1)).toEqual([
    'SLS_PROJECT=proj',
    'SLS_LOGSTORE=logs',
    '',
    expect.stringMatching(/^CONTROL_SECRET=\S{20,}$/),
    '',
  ])
  const keys = { port, accessKeyId: 'my-id', accessKeySecret: 'my-key', project: 'proj' }
  const shards = await send(keys, { path: '/logstores/logs/shards' })
  expect(shards.json()).toHaveLength(3)
  end()
  expect(await exit).toBe(EXIT.done)
  await expect(send(keys, { path: '/logstores/logs/shards' })).rejects.toThrow('ECONNREFUSED')
})

test('makes several logstores, also of other projects, and prints the first', async () => {
  const logstores = ['trail', 'errors', 'web/access'].flatMap((name) => ['--logstore', name])
  const { exit, stdout, end } = run(['--project', 'proj', ...logstores, '--shards', '1'])
  await once(stdout, 'readable')
  const printed = String(stdout.read())
  expect(printed).toMatch(/\nSLS_PROJECT=proj\nSLS_LOGSTORE=trail\n\nCONTROL_SECRET=\S+\n$/)
  const { logstores: made } = (await (
    await fetch(`${/^SLS_ENDPOINT=(\S+)$/m.exec(printed)?.[1]}/_emulator/state`)
  ).json()) as SlsState
  expect(made.map((each) => [each.project, each.logstore, each.shards.length])).toEqual([
    ['proj', 'trail', 1],
    ['proj', 'errors', 1],
    ['web', 'access', 1],
  ])
  end()
  expect(await exit).toBe(EXIT.done)
})

test('keys from the environment must be used, and are not printed', async () => {
  const keys = { SLS_AK_ID: 'my-id', SLS_AK_KEY: 'my-key', SLS_STS_TOKEN: 'my-token' }
  const { exit, stdout, end } = run([], keys)
  await once(stdout, 'readable')
  const printed = String(stdout.read())
  expect(printed).not.toMatch(/my-(id|key|token)/)
  const port = Number(/:(\d+)$/m.exec(printed)?.[1])
  const unsigned = { port, accessKeyId: 'my-id', accessKeySecret: 'my-key', project: 'emulator' }
  expect((await send(unsigned, { path: '/logstores/audit/shards' })).code).toBe('Unauthorized')
  end()
  await exit
})

test('without a key pair in the environment it generates one, new each time', async () => {
  const keyOf = async () => {
    const { exit, stdout, end } = run([])
    await once(stdout, 'readable')
    const key = /^SLS_AK_KEY=(\S{20,})$/m.exec(String(stdout.read()))?.[1]
    end()
    await exit
    return key
  }
  const [first, second] = [await keyOf(), await keyOf()]
  expect(first).toBeDefined()
  expect(first).not.toBe(second)
})

test('a port that is taken is named, exit code 2', async () => {
  const other = await startSlsEmulator()
  const { code, out, err } = await finished(['--port', String(other.port)])
  await other.close()
  expect([code, out]).toEqual([EXIT.usage, ''])
  expect(err).toBe(
    `sls-siem-bridge emulator: port ${other.port} is taken; choose another with --port (0 takes a free one)\n`,
  )
})

test.each<[string, string[], NodeJS.ProcessEnv, string]>([
  ['an unknown option', ['--prot', '1'], {}, '--prot'],
  ['a port out of range', ['--port', '70000'], {}, '--port is more than 65535; allowed: whole number from 0 to 65535'],
  ['no shards', ['--shards', '0'], {}, '--shards is less than 1'],
  ['a logstore of a project of a project', ['--logstore', 'a/b/c'], {}, 'NAME or PROJECT/NAME'],
  ['an invalid project name', ['--project', 'Not Allowed'], {}, 'Not Allowed'],
  ['an unknown choice', ['--expired-cursor', 'never'], {}, '--expired-cursor'],
  ['half a key pair', [], { SLS_AK_ID: 'x' }, 'SLS_AK_KEY'],
])('%s: one clear line, exit code 2', async (_, argv, env, text) => {
  const { code, out, err } = await finished(argv, env)
  expect([code, out]).toEqual([EXIT.usage, ''])
  expect(err).toMatch(/^sls-siem-bridge emulator: [^\n]+\n$/)
  expect(err).toContain(text)
})

test('--help lists what is not implemented', async () => {
  const { code, out } = await finished(['--help'])
  expect(code).toBe(EXIT.done)
  expect(out).toContain('--retention-seconds')
  expect(out).toMatch(/Not implemented:\n {2}- .*GetLogs/)
})
