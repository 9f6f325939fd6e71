import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Output } from '../../../src/observability/line-writer.ts'
import { Descriptor, LineWriter } from '../../../src/observability/line-writer.ts'
import { openLogger } from '../../../src/observability/logger.ts'
import { temporaryDirectory } from './observed.ts'

const LINE = `${'x'.repeat(999)}\n`

/** A real pipe: its descriptor for writing, which waits like any, and a look at what came out at the other end. */
function pipe() {
  const path = join(temporaryDirectory(), 'pipe')
  execFileSync('mkfifo', [path])
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writing = openSync(path, constants.O_WRONLY)
  const buffer = Buffer.alloc(1 << 20)
  return {
    path,
    writing,
    read(): string {
      const parts: string[] = []
      try {
        for (;;) {
          const length = readSync(reading, buffer)
          if (length === 0) return parts.join('')
          parts.push(buffer.toString('utf8', 0, length))
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        return parts.join('')
      }
    },
    closeReader: () => closeSync(reading),
  }
}

/** Counts losses, and resolves once the writer says that they are over. */
function losses() {
  const over = Promise.withResolvers<{ lines: number; why: string }>()
  let lost = 0
  return {
    given: { lost: () => lost++, over: (lines: number, why: string) => over.resolve({ lines, why }) },
    lost: () => lost,
    over: over.promise,
  }
}

test('a pipe that no one reads loses lines and counts them; read again, it gets what waited and then a count', async () => {
  const { writing, read } = pipe()
  let lost = 0
  const { log } = await openLogger({ level: 'info', consumer: 'c', fd: writing, lost: () => lost++ })
  for (let i = 0; i < 2_000; i++) log.info({ i }, LINE)
  expect(lost).toBeGreaterThan(1_000)
  let text = ''
  while (!text.includes('were lost')) {
    text += read()
    await new Promise(setImmediate)
  }
  const lines = text.trim().split('\n')
  const told = JSON.parse(lines.pop() ?? '')
  expect(told).toMatchObject({ level: 'warn', lines: lost, why: 'EAGAIN', msg: expect.stringContaining('not read') })
  expect(lines.map((line) => JSON.parse(line).i)).toEqual(Array.from({ length: 2_000 - lost }, (_, i) => i))
  log.info('after')
  expect(read()).toContain('after')
})

test('a pipe whose reader has gone loses lines, and never ends the process', async () => {
  const { writing, closeReader, path } = pipe()
  const { given, lost, over } = losses()
  const writer = new LineWriter(new Descriptor(writing), given)
  closeReader()
  for (let i = 0; i < 1_000; i++) writer.write(LINE)
  expect(lost()).toBeGreaterThan(500)
  // The next reader of a named pipe gets what waited.
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  onTestFinished(() => closeSync(reading))
  const drain = setInterval(() => {
    try {
      readSync(reading, Buffer.alloc(1 << 20))
    } catch {}
  }, 5)
  onTestFinished(() => clearInterval(drain))
  expect(await over).toEqual({ lines: lost(), why: expect.stringMatching(/^E(PIPE|AGAIN)$/) })
})

test('a socket that no one reads loses lines', async () => {
  const module = new URL('../../../src/observability/line-writer.ts', import.meta.url).href
  const script = `
    const { Descriptor, LineWriter } = await import(${JSON.stringify(module)})
    let lost = 0
    const writer = new LineWriter(new Descriptor(1), { lost: () => lost++, over() {} })
    for (let i = 0; i < 5000; i++) writer.write('x'.repeat(999) + '\\n')
    writer.flushSync()
    process.send(lost)`
  // Node connects a child by a socket, as systemd does. Paused, this end reads no more than a buffer.
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdout?.pause()
  const [lost] = (await once(child, 'message')) as [number]
  expect(lost).toBeGreaterThan(3_000)
})

test('a disk that is full loses lines, and the log goes on once there is room', async () => {
  let room = 1_500
  const written: string[] = []
  const disk: Output = {
    write(bytes) {
      if (room === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      const length = Math.min(room, bytes.length)
      room -= length
      written.push(bytes.toString('utf8', 0, length))
      return length
    },
  }
  const { given, lost, over } = losses()
  const writer = new LineWriter(disk, given)
  for (let i = 0; i < 500; i++) writer.write(LINE)
  expect(lost()).toBeGreaterThan(200)
  writer.flushSync()
  expect(written.join('').length).toBe(1_500)
  room = Number.POSITIVE_INFINITY
  expect(await over).toEqual({ lines: lost(), why: 'ENOSPC' })
  expect(written.join('')).toBe(LINE.repeat(500 - lost()))
})

test('a device that takes nothing ends neither the log nor its flush', async () => {
  let lost = 0
  const fd = openSync('/dev/full', 'w')
  const { log, flush } = await openLogger({ level: 'info', consumer: 'c', fd, lost: () => lost++ })
  for (let i = 0; i < 1_000; i++) log.info(LINE)
  flush()
  expect(lost).toBeGreaterThan(500)
})

test('a flush does not wait long for a reader that does not read', () => {
  const { writing } = pipe()
  const writer = new LineWriter(new Descriptor(writing), losses().given)
  for (let i = 0; i < 150; i++) writer.write(LINE)
  const from = performance.now()
  writer.flushSync()
  expect(performance.now() - from).toBeLessThan(5_000)
})
