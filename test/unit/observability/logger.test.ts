import { execFile } from 'node:child_process'
import fs, {
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import { openLogger, showsColours } from '../../../src/observability/logger.ts'
import { linesOf, temporaryDirectory } from './observed.ts'

const run = promisify(execFile)

async function logged(level = 'info') {
  const path = join(temporaryDirectory(), 'out')
  const { log } = await openLogger({ level, consumer: 'replica-1', fd: openSync(path, 'w') })
  return { log, lines: () => linesOf(path), text: () => readFileSync(path, 'utf8') }
}

describe('a line', () => {
  test('is JSON with level, time, consumer and process, where the output is no terminal', async () => {
    const { log, lines } = await logged()
    log.info({ shard: 3 }, 'took it')
    expect(lines()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        consumer: 'replica-1',
        pid: process.pid,
        shard: 3,
        msg: 'took it',
      },
    ])
  })

  test('below the level is not written', async () => {
    const { log, lines } = await logged('warn')
    log.info('no')
    log.warn('yes')
    expect(lines().map(({ msg }) => msg)).toEqual(['yes'])
  })

  test('shows a mask instead of a secret, however deep', async () => {
    const { log, text } = await logged()
    const token = new Secret('hush')
    log.info({ token, options: { list: [token] } }, `token ${token}`)
    log.error(new Error('no', { cause: { token } }))
    expect(text()).not.toContain('hush')
    expect(text()).toContain('[secret]')
  })

  test('has the facts of a fault, without a stack, under any key', async () => {
    const { log, lines } = await logged()
    const cause = new Error('connect refused')
    const fault = new Fault('configuration', 'Invalid\ntoken', { code: '4', status: 403, advice: 'change it', cause })
    const facts = { kind: 'configuration', code: '4', status: 403, message: 'Invalid token', advice: 'change it' }
    log.error(fault)
    log.error({ because: fault }, 'x')
    expect(lines()[0]?.['err']).toEqual({ ...facts, cause: 'connect refused' })
    expect(lines()[1]?.['because']).toEqual({ ...facts, cause: 'connect refused' })
  })

  test('has any other error with its stack and its causes', async () => {
    const { log, lines } = await logged()
    log.fatal({ err: new TypeError('bug', { cause: new Error('root') }) }, 'x')
    expect(lines()[0]?.['err']).toMatchObject({
      type: 'TypeError',
      message: 'bug',
      stack: expect.stringContaining('logger.test.ts'),
      cause: { message: 'root' },
    })
  })
})

test('the last line before the process exits is written, in a pipe and in a file', async () => {
  const file = join(temporaryDirectory(), 'bridge.log')
  const module = new URL('../../../src/observability/logger.ts', import.meta.url).href
  const script = (options: string) => `
    const { openLogger } = await import(${JSON.stringify(module)})
    const { log, flush } = await openLogger({ level: 'info', consumer: 'c', ${options} })
    for (let i = 0; i < 2000; i++) log.info('line ' + i)
    log.fatal('the last one')
    flush()
    process.exit(1)`
  const exit = (options: string) =>
    run(process.execPath, ['--input-type=module', '-e', script(options)]).catch((e) => e)
  const { stdout } = await exit('')
  expect(stdout).toContain('the last one')
  const { stdout: none } = await exit(`file: ${JSON.stringify(file)}`)
  expect(none).toBe('')
  expect(linesOf(file).at(-1)).toMatchObject({ level: 'fatal', msg: 'the last one' })
})

test('a terminal gets no colours where the user or the terminal wants none', () => {
  expect(showsColours({ TERM: 'xterm' })).toBe(true)
  expect(showsColours({ TERM: 'xterm', NO_COLOR: '' })).toBe(true)
  expect(showsColours({ TERM: 'xterm', NO_COLOR: '1' })).toBe(false)
  expect(showsColours({ TERM: 'dumb' })).toBe(false)
})

describe('LOG_FILE', () => {
  async function filled(file: string, lines: number) {
    const { log, flush } = await openLogger({ level: 'info', consumer: 'c', file, fileBytes: 1024 })
    for (let i = 0; i < lines; i++) {
      log.info(`${i} ${'x'.repeat(400)}`)
      // The file changes between two turns of the event loop, never in the middle of one.
      await new Promise(setImmediate)
    }
    flush()
  }
  const numbered = (directory: string) => readdirSync(directory).filter((name) => /\.\d+\./.test(name))

  test('creates its directory, and is a link to the newest file', async () => {
    const directory = join(temporaryDirectory(), 'new', 'logs')
    await filled(join(directory, 'bridge.log'), 4)
    expect(lstatSync(join(directory, 'bridge.log')).isSymbolicLink()).toBe(true)
    expect(linesOf(join(directory, 'bridge.1.log'))[0]?.msg).toMatch(/^0 /)
    expect(linesOf(join(directory, 'bridge.log')).at(-1)?.msg).toMatch(/^3 /)
  })

  test('keeps the 5 newest files, also across processes, and loses no line of them', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'other.log'), 'not ours\n')
    for (let start = 0; start < 3; start++) await filled(join(directory, 'bridge.log'), 12)
    await untilChanged(directory, () => numbered(directory).length === 5)
    const newest = linesOf(join(directory, 'bridge.log'))
    const sorted = numbered(directory).sort((a, b) => Number(a.split('.')[1]) - Number(b.split('.')[1]))
    const numbers = sorted.flatMap((name) => linesOf(join(directory, name))).map(({ msg }) => Number(msg.split(' ')[0]))
    expect(newest.length + numbers.length).toBeGreaterThan(5)
    expect(numbers.at(-1)).toBe(11)
    for (const [index, number] of numbers.slice(1).entries()) expect(number).toBe(((numbers[index] ?? 0) + 1) % 12)
    expect(readFileSync(join(directory, 'other.log'), 'utf8')).toBe('not ours\n')
  })

  test('that cannot be written is a configuration fault', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'plain'), '')
    const opened = openLogger({ level: 'info', consumer: 'c', file: join(directory, 'plain', 'bridge.log') })
    await expect(opened).rejects.toMatchObject({ name: 'Fault', kind: 'configuration' })
  })

  test('on a volume that is not mounted yet is a transient fault', async () => {
    const directory = temporaryDirectory()
    symlinkSync(join(directory, 'not-mounted'), join(directory, 'volume'))
    const opened = openLogger({ level: 'info', consumer: 'c', file: join(directory, 'volume', 'bridge.log') })
    await expect(opened).rejects.toMatchObject({ name: 'Fault', kind: 'transient' })
  })

  test('never replaces a file of that name that it did not make', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'bridge.log'), 'precious')
    await filled(join(directory, 'bridge.log'), 1)
    expect(readFileSync(join(directory, 'bridge.log'), 'utf8')).toBe('precious')
    expect(linesOf(join(directory, 'bridge.1.log'))).toHaveLength(2)
    expect(linesOf(join(directory, 'bridge.1.log')).map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/bridge\.log cannot be made a link \(something else .*bridge\.1\.log$/),
    )
  })

  test('is linked again after both the link and the file were moved away and the log is opened again', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'bridge.log')
    const { log, reopen } = await openLogger({ level: 'info', consumer: 'c', file })
    log.info('before')
    renameSync(file, `${file}.old`)
    renameSync(join(directory, 'bridge.1.log'), join(directory, 'moved'))
    reopen()
    log.info('after')
    expect(linesOf(file).map(({ msg }) => msg)).toEqual(['after'])
    expect(linesOf(join(directory, 'moved')).map(({ msg }) => msg)).toEqual(['before'])
    expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('on a disk without links is written all the same, with one warning', async () => {
    const { symlinkSync: link } = fs
    const replace = (by: typeof link): void => {
      fs.symlinkSync = by
      syncBuiltinESMExports()
    }
    onTestFinished(() => replace(link))
    replace(() => {
      throw Object.assign(new Error('operation not permitted'), { code: 'EPERM' })
    })
    const directory = temporaryDirectory()
    await filled(join(directory, 'bridge.log'), 5)
    const warnings = numbered(directory)
      .flatMap((name) => linesOf(join(directory, name)))
      .filter(({ level }) => level === 'warn')
    expect(warnings.map(({ msg }) => msg)).toEqual([expect.stringMatching(/cannot be made a link \(EPERM\)/)])
  })
})

/** Resolves once `done` is true, which each change of the directory may make it. */
async function untilChanged(directory: string, done: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = (): void => {
    if (done()) resolve()
  }
  const watcher = watch(directory, look)
  look()
  await promise
  watcher.close()
}
