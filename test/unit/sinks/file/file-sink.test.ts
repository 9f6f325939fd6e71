import { execFile } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFile,
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Fault } from '../../../../src/core/errors.ts'
import type { FileSinkOptions } from '../../../../src/sinks/file/sink.ts'
import { FileSink } from '../../../../src/sinks/file/sink.ts'
import { batchOf, fastClock, LeaseDouble, names, Recorder, temporaryDirectory } from '../delivery-double.ts'

const run = promisify(execFile)
const isRoot = process.getuid?.() === 0

interface Bench {
  readonly path: string
  readonly sink: FileSink
  readonly recorder: Recorder
  readonly lease: LeaseDouble
  deliver(...ids: string[]): Promise<void>
}

/** A sink for `out.jsonl` in a folder of its own, closed when the test ends. */
async function fileSink(options: Partial<FileSinkOptions> & { speed?: number } = {}): Promise<Bench> {
  const path = options.path ?? join(await temporaryDirectory(), 'out.jsonl')
  const recorder = new Recorder()
  const sink = new FileSink({
    sink: 'archive',
    maxBytes: 100 << 20,
    keep: 10,
    clock: fastClock(options.speed ?? 100),
    telemetry: recorder.telemetry,
    ...options,
    path,
  })
  const lease = new LeaseDouble()
  onTestFinished(async () => {
    lease.lose()
    await sink.close()
  })
  return { path, sink, recorder, lease, deliver: (...ids) => sink.deliver(batchOf(ids), lease, () => {}) }
}

async function linesIn(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8')
  expect(text === '' || text.endsWith('\n')).toBe(true)
  return text.split('\n').filter(Boolean)
}

async function idsIn(path: string): Promise<string[]> {
  return (await linesIn(path)).map((line) => (JSON.parse(line) as { event: { id: string } }).event.id)
}

/** The file and what it was rotated to, oldest first; the lock is left out. */
async function filesBeside(path: string): Promise<string[]> {
  const folder = join(path, '..')
  const files = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort()
  return [...files.slice(1), ...files.slice(0, 1)].map((name) => join(folder, name))
}

const faultOf = (recorder: Recorder): Fault => recorder.faults('paused')[0] as Fault

describe('a file sink', () => {
  test('writes the envelopes as they are, one a line', async () => {
    const { path, deliver, recorder } = await fileSink()
    await deliver('a', 'b')
    expect(await readFile(path)).toEqual(batchOf(['a', 'b']).bytes)
    expect(recorder.of('delivered').map(({ args }) => args)).toEqual([['archive', 2]])
  })

  test('appends to what a process before it has written', async () => {
    const first = await fileSink()
    await first.deliver('a')
    await first.sink.close()
    const second = await fileSink({ path: first.path })
    await second.deliver('b')
    expect(await idsIn(first.path)).toEqual(['a', 'b'])
  })

  test('one sync serves all deliveries that came while another was under way', async () => {
    const { path, deliver } = await fileSink()
    await deliver('first')
    const probe = await open(path)
    onTestFinished(() => probe.close())
    const prototype = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> }
    const { datasync } = prototype
    let syncs = 0
    prototype.datasync = function counted(this: unknown) {
      syncs++
      return datasync.call(this)
    }
    onTestFinished(() => {
      prototype.datasync = datasync
    })
    await Promise.all(names(100).map((id) => deliver(id)))
    expect(await idsIn(path)).toHaveLength(101)
    expect(syncs).toBeGreaterThan(0)
    expect(syncs).toBeLessThan(5)
  })

  test('counts nothing as delivered before it is on disk', async () => {
    const { path, deliver, recorder } = await fileSink()
    await deliver('first')
    const probe = await open(path)
    onTestFinished(() => probe.close())
    const prototype = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> }
    const { datasync } = prototype
    const synced = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    prototype.datasync = async function held(this: unknown) {
      asked.resolve()
      await synced.promise
      return datasync.call(this)
    }
    onTestFinished(() => {
      prototype.datasync = datasync
    })
    const delivery = deliver('second')
    await asked.promise
    expect(recorder.sum('delivered')).toBe(1)
    synced.resolve()
    await delivery
    expect(recorder.sum('delivered')).toBe(2)
  })

  test('tells of a write that hangs, and for how long', async () => {
    const { path, deliver, recorder } = await fileSink({ speed: 1000 })
    await deliver('first')
    const probe = await open(path)
    onTestFinished(() => probe.close())
    const prototype = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> }
    const { datasync } = prototype
    const synced = Promise.withResolvers<void>()
    prototype.datasync = async function held(this: unknown) {
      await synced.promise
      return datasync.call(this)
    }
    onTestFinished(() => {
      prototype.datasync = datasync
    })
    const delivery = deliver('second')
    // On a busy machine the first delivery may have waited as well, but not for so long.
    const { args } = await recorder.first('deliveryWaits', ({ args: [, , seconds] }) => Number(seconds) > 60)
    const fault = expect.objectContaining({ message: `${path} has not taken the events yet` })
    expect(args).toEqual(['archive', fault, expect.any(Number)])
    expect(recorder.of('paused')).toEqual([])
    synced.resolve()
    await delivery
    expect(recorder.sum('delivered')).toBe(2)
  })

  test('writes nothing once the lease is over by the clock', async () => {
    const { path, sink, deliver } = await fileSink()
    await deliver('a')
    const lease = new LeaseDouble()
    lease.overdue = true
    let started = 0
    await expect(sink.deliver(batchOf(['late']), lease, () => started++)).rejects.toMatchObject({ kind: 'lease' })
    await deliver('b')
    expect(await idsIn(path)).toEqual(['a', 'b'])
    expect(started).toBe(0)
  })

  test('says once that a delivery has started', async () => {
    const { sink, lease } = await fileSink()
    let started = 0
    await sink.deliver(batchOf(['a']), lease, () => started++)
    expect(started).toBe(1)
  })
})

describe('rotation', () => {
  const size = batchOf(['a0']).bytes.length

  test('begins a file before the limit is passed, and keeps the newest', async () => {
    const { path, deliver } = await fileSink({ maxBytes: 3 * size, keep: 2 })
    for (let i = 0; i < 10; i++) await deliver(`a${i}`)
    const files = await filesBeside(path)
    expect(files).toHaveLength(3)
    expect(files.at(-1)).toBe(path)
    expect(files[0]).toMatch(/out\.jsonl\.\d{8}T\d{9}Z$/)
    for (const file of files) expect((await stat(file)).size).toBeLessThanOrEqual(3 * size)
    expect((await Promise.all(files.map(idsIn))).flat()).toEqual(names(7, 'a').map((_, i) => `a${i + 3}`))
  })

  test('cuts no delivery in two, and takes one that is larger than the limit', async () => {
    const { path, deliver } = await fileSink({ maxBytes: size + 1 })
    await deliver('a0', 'a1')
    await deliver('a2')
    expect(await Promise.all((await filesBeside(path)).map(idsIn))).toEqual([['a0', 'a1'], ['a2']])
  })

  test('deliveries of one write that go over a file’s end are all kept, in order', async () => {
    const { path, deliver } = await fileSink({ maxBytes: 7 * size, keep: 100 })
    const ids = names(90, 'x').map((_, i) => `x${i % 10}`)
    await Promise.all(ids.map((id) => deliver(id)))
    expect((await Promise.all((await filesBeside(path)).map(idsIn))).flat()).toEqual(ids)
  })

  test('goes on in the order of names when the clock is set back', async () => {
    let wall = Date.UTC(2026, 10, 30)
    const clock = { ...fastClock(100), wall: () => wall }
    const { path, deliver } = await fileSink({ maxBytes: size, clock })
    for (let i = 0; i < 5; i++) {
      await deliver(`a${i}`)
      wall -= 86_400_000
    }
    expect((await Promise.all((await filesBeside(path)).map(idsIn))).flat()).toEqual(['a0', 'a1', 'a2', 'a3', 'a4'])
  })

  test('follows a file that another program has moved', async () => {
    const { path, deliver } = await fileSink()
    await deliver('a')
    await rename(path, `${path}.1`)
    await deliver('b')
    expect(await idsIn(`${path}.1`)).toEqual(['a'])
    expect(await idsIn(path)).toEqual(['b'])
  })

  test('leaves files of other names alone', async () => {
    const { path, deliver } = await fileSink({ maxBytes: size, keep: 1 })
    await writeFile(`${path}.bak`, '')
    for (let i = 0; i < 4; i++) await deliver(`a${i}`)
    expect((await readdir(join(path, '..'))).filter((name) => name.endsWith('.bak'))).toHaveLength(1)
  })
})

describe('a last line without its end', () => {
  const whole = batchOf(['a']).bytes.toString()
  const line = batchOf(['b']).bytes.toString()

  test.each([1, 5, 8, 9, line.length - 2])('is cut off when it is ours and was cut after %i bytes', async (length) => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await writeFile(path, whole + line.slice(0, length))
    const { deliver, recorder } = await fileSink({ path })
    await recorder.first('notice')
    expect(await readFile(path, 'utf8')).toBe(whole)
    await deliver('b')
    expect(await readFile(path, 'utf8')).toBe(whole + line)
  })

  test('gets its end when it is whole', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await writeFile(path, whole + line.slice(0, -1))
    const { deliver } = await fileSink({ path })
    await deliver('c')
    expect(await idsIn(path)).toEqual(['a', 'b', 'c'])
  })

  test.each<[string, Buffer]>([
    ['a note', Buffer.from('a note')],
    [
      'one line of JSON, longer than any event',
      Buffer.concat([Buffer.from('{"rows":["'), Buffer.alloc(70 << 20, 'x')]),
    ],
    ['the same, and it begins like an event', Buffer.concat([Buffer.from('{"time":["'), Buffer.alloc(70 << 20, 'x')])],
    [
      'bytes with a line end and zeros in them',
      Buffer.concat([Buffer.from('binary\n'), Buffer.from([0, 1, 2, 0, 3, 0])]),
    ],
  ])('of somebody else closes the gate, and the file is left as it is: %s', async (_, content) => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await writeFile(path, content)
    const { deliver, recorder } = await fileSink({ path })
    const delivery = deliver('b')
    await recorder.first('paused')
    expect(faultOf(recorder)).toMatchObject({ kind: 'configuration', code: 'not_our_file' })
    expect(faultOf(recorder).message).toContain(path)
    expect(faultOf(recorder).advice).toContain('a file of its own, or move that file away')
    expect((await readFile(path)).equals(content)).toBe(true)
    await rename(path, `${path}.theirs`)
    await delivery
    expect(await idsIn(path)).toEqual(['b'])
  })

  test('is found although it is long', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    const long = batchOf(['long'], 300_000).bytes.toString()
    await writeFile(path, whole + long.slice(0, -10))
    const { deliver } = await fileSink({ path })
    await deliver('b')
    expect(await readFile(path, 'utf8')).toBe(whole + line)
  })

  test.each([
    ['nothing but zeros', '\0\0\0\0'],
    ['more zeros than are read at a time', '\0'.repeat(200_000)],
    ['the beginning of a line, then zeros', `${line.slice(0, 4)}\0\0`],
    ['most of a line, then zeros', `${line.slice(0, 40)}\0\0`],
    ['a whole line but for its end, which is zero', `${line.slice(0, -1)}\0`],
    ['zeros within a line', `${line.slice(0, 40)}\0\0${line.slice(42, -1)}`],
  ])('is cut off when the file system left zeros in it: %s', async (_, torn) => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await writeFile(path, whole + torn)
    const { deliver } = await fileSink({ path })
    await deliver('b')
    expect(await readFile(path, 'utf8')).toBe(whole + line)
  })
})

describe('a fault pauses the sink with its reason, keeps everything, and work goes on by itself', () => {
  test('a missing folder', async () => {
    const path = join(await temporaryDirectory(), 'later', 'out.jsonl')
    const { deliver, recorder } = await fileSink({ path })
    const delivery = deliver('a')
    await recorder.first('paused')
    expect(faultOf(recorder)).toMatchObject({ kind: 'configuration', code: 'enoent' })
    expect(faultOf(recorder).message).toContain(path)
    await mkdir(join(path, '..'))
    await delivery
    expect(await idsIn(path)).toEqual(['a'])
    await recorder.first('resumed')
  })

  test('a missing folder shows before the first log', async () => {
    const path = join(await temporaryDirectory(), 'later', 'out.jsonl')
    const { recorder } = await fileSink({ path })
    await recorder.first('paused')
    await mkdir(join(path, '..'))
    await recorder.first('resumed')
  })

  test('a folder in the place of the file', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await mkdir(path)
    const { deliver, recorder } = await fileSink({ path })
    const delivery = deliver('a')
    await recorder.first('paused')
    expect(faultOf(recorder)).toMatchObject({ code: 'no_file' })
    expect(faultOf(recorder).message).toContain('a directory')
    await rm(path, { recursive: true })
    await delivery
    expect(await idsIn(path)).toEqual(['a'])
  })

  test('a FIFO without a reader is refused and not waited for', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await run('mkfifo', [path])
    const { recorder } = await fileSink({ path })
    await recorder.first('paused')
    expect(faultOf(recorder).message).toContain('a FIFO')
    expect(faultOf(recorder).advice).toContain('"-"')
  })

  test.runIf(isRoot)('a full disk: no line is broken, and each is there once', async () => {
    const folder = await smallDisk('128k')
    const path = join(folder, 'out.jsonl')
    const { deliver, recorder, sink, lease } = await fileSink({ path })
    await deliver('a')
    const ballast = join(folder, 'ballast')
    await writeFile(ballast, Buffer.alloc(80 << 10))
    const large = sink.deliver(batchOf(['large'], 70 << 10), lease, () => {})
    await recorder.first('paused')
    expect(faultOf(recorder)).toMatchObject({ kind: 'configuration', code: 'enospc' })
    expect(await idsIn(path)).toEqual(['a'])
    expect(recorder.sum('delivered')).toBe(1)
    await rm(ballast)
    await large
    await deliver('b')
    expect(await idsIn(path)).toEqual(['a', 'large', 'b'])
    await recorder.first('resumed')
  })

  test.runIf(isRoot)('a disk that is read-only for a while', async () => {
    const folder = await smallDisk('128k')
    const path = join(folder, 'out.jsonl')
    await run('mount', ['-o', 'remount,ro', folder])
    const { deliver, recorder } = await fileSink({ path })
    const delivery = deliver('a')
    await recorder.first('paused')
    expect(faultOf(recorder)).toMatchObject({ code: 'erofs' })
    await run('mount', ['-o', 'remount,rw', folder])
    await delivery
    expect(await idsIn(path)).toEqual(['a'])
  })

  test('a disk that is away for a while, and comes back with the lock that was on it', async () => {
    const folder = join(await temporaryDirectory(), 'disk')
    await mkdir(folder)
    const { path, sink, recorder, deliver } = await fileSink({ path: join(folder, 'out.jsonl') })
    await deliver('a')
    await rename(folder, `${folder}-away`)
    const waiting = deliver('b')
    expect((await recorder.first('paused')).args[1]).toMatchObject({ code: 'enoent' })
    await rename(`${folder}-away`, folder)
    await waiting
    expect(await idsIn(path)).toEqual(['a', 'b'])
    // The same, and meanwhile another configuration has taken the place of this one.
    await rename(folder, `${folder}-away`)
    await sink.close()
    await rename(`${folder}-away`, folder)
    const next = await fileSink({ path })
    await next.deliver('c')
    expect(await idsIn(path)).toEqual(['a', 'b', 'c'])
    expect(next.recorder.of('paused')).toEqual([])
  })

  test('a file that was cut by another program meanwhile does not grow by zeros', async () => {
    const { path, deliver } = await fileSink()
    await deliver(...names(50))
    await truncate(path, 0)
    await deliver('a')
    expect(await idsIn(path)).toEqual(['a'])
  })
})

describe('two for one path', () => {
  test('the second pauses with the reason and what to do, and goes on when the first has ended', async () => {
    const first = await fileSink()
    await first.deliver('a')
    const second = await fileSink({ path: first.path })
    const delivery = second.deliver('b')
    await second.recorder.first('paused')
    expect(faultOf(second.recorder)).toMatchObject({ kind: 'configuration', code: 'file_locked' })
    expect(faultOf(second.recorder).advice).toContain('path of its own')
    expect(await idsIn(first.path)).toEqual(['a'])
    await first.sink.close()
    await delivery
    expect(await idsIn(first.path)).toEqual(['a', 'b'])
  })

  test('are found behind a link as well', async () => {
    const first = await fileSink()
    await first.deliver('a')
    const link = join(first.path, '..', 'link.jsonl')
    await symlink(first.path, link)
    const second = await fileSink({ path: link })
    await second.recorder.first('paused')
    expect(faultOf(second.recorder)).toMatchObject({ code: 'file_locked' })
  })

  test('a process that was killed leaves a lock that is taken over at once', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    const script = `
      import { FileSink } from ${JSON.stringify(new URL('../../../../src/sinks/file/sink.ts', import.meta.url).href)}
      import { systemClock } from ${JSON.stringify(new URL('../../../../src/core/clock.ts', import.meta.url).href)}
      import { NO_TELEMETRY } from ${JSON.stringify(new URL('../../../../src/core/telemetry.ts', import.meta.url).href)}
      const sink = new FileSink({ sink: 's', path: ${JSON.stringify(path)}, maxBytes: 1e8, keep: 1, clock: systemClock, telemetry: NO_TELEMETRY })
      const bytes = Buffer.from('{"time":1,"event":{"id":"a"}}\\n')
      const lease = { signal: new AbortController().signal, assertHeld() {} }
      await sink.deliver({ bytes, count: 1 }, lease, () => {})
      console.log('written')
      setInterval(() => {}, 1000)`
    const child = execFile(process.execPath, ['--input-type=module', '-e', script])
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    const { deliver, recorder } = await fileSink({ path, speed: 1 })
    await recorder.first('paused')
    child.kill('SIGKILL')
    await once(child, 'exit')
    await appendFile(path, '{"time":17')
    await deliver('b')
    expect(await idsIn(path)).toEqual(['a', 'b'])
  })

  test('a lock that nobody touches any more is taken over, although its owner cannot be seen', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    const owner = { host: 'another-host', pid: 1, start: '1', numbering: 'another boot' }
    await writeFile(join(path, '..', '.out.jsonl.lock'), `${JSON.stringify(owner)}\n`)
    const { deliver, recorder } = await fileSink({ path, speed: 100 })
    const delivery = deliver('a')
    await recorder.first('paused')
    expect(faultOf(recorder).message).toContain('process 1 on another-host')
    await delivery
    expect(await idsIn(path)).toEqual(['a'])
  })

  test('a file that others may change is told of, and written', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await writeFile(path, '')
    await chmod(path, 0o666)
    const { deliver, recorder } = await fileSink({ path })
    await deliver('a')
    const [{ args } = { args: [] }] = recorder.of('notice')
    expect(args.slice(0, 2)).toEqual(['warn', `${path}: others may change the events in it: everybody may change it`])
  })

  test('a disk that hangs holds one thread for the lock, and not one more every five seconds', async () => {
    const { path, deliver } = await fileSink()
    await deliver('first')
    const probe = await open(path)
    onTestFinished(() => probe.close())
    const prototype = Object.getPrototypeOf(probe) as { utimes: (...args: unknown[]) => Promise<void> }
    const { utimes } = prototype
    let touches = 0
    prototype.utimes = () => {
      touches++
      return new Promise(() => {})
    }
    onTestFinished(() => {
      prototype.utimes = utimes
    })
    vi.useFakeTimers({ toFake: ['setInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const second = await fileSink()
    await second.deliver('first')
    await vi.advanceTimersByTimeAsync(30_000)
    expect(touches).toBe(1)
  })

  test('a lock that is a FIFO is named, and waits for nobody', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await run('mkfifo', [join(path, '..', '.out.jsonl.lock')])
    const { recorder } = await fileSink({ path })
    await recorder.first('paused')
    expect(faultOf(recorder).message).toMatch(/its lock \S+\.out\.jsonl\.lock is odd: it is a FIFO/)
  })

  test('who has lost the lock writes nothing more', async () => {
    const { path, deliver, recorder } = await fileSink()
    await deliver('a')
    await giveToAnother(join(path, '..', '.out.jsonl.lock'))
    void deliver('b').catch(() => {})
    await recorder.first('paused')
    expect(await idsIn(path)).toEqual(['a'])
  })

  test('who has lost the lock cuts nothing off after a failure: the new owner may have written', async () => {
    const { path, deliver, recorder } = await fileSink()
    await deliver('a')
    const theirs = batchOf(['theirs']).bytes
    await failNextSync(path, async () => {
      await giveToAnother(join(path, '..', '.out.jsonl.lock'))
      await appendFile(path, theirs)
    })
    void deliver('b').catch(() => {})
    await recorder.first('paused')
    expect(faultOf(recorder)).toMatchObject({ code: 'eio' })
    expect(await idsIn(path)).toEqual(['a', 'b', 'theirs'])
  })

  test('who still has the lock cuts off what may not be on disk', async () => {
    const { path, deliver, recorder } = await fileSink()
    await deliver('a')
    await failNextSync(path, async () => {})
    await deliver('b')
    expect(faultOf(recorder)).toMatchObject({ code: 'eio' })
    expect(await idsIn(path)).toEqual(['a', 'b'])
  })

  test('a lock that cannot be given back is told of, and work goes on at the new place', async () => {
    const folder = await temporaryDirectory()
    const [one, two, link] = ['one', 'two', 'current'].map((name) => join(folder, name)) as [string, string, string]
    await Promise.all([mkdir(one), mkdir(two)])
    await symlink(one, link)
    const { path, deliver, recorder } = await fileSink({ path: join(link, 'out.jsonl') })
    await deliver('a')
    await rm(link)
    await symlink(two, link)
    await rename(one, `${one}.moved`)
    await writeFile(one, '')
    await deliver('b')
    expect(await idsIn(path)).toEqual(['b'])
    expect(recorder.of('notice').map(({ args }) => args)).toEqual([
      ['warn', expect.stringContaining(`the lock of ${one}/out.jsonl may be left beside it: ENOTDIR`)],
    ])
  })
})

async function giveToAnother(lock: string): Promise<void> {
  await rm(lock)
  await writeFile(lock, `${JSON.stringify({ host: 'another-host', pid: 1, start: '1', numbering: 'x' })}\n`)
}

/** The next sync of any file fails, as on a broken disk, after `before`. */
async function failNextSync(path: string, before: () => Promise<void>): Promise<void> {
  const probe = await open(path)
  const prototype = Object.getPrototypeOf(probe) as { datasync: () => Promise<void> }
  await probe.close()
  const { datasync } = prototype
  const restore = () => {
    prototype.datasync = datasync
  }
  onTestFinished(restore)
  prototype.datasync = async () => {
    restore()
    await before()
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' })
  }
}

/** A disk of its own, that small. */
async function smallDisk(size: string): Promise<string> {
  const folder = await temporaryDirectory()
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'test', folder])
  onTestFinished(async () => {
    await run('umount', ['--lazy', folder])
  })
  return folder
}
