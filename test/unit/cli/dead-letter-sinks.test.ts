import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { replay } from '../../../src/cli/dead-letter/replay.ts'
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts'
import type { SplunkHecConfig } from '../../../src/config/model.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import { accepted, minimal } from '../config/given-environment.ts'

const NAME = 'dead-letter-20261121T090000000Z-c-7-abcdef.jsonl'

/** A line that names its sink, unless that is `undefined`. */
function letter(id: string, sink: string | undefined): string {
  const event_id = `p/audit:3:170:${id}`
  const place = { project: 'p', logstore: 'audit', shard: 3, cursor: 'MTcw', event_id }
  const origin = JSON.stringify({ ...place, ...(sink !== undefined && { route: `to-${sink}`, sink }) })
  const envelope = `{"time":1790000000.123456789,"event":"${id}","fields":{"sls_event_id":"${event_id}"}}`
  const reason = '{"code":"6","text":"Invalid data format","status":400}'
  return `{"reason":${reason},"origin":${origin},"at":"2026-11-21T09:00:00.005Z","event":${envelope}}\n`
}

/** A folder of dead letters, and replays of it with the Splunk sinks `a` and `b`, which refuse `poison`. */
async function twoSinks(lines: string, names = ['a', 'b']) {
  const dir = mkdtempSync(join(tmpdir(), 'replay-sinks-'))
  const indexed = names.map((): unknown[] => [])
  const receivers = await Promise.all(
    names.map((_, index) =>
      startHecReceiver({
        refuse: [{ contains: 'poison', code: 6 }],
        onIndexed: (events) => void indexed[index]?.push(...events.map(({ envelope }) => envelope.event)),
      }),
    ),
  )
  onTestFinished(async () => {
    await Promise.all(receivers.map((receiver) => receiver.close()))
    rmSync(dir, { recursive: true })
  })
  writeFileSync(join(dir, NAME), lines)
  const sinks = names.map((name, index): SplunkHecConfig => {
    const { hec } = accepted({ ...receivers[index]?.environment(), DEAD_LETTER_DIR: dir }).config
    return { ...hec, name }
  })
  const { whole } = accepted({ DEAD_LETTER_DIR: dir }).config
  const config = { ...whole, eventIdScope: 'project' as const, sinks }
  return {
    files: () => readdirSync(dir).sort(),
    text: (name: string) => readFileSync(join(dir, name), 'utf8'),
    at: (index: number) => indexed[index],
    async replay() {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()]
      const code = await replay(config, { env: {}, stdout, stderr, signal: new AbortController().signal })
      return { code, said: `${stderr.read() ?? ''}${stdout.read() ?? ''}` }
    },
  }
}

describe('a replay with several sinks', () => {
  test('sends each event to the sink that refused it', async () => {
    const it = await twoSinks(letter('1', 'a') + letter('2', 'b') + letter('3', 'a'))
    expect(await it.replay()).toMatchObject({ code: 0, said: expect.stringContaining('3 delivered, 0 refused again') })
    expect([it.at(0), it.at(1)]).toEqual([['1', '3'], ['2']])
    expect(it.files()).toEqual([`${NAME}.replayed`])
  })

  test('what is refused again keeps its route and sink', async () => {
    const it = await twoSinks(letter('poison', 'b'))
    expect((await it.replay()).code).toBe(1)
    const [again] = it.files().filter((name) => name.endsWith('.jsonl'))
    expect(JSON.parse(it.text(again as string))).toMatchObject({
      origin: { route: 'to-b', sink: 'b', cursor: 'MTcw', event_id: 'p/audit:3:170:poison' },
    })
  })

  test('an event whose sink does not exist stays, and no other is delivered twice because of it', async () => {
    const stray = letter('2', 'gone')
    const it = await twoSinks(letter('1', 'a') + stray + letter('3', 'b'))
    const { code, said } = await it.replay()
    expect(code).toBe(1)
    expect(said).toContain('1 events are for sinks that are not configured: gone')
    expect(said).toContain('2 delivered, 0 refused again, 0 damaged lines skipped, 1 kept because')
    const [left] = it.files().filter((name) => name.endsWith('.jsonl'))
    expect(it.text(left as string)).toBe(stray)
    const before = it.files()
    expect((await it.replay()).code).toBe(1)
    expect(it.files()).toEqual(before)
    expect([it.at(0), it.at(1)]).toEqual([['1'], ['3']])
  })

  test('an event without a sink goes to the only Splunk there is', async () => {
    const it = await twoSinks(letter('1', undefined), ['a'])
    expect((await it.replay()).code).toBe(0)
    expect(it.at(0)).toEqual(['1'])
  })

  test('an event without a sink stays where two could be meant', async () => {
    const it = await twoSinks(letter('1', undefined))
    expect(await it.replay()).toMatchObject({ code: 1, said: expect.stringContaining('none of its sinks') })
    expect(it.files()).toEqual([NAME])
    expect(it.text(NAME)).toBe(letter('1', undefined))
  })
})

test('the list shows route and sink where the line has them', async () => {
  const it = await twoSinks(letter('1', 'a') + letter('2', undefined), ['a'])
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const dir = mkdtempSync(join(tmpdir(), 'list-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, NAME), it.text(NAME))
  const io = { env: { ...minimal, DEAD_LETTER_DIR: dir }, stdout, stderr, signal: new AbortController().signal }
  expect(await deadLetterCommand(['list'], io)).toBe(0)
  const [first, second] = String(stdout.read()).split('\n')
  expect(first).toMatch(/ {2}p\/audit:3:170:1 {2}route to-a {2}sink a {2}\d+ bytes$/)
  expect(second).toMatch(/ {2}p\/audit:3:170:2 {2}\d+ bytes$/)
  expect(await deadLetterCommand(['list', '--json'], io)).toBe(0)
  expect(String(stdout.read())).toBe(it.text(NAME))
})
