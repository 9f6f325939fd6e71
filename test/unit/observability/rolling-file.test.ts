import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { RollingFile } from '../../../src/observability/rolling-file.ts'
import { temporaryDirectory } from './observed.ts'

test('a file that was moved away is begun again when it is opened again', () => {
  const directory = temporaryDirectory()
  const path = join(directory, 'bridge.1.log')
  const file = new RollingFile({ file: join(directory, 'bridge.log'), bytes: 100, failed() {}, begun() {} })
  file.write(Buffer.from('first\n'))
  fs.renameSync(path, `${path}.old`)
  file.write(Buffer.from('second\n'))
  file.reopen()
  file.write(Buffer.from('third\n'))
  expect(fs.readFileSync(`${path}.old`, 'utf8')).toBe('first\nsecond\n')
  expect(fs.readFileSync(path, 'utf8')).toBe('third\n')
})

test('a file whose end fails, as on a full network file system, is left all the same', () => {
  const { closeSync } = fs
  const replace = (by: typeof closeSync): void => {
    fs.closeSync = by
    syncBuiltinESMExports()
  }
  onTestFinished(() => replace(closeSync))
  const directory = temporaryDirectory()
  const failures: unknown[] = []
  const file = new RollingFile({
    file: join(directory, 'bridge.log'),
    bytes: 6,
    failed: (error) => failures.push(error),
    begun() {},
  })
  replace((fd) => {
    closeSync(fd)
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  })
  file.write(Buffer.from('first\n'))
  replace(closeSync)
  file.write(Buffer.from('next\n'))
  expect(failures).toHaveLength(1)
  expect(fs.readFileSync(join(directory, 'bridge.2.log'), 'utf8')).toBe('next\n')
})
