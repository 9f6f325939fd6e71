import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { IdCounter } from '../../../../src/emulator/hec/ids.ts'
import type { IndexedEvent } from '../../../../src/emulator/hec/index.ts'
import { startHecReceiver } from '../../../../src/emulator/hec/server.ts'
import { Happenings } from '../../../support/happenings.ts'
import { CHANNEL, indexed, post, receiverFor, send } from './client.ts'

async function temporaryFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hec-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return join(folder, 'events.jsonl')
}

function eventsIn(lines: string): unknown[] {
  return lines
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { event: unknown }).event)
}

test('with keepMs old events are forgotten and stay counted', async () => {
  const receiver = await receiverFor({ keepMs: 0 })
  await post(receiver, [{ event: 'old' }, { event: 'old' }])
  const [{ request }] = receiver.events as [IndexedEvent]
  vi.useFakeTimers({ toFake: ['Date'], now: request.receivedAtMs + 1 })
  onTestFinished(() => void vi.useRealTimers())
  await post(receiver, [{ event: 'new' }])
  expect(receiver.events.map(({ seq, envelope }) => [seq, envelope.event])).toEqual([[2, 'new']])
  expect(receiver.state()).toMatchObject({ events: 3 })
})

describe('the output file', () => {
  test('holds an event before its sender is told that it was indexed', async () => {
    const output = await temporaryFile()
    const receiver = await receiverFor({ output })
    await post(receiver, [{ event: 1 }, { event: 2 }])
    expect(eventsIn(await readFile(output, 'utf8'))).toEqual([1, 2])
  })

  test('has the lines that are kept, in the same order, from all senders', async () => {
    const output = await temporaryFile()
    const receiver = await receiverFor({ output })
    await Promise.all(Array.from({ length: 20 }, (_, i) => post(receiver, [{ event: `${i}a` }, { event: `${i}b` }])))
    const lines = (await readFile(output, 'utf8')).trimEnd().split('\n')
    expect(lines).toEqual(receiver.events.map((event) => event.line))
    expect(lines).toHaveLength(40)
  })

  test('is appended to', async () => {
    const output = await temporaryFile()
    await writeFile(output, '{"event":"before"}\n')
    await post(await receiverFor({ output }), [{ event: 'after' }])
    expect(eventsIn(await readFile(output, 'utf8'))).toEqual(['before', 'after'])
  })

  test('that can not be opened fails the start', async () => {
    await expect(startHecReceiver({ output: '/nonexistent/events' })).rejects.toThrow('ENOENT')
  })

  test('that can not be written any more: code 8, nothing counted, and the failure is told', async () => {
    const failures: Error[] = []
    const receiver = await receiverFor({ output: '/dev/full', onOutputFailed: (error) => failures.push(error) })
    expect(await post(receiver, [{ event: 1 }])).toMatchObject({ status: 500, json: { code: 8 } })
    expect(await post(receiver, [{ event: 2 }])).toMatchObject({ status: 500, json: { code: 8 } })
    expect(receiver.state()).toMatchObject({ events: 0, uniqueIds: 0 })
    expect(failures.map((error) => (error as NodeJS.ErrnoException).code)).toEqual(['ENOSPC'])
  })
})

test('after an output stream failed every request is code 8', async () => {
  const failed = Promise.withResolvers<Error>()
  const output = new Writable({ write: (_chunk, _encoding, done) => done(new Error('broken pipe')) })
  const receiver = await receiverFor({ output, onOutputFailed: failed.resolve })
  await post(receiver, [{ event: 1 }])
  expect((await failed.promise).message).toBe('broken pipe')
  expect(await post(receiver, [{ event: 2 }])).toMatchObject({ status: 500, json: { code: 8 } })
  expect(receiver.state().events).toBe(1)
})

test('a slow output stream holds back the answer', async () => {
  const written: string[] = []
  const pending: Array<() => void> = []
  const writes = new Happenings()
  const output = new Writable({
    highWaterMark: 1,
    write(chunk, _, done) {
      written.push(String(chunk))
      pending.push(done)
      writes.notify()
    },
  })
  const receiver = await receiverFor({ output })
  let answered = false
  const answer = post(receiver, [{ event: 1 }]).then(() => (answered = true))
  await writes.until(() => written.length === 1)
  expect(answered).toBe(false)
  pending.shift()?.()
  await answer
  const closed = receiver.close()
  await writes.until(() => pending.length === 1)
  pending.shift()?.()
  await closed
  expect(eventsIn(written.join(''))).toEqual([1])
})

test('the callback gets the events of each request', async () => {
  const calls: unknown[][] = []
  const onIndexed = (events: IndexedEvent[]) =>
    void calls.push(events.map(({ seq, envelope }) => [seq, envelope.event]))
  const receiver = await receiverFor({ onIndexed, keep: false })
  await post(receiver, [{ event: 'a' }, { event: 'b' }])
  await post(receiver, [{ event: 'c' }])
  expect(calls).toEqual([
    [
      [0, 'a'],
      [1, 'b'],
    ],
    [[2, 'c']],
  ])
  expect(receiver.events).toEqual([])
})

test('duplicates are counted by fields.sls_event_id, kept or not', async () => {
  const receiver = await receiverFor({ keep: false })
  const event = (id: string) => ({ event: 'x', fields: { sls_event_id: id } })
  await post(receiver, [event('a'), event('b'), { event: 'no id' }])
  await post(receiver, [event('b'), event('c'), event('a')])
  expect(receiver.state()).toMatchObject({ events: 6, uniqueIds: 3, duplicateIds: 2 })
})

test('the id counter tells similar ids apart, by the hundred thousand', () => {
  const ids = new IdCounter()
  const add = (text: string) => ids.add(Buffer.from(text), 0, text.length)
  for (let i = 0; i < 300_000; i += 1) add(`audit/${i & 15}/MTc${i >> 4}/${i % 7}`)
  for (let i = 0; i < 300_000; i += 1) add(String(i))
  expect([ids.unique, ids.duplicates]).toEqual([600_000, 0])
  for (let i = 0; i < 300_000; i += 1) add(String(i))
  expect([ids.unique, ids.duplicates]).toEqual([600_000, 300_000])
})

describe('discarding', () => {
  test('counts lines and bytes, and keeps nothing', async () => {
    const receiver = await receiverFor({ discard: true })
    const body = '{"event":1}\n{"event":2}\n{"event":3}'
    expect((await send(receiver, '/services/collector/event', { body })).json).toEqual({ text: 'Success', code: 0 })
    expect(receiver.state()).toMatchObject({ events: 3, indexedBytes: body.length, bodyBytes: body.length })
    expect(indexed(receiver)).toEqual([])
  })

  test('still acknowledges', async () => {
    const receiver = await receiverFor({ discard: true, ack: true })
    expect((await post(receiver, [{ event: 1 }], { channel: CHANNEL })).json).toMatchObject({ ackId: 0 })
  })
})
