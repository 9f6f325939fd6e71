import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cleanEnvironment } from '../support/bridge-process.ts'
import { polled } from '../support/polled.ts'
import { Scenario } from '../support/scenario.ts'
import { installation, REPOSITORY } from './installation.ts'

const page = readFileSync(join(REPOSITORY, 'docs/running.md'), 'utf8')
/** The commands for nohup in docs/running.md: one block starts a replica, the other inspects and stops it. */
const [start, end] = [...(/## nohup\n(.*?)\n## /s.exec(page)?.[1] ?? '').matchAll(/```sh\n(.*?)```/gs)].map(
  ([, commands]) => commands as string,
)

/** Runs the commands in an operator's shell, which then exits and leaves its processes running. */
async function shell(root: string, commands: string | undefined, env: Record<string, string> = {}): Promise<string> {
  const options = { cwd: root, env: { ...cleanEnvironment(), ...env } }
  return (await promisify(execFile)('bash', ['-c', commands as string], options)).stdout
}

async function started(scenario: Scenario, root: string): Promise<number> {
  const { ADMIN_PORT: _, ...environment } = scenario.environment()
  await shell(root, start, environment)
  const pid = Number(readFileSync(join(root, 'bridge-1.pid'), 'utf8'))
  onTestFinished(() => void (alive(pid) && process.kill(pid, 'SIGKILL')))
  await scenario.eventually(() => scenario.holders().size === 1)
  return pid
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('under nohup', () => {
  test('a replica outlives its shell and the hang-up of its terminal, and stops as the page says', async () => {
    const scenario = await Scenario.start()
    const root = installation()
    const pid = await started(scenario, root)
    process.kill(pid, 'SIGHUP')
    await scenario.write(50)
    await scenario.caughtUp()
    expect(scenario.tally()).toMatchObject({ missing: [], duplicated: 0 })
    const log = await shell(root, end)
    expect(log).toContain('"consumer":"siem-')
    expect(await polled(() => !alive(pid))).toBe(true)
    expect(readFileSync(join(root, 'log/bridge-1.log'), 'utf8')).toContain(
      'everything that was pulled is delivered and committed',
    )
    expect(readFileSync(join(root, 'bridge-1.err'), 'utf8')).toBe('')
  })

  test('the log continues in a new file when the current one has 20 MB, under the given name', async () => {
    const scenario = await Scenario.start()
    const root = installation()
    mkdirSync(join(root, 'log'))
    writeFileSync(join(root, 'log/bridge-1.1.log'), '')
    truncateSync(join(root, 'log/bridge-1.1.log'), 20 * 1024 * 1024 - 100)
    const pid = await started(scenario, root)
    const current = join(root, 'log/bridge-1.log')
    expect(await polled(() => readlinkSync(current) === 'bridge-1.2.log')).toBe(true)
    process.kill(pid, 'SIGTERM')
    expect(await polled(() => !alive(pid))).toBe(true)
    const older = readFileSync(join(root, 'log/bridge-1.1.log'), 'utf8')
    const newer = readFileSync(join(root, 'log/bridge-1.log'), 'utf8')
    expect(older).toContain('"msg":"settings: ')
    expect(newer).toContain('everything that was pulled is delivered and committed')
  })
})
