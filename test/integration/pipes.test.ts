import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { expect, onTestFinished, test } from 'vitest'
import { cleanEnvironment, MAIN } from '../support/bridge-process.ts'
import { Scenario } from '../support/scenario.ts'

const EXAMPLE = readFileSync(new URL('../../examples/web-access.yaml', import.meta.url), 'utf8')

/** A folder with a configuration file, one whose tests fail, an empty list of ids, and a damaged dead letter. */
function prepared(): string {
  const cwd = mkdtempSync(join(tmpdir(), 'unread-'))
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }))
  writeFileSync(join(cwd, 'good.yaml'), EXAMPLE)
  writeFileSync(join(cwd, 'fails.yaml'), EXAMPLE.replace('status: "502"', 'status: "200"'))
  writeFileSync(join(cwd, 'none.csv'), 'sls_event_id,count\n')
  mkdirSync(join(cwd, 'damaged'))
  writeFileSync(join(cwd, 'damaged', 'dead-letter-one.jsonl'), '{"reason":\n')
  return cwd
}

/** Runs a command whose reader is gone before it writes, as `| head -1` is after one line. */
function unread(cwd: string, args: readonly string[], env: Record<string, string> = {}) {
  const shell = ['-c', 'set -o pipefail; "$0" "$@" | :', process.execPath, MAIN, ...args]
  const options = { cwd, env: { ...cleanEnvironment(), ...env } }
  return new Promise<{ code: number; stderr: string }>((resolve) => {
    execFile('bash', shell, options, (error, _, stderr) => resolve({ code: Number(error?.code ?? 0), stderr }))
  })
}

test('without a reader a command ends with its own exit code, and says nothing about it', async () => {
  const scenario = await Scenario.start({ sls: { shards: 1, now: () => Date.now() - 2_000 } })
  await scenario.write(2)
  await scenario.deliver()
  const cwd = prepared()
  const env = scenario.environment()
  const damaged = { ...env, DEAD_LETTER_DIR: './damaged' }
  const named = { SPLUNK_TOKEN: 'x', SLS_AK_ID: 'i', SLS_AK_KEY: 'k' }
  const ids = ['reconcile', '--from', '-1h', '--to', 'now', '--ids', 'none.csv']
  const explain = ['explain', '--config', 'good.yaml', '--log', '{"status":"502"}', '--source']
  const cases: Array<[args: string[], code: number, env?: Record<string, string>]> = [
    [['--help'], 0],
    [['check'], 0, env],
    [['check'], 1, { ...env, SPLUNK_HEC_TOKEN: 'wrong' }],
    [['check', '--static', '--config', 'fails.yaml'], 1, named],
    [['test', '--config', 'fails.yaml'], 1],
    [[...explain, 'web'], 0],
    [['lag', '--watch'], 0, env],
    [ids, 1, env],
    [['dead-letter', 'list'], 0, damaged],
    [['dead-letter', 'replay'], 1, damaged],
    [['hec-receiver', '--port', '0'], 0],
    [['syslog-receiver'], 0],
  ]
  const ended = await pLimit(4).map(cases, ([args, , given]) => unread(cwd, args, given))
  expect(ended.map(({ code }, index) => [cases[index]?.[0].join(' '), code])).toEqual(
    cases.map(([args, code]) => [args.join(' '), code]),
  )
  expect(ended.map(({ stderr }) => stderr).join('\n')).not.toMatch(/EPIPE|cannot be written|can't be written|\n\s+at /)
})
