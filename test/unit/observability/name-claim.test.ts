import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { claimName } from '../../../src/observability/name-claim.ts'

const MODULE = fileURLToPath(new URL('../../../src/observability/name-claim.ts', import.meta.url))

/** Of this test run alone. */
const NAME = {
  endpoint: `http://127.0.0.1:${process.pid}`,
  project: 'p',
  logstores: ['b', 'a'],
  consumerGroup: 'siem',
  consumer: 'one',
}

test('a name that another process has is not free, until that process is killed', async () => {
  const claim = `import { claimName } from '${MODULE}'
    console.log(await claimName(${JSON.stringify(NAME)}))
    setInterval(() => {}, 1000)`
  const other = spawn(process.execPath, ['--input-type=module', '-e', claim], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void other.kill('SIGKILL'))
  const [said] = await once(other.stdout, 'data')
  expect(String(said)).toBe('true\n')
  expect(await claimName({ ...NAME, logstores: ['a', 'b'] })).toBe(false)
  for (const different of [{ consumer: 'two' }, { consumerGroup: 'test' }, { project: 'q' }, { logstores: ['a'] }])
    expect(await claimName({ ...NAME, ...different })).toBe(true)
  other.kill('SIGKILL')
  await once(other, 'exit')
  expect(await claimName(NAME)).toBe(true)
})
