import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts'
import { readDeadLetters } from '../../../src/sinks/dead-letter-files.ts'
import { minimal } from '../../unit/config/given-environment.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

/** A whole line on either side: whatever stands between them, they must be read. */
export const LETTER =
  '{"reason":{"code":"6","text":"Invalid data format","status":400},"origin":{"project":"p","logstore":"audit","shard":3,' +
  '"cursor":"MTcw","event_id":"audit:3:170:4"},"at":"2026-11-21T09:00:00.005Z","event":{"time":1790000000.123456789,' +
  '"event":{"k":"\\u00e9 \\"event\\":1"},"fields":{"sls_event_id":"audit:3:170:4"}}}\n'

/** Input: a piece of a file of dead letters. */
export const deadLetters: Target = {
  name: 'dead-letter',
  open() {
    const dir = mkdtempSync(join(tmpdir(), 'dead-letter-fuzz-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    return async (input) => {
      writeFileSync(
        join(dir, 'dead-letter-a.jsonl'),
        Buffer.concat([Buffer.from(LETTER), input, Buffer.from(`\n${LETTER}`)]),
      )
      const lines = input.toString('latin1').split('\n').length + 2
      let letters = 0
      let damaged = 0
      for await (const { letter, problem } of readDeadLetters(dir)) {
        if (problem !== undefined) damaged++
        else {
          letters++
          const { reason, origin, at, event } = letter
          must(typeof reason.code === 'string' && typeof reason.text === 'string', 'a reason has code and text')
          must(reason.status === null || Number.isInteger(reason.status), 'a reason has a status or null')
          must([origin.project, origin.logstore, origin.cursor].every(isText), 'an origin says where')
          must(Number.isSafeInteger(origin.shard), 'an origin has a shard')
          must(origin.event_id === null || typeof origin.event_id === 'string', 'an event has an id or null')
          must(typeof at === 'string' && typeof event === 'string', 'there is a time and an event')
        }
      }
      must(letters + damaged === lines, 'every line is read, or told to be damaged')
      must(letters >= 2, 'a damaged line damages no other')
      const listed = await list(dir)
      must(listed.code === 0, 'the command lists every letter')
      must(listed.out.split('\n').length === letters + 1, 'one line for each event')
      must(!/[\p{Cc}\p{Zl}\p{Zp}]/u.test(listed.out.replaceAll('\n', '')), 'nothing that a terminal would obey')
      return `${letters} letters, ${damaged} damaged`
    }
  },
}

const isText = (value: unknown): boolean => typeof value === 'string'

async function list(dir: string): Promise<{ code: number; out: string }> {
  let out = ''
  const stdout = { write: (text: string) => (out += text) } as unknown as NodeJS.WriteStream
  const stderr = { write: () => true } as unknown as NodeJS.WriteStream
  const env = { ...minimal, DEAD_LETTER_DIR: dir }
  const code = await deadLetterCommand(['list'], { env, stdout, stderr, signal: new AbortController().signal })
  return { code, out }
}
