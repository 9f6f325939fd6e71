import { execFile } from 'node:child_process'
import { readFileSync, readlinkSync, renameSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { appendFile, mkdir, open, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { hostChecks } from '../../../src/cli/check/host.ts'
import type { Config } from '../../../src/config/model.ts'
import { DeadLetter } from '../../../src/sinks/dead-letter.ts'
import type { DeadLetterRecord } from '../../../src/sinks/dead-letter-files.ts'
import { deadLetterFiles, readDeadLetters } from '../../../src/sinks/dead-letter-files.ts'
import type { DeadLetterEntry, DeadLetterLine } from '../../../src/sinks/dead-letter-line.ts'
import { batchOf, lettersIn, names, SHARD, sinkTo, temporaryDirectory } from './delivery-double.ts'
import { refuse, startHec } from './hec-double.ts'

const run = promisify(execFile)

function entry(envelope: string, more: Partial<DeadLetterEntry> = {}): DeadLetterEntry {
  return {
    reason: { code: '6', text: 'Invalid data format', status: 400 },
    origin: { ...SHARD, cursor: 'MTYw' },
    route: 'denied',
    sink: 'splunk',
    event: Buffer.from(envelope),
    ...more,
  }
}

async function all(dir: string): Promise<DeadLetterRecord[]> {
  const records: DeadLetterRecord[] = []
  for await (const record of readDeadLetters(dir)) records.push(record)
  return records
}

const ENVELOPE =
  '{"time":1790000000.123456789,"event":{"k":"\\u00e9, \\"event\\":1"},"fields":{"sls_event_id":"audit:3:170:4"}}'

describe('a dead letter line', () => {
  test('has exactly the keys of the contract, and the envelope byte for byte', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c', clock: { wall: () => Date.UTC(2026, 10, 21, 9, 0, 0, 5) } })
    await letters.write([entry(ENVELOPE)])
    await letters.close()
    const [file] = await deadLetterFiles(dir)
    expect(await readFile(file as string, 'utf8')).toBe(
      '{"reason":{"code":"6","text":"Invalid data format","status":400},' +
        // base64 of "170": the log group's own cursor, not the pull's
        '"origin":{"project":"prod","logstore":"audit","shard":3,"cursor":"MTcw","event_id":"audit:3:170:4"},' +
        `"at":"2026-11-21T09:00:00.005Z","event":${ENVELOPE}}\n`,
    )
  })

  test('has route and sink in its origin with a configuration file, whose ids begin with the project', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c', namesSink: true, clock: { wall: () => 0 } })
    const envelope = ENVELOPE.replace('audit:3', 'prod/audit:3')
    await letters.write([entry(envelope)])
    await letters.close()
    const [file] = await deadLetterFiles(dir)
    expect(await readFile(file as string, 'utf8')).toBe(
      '{"reason":{"code":"6","text":"Invalid data format","status":400},' +
        '"origin":{"project":"prod","logstore":"audit","shard":3,"cursor":"MTcw","event_id":"prod/audit:3:170:4",' +
        `"route":"denied","sink":"splunk"},"at":"1970-01-01T00:00:00.000Z","event":${envelope}}\n`,
    )
    const [record] = await all(dir)
    expect(record?.letter?.origin).toMatchObject({ route: 'denied', sink: 'splunk' })
  })

  test('that is kept for later has the same bytes in its new file', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c', namesSink: true, clock: { wall: () => 0 } })
    await letters.write([entry(ENVELOPE)])
    await letters.close()
    const [file] = await deadLetterFiles(dir)
    const line = await readFile(file as string)
    const [record] = await all(dir)
    await rm(file as string)
    const again = new DeadLetter({ dir, consumer: 'other' })
    await again.keep([record?.letter as DeadLetterLine])
    await again.close()
    const [other] = await deadLetterFiles(dir)
    expect(await readFile(other as string)).toEqual(line)
  })

  test.each([
    ['a hash', '{"fields":{"sls_event_id":"9f86d081"}}', '9f86d081'],
    ['of another logstore', '{"fields":{"sls_event_id":"other:3:170:4"}}', 'other:3:170:4'],
    ['missing', '{"event":1}', null],
    ['no text', '{"fields":{"sls_event_id":7}}', null],
    ['unreadable, as the envelope is', '{"event":', null],
  ])('an event id that is %s leaves the cursor of the pull', async (_, envelope, id) => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    await letters.write([entry(envelope)])
    const [record] = await all(dir)
    expect(record?.letter?.origin).toEqual({
      project: 'prod',
      logstore: 'audit',
      shard: 3,
      cursor: 'MTYw',
      event_id: id,
    })
    expect(record?.letter?.event).toBe(envelope)
    await letters.close()
  })

  test('is read back with the envelope’s own bytes, whatever stands in the texts', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    const reason = { code: '6', text: 'bad ,"event":{ \n \u2028 "', status: null }
    await letters.write([entry(ENVELOPE, { reason }), entry('{"event":"\u2028\\r\\n"}')])
    const records = await all(dir)
    expect(records.map(({ letter }) => letter?.event)).toEqual([ENVELOPE, '{"event":"\u2028\\r\\n"}'])
    expect(records[0]?.letter?.reason).toEqual(reason)
    await letters.close()
  })
})

describe('dead letter files', () => {
  test('many writers at once: every event is there, in whole lines', async () => {
    const dir = await temporaryDirectory()
    const writers = [0, 1, 2].map((i) => new DeadLetter({ dir, consumer: `group/worker ${i}`, maxFileBytes: 2_000 }))
    const writes = names(90).map((id, i) => (writers[i % 3] as DeadLetter).write([entry(`{"event":{"id":"${id}"}}`)]))
    await Promise.all(writes)
    for (const writer of writers) await writer.close()
    expect((await lettersIn(dir)).map(({ event }) => event.event.id).toSorted()).toEqual(names(90).toSorted())
    expect((await deadLetterFiles(dir)).length).toBeGreaterThanOrEqual(3)
  })

  test('a write that follows another at once is not left behind', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    for (const id of names(20)) {
      await letters.write([entry(`{"event":{"id":"${id}"}}`)])
      await Promise.all([
        letters.write([entry('{"event":{"id":"x"}}')]),
        letters.write([entry('{"event":{"id":"y"}}')]),
      ])
    }
    expect(await lettersIn(dir)).toHaveLength(60)
    await letters.close()
  })

  test('an entry that cannot be encoded is told as the bug it is, and later writes go on', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    const bug = { ...entry('{"event":{}}'), origin: undefined } as unknown as DeadLetterEntry
    await expect(letters.write([bug])).rejects.toThrow(TypeError)
    await letters.write([entry('{"event":{"id":"a"}}')])
    await letters.close()
    expect(await lettersIn(dir)).toHaveLength(1)
  })

  test('rotate by size, and their names sort by time', async () => {
    const dir = await temporaryDirectory()
    let now = Date.UTC(2026, 10, 21)
    const letters = new DeadLetter({ dir, consumer: 'c', maxFileBytes: 700, clock: { wall: () => (now += 1_500) } })
    for (const id of names(9)) await letters.write([entry(`{"event":{"id":"${id}"}}`)])
    await letters.close()
    expect((await deadLetterFiles(dir)).length).toBeGreaterThan(2)
    expect((await all(dir)).map(({ letter }) => letter?.event)).toEqual(
      names(9).map((id) => `{"event":{"id":"${id}"}}`),
    )
  })

  test('are for their owner alone: they hold whole events', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    await letters.write([entry('{"event":{}}')])
    await letters.close()
    const [file] = await deadLetterFiles(dir)
    expect((await stat(file as string)).mode & 0o777).toBe(0o600)
  })

  test('nothing is created before there is something to write', async () => {
    const dir = join(await temporaryDirectory(), 'later')
    const letters = new DeadLetter({ dir, consumer: 'c' })
    await letters.close()
    expect(await all(dir)).toEqual([])
    await expect(readdir(dir)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('a link to a file of another place is one of them; a FIFO, a device and a folder are none', async () => {
    const [dir, elsewhere] = [await temporaryDirectory(), await temporaryDirectory()]
    await writeFile(join(elsewhere, 'moved'), '')
    await symlink(join(elsewhere, 'moved'), join(dir, 'dead-letter-a.jsonl'))
    await symlink('/dev/zero', join(dir, 'dead-letter-b.jsonl'))
    await mkdir(join(dir, 'dead-letter-c.jsonl'))
    await promisify(execFile)('mkfifo', [join(dir, 'dead-letter-d.jsonl')])
    expect(await deadLetterFiles(dir)).toEqual([join(dir, 'dead-letter-a.jsonl')])
  })

  test('a file that was renamed for a replay, or removed, is left, and the event goes into a new one', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    await letters.write([entry('{"event":{"id":"a"}}')])
    const [first] = await deadLetterFiles(dir)
    await rename(first as string, `${first}.replaying`)
    await letters.write([entry('{"event":{"id":"b"}}')])
    const [second] = await deadLetterFiles(dir)
    expect(second).not.toBe(first)
    expect((await all(dir)).map(({ letter }) => letter?.event)).toEqual(['{"event":{"id":"b"}}'])
    await rm(second as string)
    await letters.write([entry('{"event":{"id":"c"}}')])
    expect((await all(dir)).map(({ letter }) => letter?.event)).toEqual(['{"event":{"id":"c"}}'])
    await letters.close()
  })

  test('a file taken in the middle of a write: the event is in what the replay read, or in a new file', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    const seen = new Set<string>()
    const ids = (text: string): void => {
      for (const [, id] of text.matchAll(/"event":\{"id":"(\w+)"/g)) seen.add(id as string)
    }
    const take = async (): Promise<void> => {
      for (const file of await deadLetterFiles(dir)) {
        renameSync(file, `${file}.taken`)
        ids(readFileSync(`${file}.taken`, 'utf8'))
      }
    }
    const written: string[] = []
    // Taken after more and more turns of the loop, so that some fall between the writer's look at the name and its write.
    for (let n = 0; n < 300; n++) {
      const writing = letters.write([entry(`{"event":{"id":"e${n}"}}`)])
      for (let turn = 0; turn < n % 15; turn++) await setImmediate()
      await take()
      await writing
      written.push(`e${n}`)
    }
    await letters.close()
    for (const file of await deadLetterFiles(dir)) ids(await readFile(file, 'utf8'))
    expect(written.filter((id) => !seen.has(id))).toEqual([])
  })

  test('half a last line is reported, the others are read; other lines and files are not dead letters', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    await letters.write([entry('{"event":{"id":"a"}}')])
    await letters.close()
    const [file] = await deadLetterFiles(dir)
    const line = await readFile(file as string, 'utf8')
    // Cut right behind a brace, so that the rest looks like a line of its own.
    await appendFile(file as string, `not a letter\n${line}${line.slice(0, line.length - 2)}`)
    await writeFile(join(dir, 'notes.txt'), 'hello')
    const records = await all(dir)
    expect(records.map(({ line: number, problem }) => [number, problem === undefined])).toEqual([
      [1, true],
      [2, false],
      [3, true],
      [4, false],
    ])
  })
})

/** Calls `before` with every file and directory that is about to be synced, until the test ends. */
async function watchSyncs(before: (path: string, handle: FileHandle) => void): Promise<void> {
  const handle = await open('/')
  const handles = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const { sync } = handles
  handles.sync = async function (this: FileHandle) {
    before(readlinkSync(`/proc/self/fd/${this.fd}`), this)
    await sync.call(this)
  }
  onTestFinished(() => {
    handles.sync = sync
  })
}

describe('a directory that was not there survives a power cut with all of its parents', () => {
  test('each directory in which a name is new is synced before the event is settled', async () => {
    const top = await temporaryDirectory()
    const synced: string[] = []
    await watchSyncs((path) => void synced.push(path))
    const letters = new DeadLetter({ dir: join(top, 'a/b/c'), consumer: 'c' })
    await letters.write([entry('{"event":{}}')])
    await letters.close()
    expect(synced.slice(0, -1)).toEqual([top, join(top, 'a'), join(top, 'a/b'), join(top, 'a/b/c')])
  })

  test('a sync that failed is made up for by the next write', async () => {
    const top = await temporaryDirectory()
    const synced: string[] = []
    let broken = true
    await watchSyncs((path) => {
      if (broken && path === join(top, 'a')) throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'fsync' })
      synced.push(path)
    })
    const letters = new DeadLetter({ dir: join(top, 'a/b'), consumer: 'c' })
    await expect(letters.write([entry('{"event":{}}')])).rejects.toMatchObject({ code: 'dead_letter' })
    broken = false
    await letters.write([entry('{"event":{}}')])
    await letters.close()
    expect(synced.slice(0, -1)).toEqual([top, join(top, 'a'), join(top, 'a/b')])
  })

  test('also when a check has made it', async () => {
    const top = await temporaryDirectory()
    const synced: string[] = []
    await watchSyncs((path) => void synced.push(path))
    const config = { deadLetterDir: join(top, 'a/b'), log: {}, sources: [], sinks: [] } as unknown as Config
    const check = hostChecks(config).find(({ about }) => about === 'dead letter')
    await check?.run(AbortSignal.abort())
    expect(synced).toEqual(expect.arrayContaining([top, join(top, 'a')]))
  })
})

describe('a full disk', () => {
  test('a write that failed half way is cut back, and damages no later line', async () => {
    const dir = await temporaryDirectory()
    const script = join(dir, 'writer.ts')
    const source = (name: string): string => join(import.meta.dirname, '../../../src/sinks', name)
    await writeFile(
      script,
      `import { DeadLetter } from ${JSON.stringify(source('dead-letter.ts'))}
const letters = new DeadLetter({ dir: ${JSON.stringify(join(dir, 'letters'))}, consumer: 'c' })
const write = (id, pad) => letters.write([{
  reason: { code: '6', text: 't', status: 400 },
  origin: { project: 'p', logstore: 'l', shard: 0, cursor: '' },
  event: Buffer.from(JSON.stringify({ event: { id, pad: 'x'.repeat(pad) } })),
}]).then(() => id + ' written', (fault) => id + ' ' + fault.kind + ' ' + fault.code)
console.log(JSON.stringify([await write('a', 9), await write('b', 99_999), await write('c', 9), await write('d', 99_999), await write('e', 9)]))
`,
    )
    // A limit on file size stops a write in the middle just as a full disk does, and needs no privilege.
    const { stdout } = await run('sh', ['-c', `ulimit -f 8; exec "${process.execPath}" --no-warnings "${script}"`])
    expect(JSON.parse(stdout)).toEqual([
      'a written',
      'b configuration dead_letter',
      'c written',
      'd configuration dead_letter',
      'e written',
    ])
    const records = await all(join(dir, 'letters'))
    expect(records.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined])
    expect((await lettersIn(join(dir, 'letters'))).map(({ event }) => event.event.id)).toEqual(['a', 'c', 'e'])
  })

  test('is told by the error of the write, also when closing the file fails as well', async () => {
    const dir = await temporaryDirectory()
    const letters = new DeadLetter({ dir, consumer: 'c' })
    await watchSyncs((path, handle) => {
      if (path === dir) return
      const close = handle.close.bind(handle)
      handle.close = async () => {
        await close()
        throw Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO', syscall: 'close' })
      }
      throw Object.assign(new Error('ENOSPC: no space left, fsync'), { code: 'ENOSPC', syscall: 'fsync' })
    })
    await expect(letters.write([entry('{"event":{}}')])).rejects.toThrow('no space left')
  })

  test('pauses the sink with its own reason; the event is settled only when it is on disk', async () => {
    const hec = await startHec()
    hec.script.push(refuse(400, 12, 1, 1))
    const parent = await temporaryDirectory()
    const dir = join(parent, 'letters')
    await writeFile(dir, 'a file where the directory should be')
    const deadLetter = new DeadLetter({ dir, consumer: 'c' })
    const { deliver, recorder } = await sinkTo([hec.url], { clock: hec.clock, deadLetter })
    let done = false
    const delivery = deliver(batchOf(names(4))).then(() => {
      done = true
    })
    await recorder.first('paused')
    expect(recorder.of('paused').map(({ args }) => args[0])).toEqual([
      { reason: 'dead_letter', scope: { of: 'sink', sink: 'splunk_hec' } },
    ])
    expect(recorder.faults('paused')[0]?.advice).toContain('DEAD_LETTER_DIR')
    const other = deliver(batchOf(['other']))
    await hec.clock.advance(60_000)
    expect(done).toBe(false)
    expect(recorder.sum('deadLettered')).toBe(0)
    expect(hec.posts).toHaveLength(1)
    await rm(dir)
    await hec.clock.advance(60_000)
    await Promise.all([delivery, other])
    expect(recorder.of('resumed').map(({ args }) => args[0])).toEqual([
      { reason: 'dead_letter', scope: { of: 'sink', sink: 'splunk_hec' } },
    ])
    expect((await lettersIn(dir)).map(({ event }) => event.event.id)).toEqual(['e1'])
    expect(hec.indexed.toSorted()).toEqual(['e0', 'e2', 'e3', 'other'])
  })
})
