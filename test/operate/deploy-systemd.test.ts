import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SETTINGS } from '../../src/config/settings.ts'
import { REPOSITORY } from './installation.ts'

const UNIT = 'sls-siem-bridge@.service'
const text = readFileSync(join(REPOSITORY, 'deploy/systemd', UNIT), 'utf8')

function setting(name: string): string | undefined {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]
}

/** Output of `systemd-analyze` for the unit, with the repository at the path that the unit expects. */
function analyzed(verb: string[], instance: string): { status: number | null; said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'unit-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, UNIT), text.replaceAll('/opt/sls-siem-bridge/', REPOSITORY))
  const { status, stdout, stderr, error } = spawnSync('systemd-analyze', [...verb, join(folder, instance)], {
    encoding: 'utf8',
  })
  if (error) throw error
  return { status, said: `${stdout}${stderr}` }
}

describe('the systemd unit', () => {
  test('has no line that systemd rejects', () => {
    expect(analyzed(['verify'], 'sls-siem-bridge@1.service')).toEqual({ status: 0, said: '' })
  })

  test('restricts a replica to what it needs', () => {
    const { status, said } = analyzed(['security', '--offline=true', '--no-pager', '--threshold=15'], UNIT)
    expect(status, said).toBe(0)
  })

  test('gives a replica more time to stop than it needs to drain', () => {
    expect(Number(setting('TimeoutStopSec'))).toBeGreaterThan(Number(SETTINGS.SHUTDOWN_GRACE_SECONDS.default))
  })

  test('does not restart a replica with a wrong configuration again and again', () => {
    expect(setting('Restart')).toBe('always')
    expect(setting('RestartPreventExitStatus')).toBe('2')
  })
})
