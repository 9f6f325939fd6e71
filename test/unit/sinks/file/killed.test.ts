import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '../delivery-double.ts'

const source = (path: string) => JSON.stringify(new URL(`../../../../src/${path}`, import.meta.url).href)

/** A process that delivers batches of some large events without end, and tells the number of each that counts as delivered. */
const script = (path: string, first: number) => `
  import { FileSink } from ${source('sinks/file/sink.ts')}
  import { systemClock } from ${source('core/clock.ts')}
  import { NO_TELEMETRY } from ${source('core/telemetry.ts')}
  const options = { path: ${JSON.stringify(path)}, maxBytes: 1e12, keep: 1, clock: systemClock, telemetry: NO_TELEMETRY }
  const sink = new FileSink({ sink: 's', ...options })
  const lease = { signal: new AbortController().signal, assertHeld() {} }
  const pad = 'x'.repeat(300_000)
  for (let n = ${first}; ; n++) {
    const line = JSON.stringify({ time: n, event: { pad } }) + '\\n'
    await sink.deliver({ bytes: Buffer.from(line.repeat(5)), count: 5 }, lease, () => {})
    console.log(n)
  }`

test('a process that is killed while it writes loses nothing that counts as delivered, and leaves no broken line', async () => {
  const path = join(await temporaryDirectory(), 'out.jsonl')
  const delivered: number[] = []
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script(path, round * 10_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let told = 0
    createInterface({ input: child.stdout }).on('line', (line) => {
      delivered.push(Number(line))
      if (++told === 3 + round) child.kill('SIGKILL')
    })
    await once(child, 'close')
  }
  const text = await readFile(path, 'utf8')
  // The last process had no successor to cut its last line off.
  const lines = text.slice(0, text.lastIndexOf('\n')).split('\n')
  const numbers = new Set(lines.map((line) => (JSON.parse(line) as { time: number }).time))
  expect(delivered.length).toBeGreaterThanOrEqual(18)
  expect(delivered.filter((number) => !numbers.has(number))).toEqual([])
}, 20_000)
