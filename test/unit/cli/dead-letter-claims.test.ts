import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { Claim } from '../../../src/cli/dead-letter/claim.ts'
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import { minimal } from '../config/given-environment.ts'

const NAME = 'dead-letter-20261121T090000000Z-c-7-abcdef.jsonl'

function letter(id: string): string {
  const origin = `{"project":"p","logstore":"audit","shard":3,"cursor":"MTcw","event_id":"${id}"}`
  const envelope = `{"time":1790000000.123456789,"event":"e","fields":{"sls_event_id":"${id}"}}`
  const reason = '{"code":"6","text":"Invalid data format","status":400}'
  return `{"reason":${reason},"origin":${origin},"at":"2026-11-21T09:00:00.005Z","event":${envelope}}\n`
}

/** Replays a directory that holds one letter in a file of the name given, and returns the exit code and what was said. */
async function replayed(name: string, ageMs = 0, folder = '.') {
  const scratch = mkdtempSync(join(tmpdir(), 'claims-'))
  const dir = join(scratch, folder)
  mkdirSync(dir, { recursive: true })
  const hec = await startHecReceiver()
  onTestFinished(async () => {
    await hec.close()
    rmSync(scratch, { recursive: true })
  })
  writeFileSync(join(dir, name), letter('one'))
  const then = new Date(Date.now() - ageMs)
  utimesSync(join(dir, name), then, then)
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const env = { ...minimal, ...hec.environment(), DEAD_LETTER_DIR: dir }
  const code = await deadLetterCommand(['replay'], { env, stdout, stderr, signal: new AbortController().signal })
  const { events } = hec.state()
  return { code, events, said: `${stderr.read() ?? ''}${stdout.read() ?? ''}`, names: readdirSync(dir) }
}

/** The name of a file that this process has claimed. */
async function claimed(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'claims-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, NAME), letter('one'))
  const claim = await Claim.take(join(dir, NAME))
  if (typeof claim === 'string') throw new Error(claim)
  const [name] = readdirSync(dir)
  await claim.giveBack()
  return name as string
}

async function running(...args: string[]): Promise<{ pid: number; start: string }> {
  const child = spawn(process.execPath, ['-e', 'console.log(1);setTimeout(() => {}, 60_000)', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const pid = child.pid as number
  const start = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] as string
  return { pid, start }
}

const DONE = { code: 0, events: 1, said: expect.stringContaining('1 delivered'), names: [`${NAME}.replayed`] }
function left(name: string, why: RegExp) {
  return { code: 1, events: 0, said: expect.stringMatching(why), names: [name] }
}

const HELD_ELSEWHERE = /replaying-web-2-s77-12 is left: process 12 on web-2 .* 10 minutes .*\n.* 1 files left/

test('a file nobody has is replayed', async () => {
  expect(await replayed(NAME)).toEqual(DONE)
})

test('a claim of another host is left while it is young, and the exit code is 1', async () => {
  const name = `${NAME}.replaying-web-2-s77-12`
  expect(await replayed(name, 9 * 60_000)).toEqual(left(name, HELD_ELSEWHERE))
})

test.each([
  ['ten minutes old', 11 * 60_000],
  ['from the future', -11 * 60_000],
])('a claim of another host that is %s is taken over', async (_, age) => {
  expect(await replayed(`${NAME}.replaying-web-2-s77-12`, age)).toEqual(DONE)
  expect(await replayed(`${NAME}.replaying-web-2-12`, age)).toEqual(DONE)
})

test('a claim of another namespace of process ids is left while it is young, whatever has its number here', async () => {
  const { pid, start } = await running()
  const own = (await claimed()).replace(/.*-n/, '-n').replace(/-s.*/, '')
  const other = own.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
  const name = `${NAME}.replaying-${hostname()}${other}-s${start}-${pid + 1}`
  expect(await replayed(name, 9 * 60_000)).toEqual(left(name, /is left: process .* 10 minutes/))
  expect(await replayed(name, 11 * 60_000)).toEqual(DONE)
  expect(await replayed(`${NAME}.replaying-${hostname()}${own}-s${Number(start) - 1}-${pid}`)).toEqual(DONE)
  const living = `${NAME}.replaying-${hostname()}${own}-s${start}-${pid}`
  expect(await replayed(living, 3_600_000)).toEqual(left(living, /is left: process .* replays it\n/))
})

test('a folder whose name looks like a claim is none', async () => {
  const folder = 'letters.replaying-web-2-s77-12'
  expect(await replayed(`${NAME}.replaying-web-2-s77-12`, 11 * 60_000, folder)).toEqual(DONE)
})

test('a claim of this host is left while its process lives, however old it is', async () => {
  const { pid, start } = await running()
  const name = `${NAME}.replaying-${hostname()}-s${start}-${pid}`
  expect(await replayed(name, 3_600_000)).toEqual(left(name, new RegExp(`process ${pid} on .* replays it\n`)))
})

test('a claim is taken over at once when another process has got the number of its owner', async () => {
  const { pid, start } = await running()
  expect(await replayed(`${NAME}.replaying-${hostname()}-s${Number(start) - 1}-${pid}`)).toEqual(DONE)
})

test('a claim is taken over at once when its owner has ended', async () => {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  expect(await replayed(`${NAME}.replaying-${hostname()}-s1-${child.pid}`)).toEqual(DONE)
  expect(await replayed(`${NAME}.replaying-${hostname()}-${child.pid}`)).toEqual(DONE)
})

test('a claim of an older version says no start: the owner is a replay, or else another process', async () => {
  const other = await running('dead-letter-replay.mjs')
  expect(await replayed(`${NAME}.replaying-${hostname()}-${other.pid}`)).toEqual(DONE)
  expect(await replayed(`${NAME}.replaying-${hostname()}-${process.pid}`)).toEqual(DONE)
  const replay = await running('dead-letter', 'replay')
  const name = `${NAME}.replaying-${hostname()}-${replay.pid}`
  expect(await replayed(name)).toEqual(left(name, /is left: process/))
})
