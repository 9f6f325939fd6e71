import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts'
import { startHecReceiver } from '../../../src/emulator/hec/server.ts'
import { readDeadLetters } from '../../../src/sinks/dead-letter-files.ts'
import { minimal } from '../config/given-environment.ts'
import { temporaryDirectory } from '../sinks/delivery-double.ts'

function letter(cursor: string): string {
  const origin = `{"project":"p","logstore":"audit","shard":3,"cursor":"${cursor}","event_id":null}`
  const reason = '{"code":"6","text":"Invalid data format","status":400}'
  const envelope = `{"time":1790000000.123456789,"event":"of ${cursor}"}`
  return `{"reason":${reason},"origin":${origin},"at":"2026-11-21T09:00:00.005Z","event":${envelope}}\n`
}

test('an event that is refused again keeps the cursor of its own dead letter', async () => {
  const dir = await temporaryDirectory()
  const hec = await startHecReceiver({ refuse: [{ contains: 'of ', code: 6 }] })
  onTestFinished(() => hec.close())
  writeFileSync(join(dir, 'dead-letter-20261121T090000000Z-c-7-abcdef.jsonl'), letter('MTYw') + letter('MTcw'))
  const io = { stdout: new PassThrough(), stderr: new PassThrough(), signal: new AbortController().signal }
  await deadLetterCommand(['replay'], { ...io, env: { ...minimal, ...hec.environment(), DEAD_LETTER_DIR: dir } })
  const kept: string[] = []
  for await (const { letter } of readDeadLetters(dir)) kept.push(`${letter?.origin.cursor} ${letter?.event}`)
  expect(kept.toSorted()).toEqual([expect.stringMatching(/^MTYw .*of MTYw/), expect.stringMatching(/^MTcw .*of MTcw/)])
})
