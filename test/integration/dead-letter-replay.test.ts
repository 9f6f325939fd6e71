import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, watch, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startHecReceiver } from '../../src/emulator/hec/server.ts'
import { cleanEnvironment, MAIN, startCommand } from '../support/bridge-process.ts'
import { Happenings } from '../support/happenings.ts'

const NAME = 'dead-letter-20261121T090000000Z-c-7-abcdef.jsonl'
const SETTINGS = {
  ...{ SLS_ENDPOINT: 'http://127.0.0.1:9', SLS_AK_ID: 'id', SLS_AK_KEY: 'key', SLS_PROJECT: 'prod' },
  ...{ SLS_LOGSTORE: 'audit', SLS_CG: 'siem', SPLUNK_HEC_MAX_BYTES: '10000' },
}

function letter(id: string, text = ''): string {
  const origin = `{"project":"prod","logstore":"audit","shard":3,"cursor":"MTcw","event_id":"${id}"}`
  const envelope = `{"time":1790000000.123456789,"event":"${text}","fields":{"sls_event_id":"${id}"}}`
  const reason = '{"code":"6","text":"Invalid data format","status":400}'
  return `{"reason":${reason},"origin":${origin},"at":"2026-11-21T09:00:00.005Z","event":${envelope}}\n`
}

/** A directory with one file of dead letters, of which the receiver refuses some again, and what became of each. */
async function letters(count: number, text: (index: number) => string) {
  const dir = mkdtempSync(join(tmpdir(), 'replay-'))
  const happenings = new Happenings(() => readdirSync(dir).join('\n'))
  const indexed = new Set<string>()
  const hec = await startHecReceiver({
    keep: false,
    refuse: [{ contains: 'poison', code: 6 }],
    onIndexed(events) {
      for (const { envelope } of events) indexed.add(String(envelope.fields?.['sls_event_id']))
      happenings.notify()
    },
  })
  const watcher = watch(dir, happenings.notify)
  onTestFinished(async () => {
    watcher.close()
    await hec.close()
    rmSync(dir, { recursive: true })
  })
  const ids = Array.from({ length: count }, (_, index) => `audit:3:${index}:0`)
  const file = join(dir, NAME)
  writeFileSync(file, ids.map((id, index) => letter(id, text(index))).join(''))
  const env = { ...SETTINGS, ...hec.environment(), DEAD_LETTER_DIR: dir }
  return {
    ...{ dir, file, ids, indexed, happenings, env },
    names: (part: string) => readdirSync(dir).filter((name) => name.includes(part)),
    replay: (more = {}) =>
      startCommand(['dead-letter', 'replay'], { ...env, ...more }, { onOutput: happenings.notify }),
    /** Events that are neither at the receiver nor in a file that the next replay reads. */
    lost() {
      const waiting = readdirSync(dir)
        .filter((name) => !name.endsWith('.replayed'))
        .map((name) => readFileSync(join(dir, name), 'utf8'))
        .join('')
      return ids.filter((id) => !indexed.has(id) && !waiting.includes(`"event_id":"${id}"`))
    },
  }
}

const POISON = new Set([7, 350, 599])

test('a replay that is killed at any instant loses no event, and the next one goes on without a pause', async () => {
  const count = 600
  const { replay, happenings, lost, names, indexed, dir, ids } = await letters(count, (index) =>
    POISON.has(index) ? 'poison' : 'x'.repeat(100),
  )
  const instants: [string, () => boolean][] = [
    ['it has taken the file', () => names('.replaying-').length > 0],
    ['its first events arrive', () => indexed.size > 0],
    ['half of its events have arrived', () => indexed.size > count / 2],
    [
      'it writes a refused event',
      () => names('-replay-').some((name) => name.endsWith('.jsonl') && statSync(join(dir, name)).size > 0),
    ],
    ['all of its events have arrived', () => indexed.size === count - POISON.size],
  ]
  for (const [, reached] of instants) {
    const killed = replay()
    await happenings.until(() => reached(), 30_000)
    await killed.kill('SIGKILL')
    expect(lost()).toEqual([])
    // A replay that was quicker than the signal leaves nothing for the next one.
    if (names('.replaying-').length > 0) indexed.clear()
  }
  const last = replay()
  expect((await last.exited).code).toBe(1)
  expect(last.lines.at(-1)?.msg).toMatch(/^\d+ delivered, \d+ refused again, 0 damaged lines skipped$/)
  expect(lost()).toEqual([])
  expect(indexed.size).toBe(count - POISON.size)
  // What it refused again is in a file of its own, and nothing is left under a claim.
  expect(names('.replaying-')).toEqual([])
  const again = readdirSync(dir).filter((name) => name.endsWith('.jsonl'))
  const refused = again.map((name) => readFileSync(join(dir, name), 'utf8')).join('')
  for (const index of POISON) expect(refused).toContain(`"event_id":"${ids[index]}"`)
})

describe('a disk without room for what is refused again', () => {
  test('the replay waits and says so; ended, it leaves the file as it was', async () => {
    const { file, dir, env, indexed, ids, names, lost, replay } = await letters(60, (index) =>
      index % 10 === 0 ? `poison${'x'.repeat(9_000)}` : 'x',
    )
    const before = readFileSync(file, 'utf8')
    // A limit on file size stops a write in the middle just as a full disk does, and needs no privilege.
    const limited = 'ulimit -f 16; exec "$0" --no-warnings "$1" dead-letter replay'
    const child = spawn('sh', ['-c', limited, process.execPath, MAIN], {
      ...{ cwd: dir, env: { ...cleanEnvironment(), ...env }, stdio: ['ignore', 'ignore', 'pipe'] },
    })
    let said = ''
    const waiting = Promise.withResolvers<void>()
    child.stderr?.on('data', (text) => {
      said += text
      if (said.includes('waiting: cannot write the dead letter')) waiting.resolve()
    })
    const exited = once(child, 'exit')
    await Promise.race([waiting.promise, exited])
    child.kill('SIGTERM')
    expect(await exited, said).toEqual([1, null])
    expect(said).toContain(`${NAME} is left: the replay was ended`)
    expect(readFileSync(file, 'utf8')).toBe(before)
    expect(lost()).toEqual([])
    indexed.clear()
    const last = replay()
    expect((await last.exited).code).toBe(1)
    expect(indexed.size).toBe(54)
    expect(names('.replaying-')).toEqual([])
    expect(ids.filter((id) => !indexed.has(id))).toHaveLength(6)
    expect(lost()).toEqual([])
  })
})

test('a replay of large events holds no more than MAX_IN_FLIGHT_BYTES and a constant', async () => {
  const count = 150
  const { replay } = await letters(count, () => 'x'.repeat(2_000_000))
  let most = 0
  // It only reads what it gets, and slower than the disk is, so all events would soon be in memory.
  const collector = createServer((request, response) => {
    const peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${large.child.pid}/status`, 'utf8'))?.[1]
    most = Math.max(most, Number(peak) * 1024)
    request.resume().on('end', () => setTimeout(() => response.end('{"text":"Success","code":0}'), 200))
  })
  collector.listen(0, '127.0.0.1')
  await once(collector, 'listening')
  onTestFinished(() => void collector.close())
  const { port } = collector.address() as AddressInfo
  const large = replay({
    ...{ MAX_IN_FLIGHT_BYTES: '16000000', SPLUNK_HEC_URL: `http://127.0.0.1:${port}`, SPLUNK_HEC_ACK: 'false' },
    SPLUNK_HEC_GZIP: 'false',
  })
  expect((await large.exited).code).toBe(0)
  expect(large.lines.at(-1)?.msg).toContain(`${count} delivered`)
  // Node itself needs 90 MB. All events at once are 300 MB as bytes, and for a while as much again as text.
  expect(most / 1e6).toBeGreaterThan(50)
  expect(most / 1e6).toBeLessThan(280)
})

test('a line without an end is not held: its file is left, and the events before it are delivered', async () => {
  const { replay, indexed, file, names } = await letters(3, () => 'x')
  writeFileSync(file, readFileSync(file, 'utf8') + 'y'.repeat(65 << 20))
  const left = replay()
  expect((await left.exited).code).toBe(1)
  expect(indexed.size).toBe(3)
  expect(left.stderr).toMatch(/jsonl:4: is longer than 64 MiB\n.*jsonl is left: line 4 is longer than 64 MiB\n/)
  expect(names('.replay')).toEqual([])
})
