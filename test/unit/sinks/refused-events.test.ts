import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DeadLetter } from '../../../src/sinks/dead-letter.ts'
import { readDeadLetters } from '../../../src/sinks/dead-letter-files.ts'
import type { DeadLetterLine } from '../../../src/sinks/dead-letter-line.ts'
import { RefusedEvents } from '../../../src/sinks/refused-events.ts'
import { batchOf, fastClock, LeaseDouble, Recorder, temporaryDirectory } from './delivery-double.ts'

async function lettersIn(dir: string): Promise<(DeadLetterLine | undefined)[]> {
  const letters: (DeadLetterLine | undefined)[] = []
  for await (const { letter } of readDeadLetters(dir)) letters.push(letter)
  return letters
}

test('events that a step refuses are in the dead letter before their batch is settled, with route and sink', async () => {
  const dir = await temporaryDirectory()
  const recorder = new Recorder()
  const { telemetry } = recorder
  const deadLetter = new DeadLetter({ dir, consumer: 'c', namesSink: true })
  const refused = new RefusedEvents({ deadLetter, clock: fastClock(100), telemetry })
  await refused.write(batchOf(['a', 'b']), 'parse_failure', new LeaseDouble(), () => {})
  const letters = await lettersIn(dir)
  expect(letters.map((letter) => letter?.reason)).toEqual(
    Array(2).fill({ code: 'parse_failure', text: 'a step of its shape failed', status: null }),
  )
  expect(letters[0]?.origin).toMatchObject({ route: 'default', sink: 'splunk_hec' })
  expect(recorder.sum('deadLettered')).toBe(2)
  await deadLetter.close()
  refused.close()
})

test('a folder that cannot be written pauses them, and they are written when it can', async () => {
  const dir = join(await temporaryDirectory(), 'letters')
  await writeFile(dir, 'no folder')
  const recorder = new Recorder()
  const { telemetry } = recorder
  const deadLetter = new DeadLetter({ dir, consumer: 'c' })
  const refused = new RefusedEvents({ deadLetter, clock: fastClock(100), telemetry })
  const written = refused.write(batchOf(['a']), 'parse_failure', new LeaseDouble(), () => {})
  expect((await recorder.first('paused')).args[0]).toEqual({
    reason: 'dead_letter',
    scope: { of: 'refused', sink: 'splunk_hec' },
  })
  await rm(dir)
  await mkdir(dir)
  await written
  expect(await lettersIn(dir)).toHaveLength(1)
  await deadLetter.close()
  refused.close()
})
