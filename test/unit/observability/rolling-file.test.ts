import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { RollingFile } from '../../../src/observability/rolling-file.ts'
import { temporaryDirectory } from './observed.ts'

test('a file that was moved away is begun again when it is opened again', () => {
  const directory = temporaryDirectory()
  const path = join(directory, 'bridge.1.log')
  const file = new RollingFile({ file: join(directory, 'bridge.log'), bytes: 100, kept: 5, failed() {}, begun() {} })
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
    kept: 5,
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

test('a replica removes and writes only its own files, whatever its neighbours are called', () => {
  const directory = temporaryDirectory()
  const roll = (name: string, times: number) => {
    const options = { file: join(directory, name), bytes: 1, kept: 2, failed() {}, begun() {} }
    const file = new RollingFile(options)
    for (let i = 0; i < times; i++) file.write(Buffer.from(`${name}\n`))
  }
  fs.writeFileSync(join(directory, 'precious'), 'precious')
  fs.symlinkSync('precious', join(directory, 'bridge-1.2.log'))
  fs.mkdirSync(join(directory, 'bridge-1.4.log'))
  roll('bridge-10.log', 3)
  const others = fs.readdirSync(directory)
  roll('bridge-1.log', 6)
  expect(fs.readdirSync(directory)).toEqual(expect.arrayContaining(others))
  expect(fs.readFileSync(join(directory, 'precious'), 'utf8')).toBe('precious')
  const own = fs.readdirSync(directory).filter((name) => name.startsWith('bridge-1.') && !others.includes(name))
  expect(own).toEqual(['bridge-1.8.log', 'bridge-1.9.log'])
})

test('a file that others may change, or that has a second name, is passed by', () => {
  const directory = temporaryDirectory()
  const at = (name: string) => join(directory, name)
  fs.writeFileSync(at('bridge.1.log'), '')
  fs.chmodSync(at('bridge.1.log'), 0o666)
  fs.writeFileSync(at('precious'), 'precious')
  fs.linkSync(at('precious'), at('bridge.2.log'))
  const file = new RollingFile({ file: at('bridge.log'), bytes: 100, kept: 5, failed() {}, begun() {} })
  file.write(Buffer.from('line\n'))
  expect(file.file).toBe(at('bridge.3.log'))
  expect(fs.readFileSync(at('precious'), 'utf8')).toBe('precious')
})

test('only the user of the replica may read its files, and none is opened through a link', () => {
  const directory = temporaryDirectory()
  const before = process.umask(0)
  onTestFinished(() => void process.umask(before))
  const file = new RollingFile({ file: join(directory, 'bridge.log'), bytes: 100, kept: 2, failed() {}, begun() {} })
  expect(fs.statSync(file.file).mode & 0o777).toBe(0o600)
  const failures: unknown[] = []
  const { openSync } = fs
  onTestFinished(() => {
    fs.openSync = openSync
    syncBuiltinESMExports()
  })
  // A link that comes there in the last moment.
  fs.openSync = (path, ...rest) => {
    fs.rmSync(path, { force: true })
    fs.symlinkSync('precious', path)
    return openSync(path, ...rest)
  }
  syncBuiltinESMExports()
  const open = () =>
    new RollingFile({
      file: join(directory, 'next.log'),
      bytes: 1,
      kept: 2,
      failed: (e) => failures.push(e),
      begun() {},
    })
  expect(open).toThrow(/ELOOP/)
  expect(fs.existsSync(join(directory, 'precious'))).toBe(false)
})
