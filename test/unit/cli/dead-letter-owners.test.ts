import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, expect, test } from 'vitest'
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts'
import type { ComparedLogstore } from '../../../src/cli/reconcile/compared-logstore.ts'
import { deadLettersOf } from '../../../src/cli/reconcile/dead-letters.ts'
import type { HecReceiver } from '../../../src/emulator/hec/server.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import { readDeadLetterFile } from '../../../src/sinks/dead-letter-files.ts'
import { minimal } from '../config/given-environment.ts'

const STRANGER = 54_321
const isRoot = process.geteuid?.() === 0

let dir: string
let hec: HecReceiver

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'owners-'))
  hec = await startHecReceiver()
  return async () => {
    await hec.close()
    rmSync(dir, { recursive: true })
  }
})

/** A file of one letter; returns its path. */
function planted(name: string, mode = 0o600): string {
  const path = join(dir, `dead-letter-${name}.jsonl`)
  const origin = `{"project":"p","logstore":"audit","shard":3,"cursor":"MTcw","event_id":"${name}"}`
  const reason = '{"code":"6","text":"Invalid data format","status":400}'
  const envelope = `{"time":1790000000.1,"event":"e","index":"payments","fields":{"sls_event_id":"${name}"}}`
  writeFileSync(path, `{"reason":${reason},"origin":${origin},"at":"2026-11-21T09:00:00Z","event":${envelope}}\n`)
  chmodSync(path, mode)
  return path
}

async function ran(word: 'list' | 'replay') {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const env = { ...minimal, ...hec.environment(), DEAD_LETTER_DIR: dir }
  const code = await deadLetterCommand([word], { env, stdout, stderr, signal: new AbortController().signal })
  const ids = hec.events.map(({ envelope }) => envelope.fields?.['sls_event_id'])
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? ''), ids }
}

/** Things that can be put under the name of a file of dead letters, and why they are none. */
const ODD: readonly (readonly [what: string, skipped: boolean, plant: () => void, why: RegExp])[] = [
  ['a file that everybody may change', false, () => planted('odd', 0o666), /everybody may change it/],
  ['a file of another user', !isRoot, () => chownSync(planted('odd'), STRANGER, STRANGER), /it belongs to uid 54321/],
  [
    'a file that another group may change',
    !isRoot,
    () => {
      chownSync(planted('odd', 0o600), 0, STRANGER)
      chmodSync(join(dir, 'dead-letter-odd.jsonl'), 0o660)
    },
    /group 54321 may change it/,
  ],
  ['a FIFO', false, () => execFileSync('mkfifo', [join(dir, 'dead-letter-odd.jsonl')]), /a FIFO .*not a regular file/],
]

describe.each(ODD)('%s', (_, skipped, plant, why) => {
  test.skipIf(skipped)('is not listed, and the list says why', async () => {
    planted('own')
    plant()
    const { code, out, err } = await ran('list')
    expect(code).toBe(0)
    expect(out.trimEnd().split('\n')).toEqual([expect.stringContaining('own')])
    expect(err).toMatch(new RegExp(`dead-letter-odd\\.jsonl is not read: .*${why.source}`))
    expect(err).toContain('1 events in')
  })

  test.skipIf(skipped)('is not replayed, and the exit code is 1', async () => {
    planted('own')
    plant()
    const { code, out, err, ids } = await ran('replay')
    expect({ code, ids }).toEqual({ code: 1, ids: ['own'] })
    expect(err).toMatch(new RegExp(`dead-letter-odd\\.jsonl is left: .*${why.source}`))
    expect(out).toContain('1 delivered, 0 refused again, 0 damaged lines skipped, 1 files left')
    expect(readdirSync(dir).sort()).toEqual(['dead-letter-odd.jsonl', 'dead-letter-own.jsonl.replayed'])
  })
})

test('reconcile counts no dead letter of a planted file, which would hide that the log is missing', async () => {
  planted('own')
  planted('odd', 0o666)
  const notes = new Set<string>()
  const compared = { ref: { project: 'p', logstore: 'audit' }, sinks: new Set(['splunk_hec']), byIndex: true }
  const letters = await deadLettersOf([compared as unknown as ComparedLogstore], [dir], notes)
  expect([letters.of('own'), letters.of('odd')]).toEqual([1, 0])
  expect([...notes]).toEqual([expect.stringMatching(/dead-letter-odd\.jsonl is not read: everybody may change it$/)])
})

test('a file that took the place of another after the look is not read either', async () => {
  const read = readDeadLetterFile(planted('odd', 0o666))
  await expect(read.next()).rejects.toMatchObject({ code: 'odd_file' })
})

test('a replay says whose files it takes', async () => {
  planted('own')
  const { code, err } = await ran('replay')
  expect(code).toBe(0)
  expect(err).toContain(`replaying files in ${dir}: 1 of this user (uid ${process.geteuid?.()})\n`)
})

test.skipIf(!isRoot)('root replays the files of the user whose folder it is', async () => {
  chownSync(dir, STRANGER, STRANGER)
  chownSync(planted('theirs'), STRANGER, STRANGER)
  const { code, err, ids } = await ran('replay')
  expect({ code, ids }).toEqual({ code: 0, ids: ['theirs'] })
  expect(err).toContain(`1 of another user (uid ${STRANGER})`)
})
