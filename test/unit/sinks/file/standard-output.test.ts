import type { ChildProcess } from 'node:child_process'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '../delivery-double.ts'

const run = promisify(execFile)
const isRoot = process.getuid?.() === 0

const source = (path: string) => JSON.stringify(new URL(`../../../../src/${path}`, import.meta.url).href)

/**
 * A process with a sink for its standard output. It delivers `count` batches and tells on standard error what happens. A timer of
 * 15 ms may ring a millisecond early, which is a second of the fast clock.
 */
const script = (count: number, pad: number) => `
  import { FileSink } from ${source('sinks/file/sink.ts')}
  import { systemClock } from ${source('core/clock.ts')}
  import { NO_TELEMETRY } from ${source('core/telemetry.ts')}
  const tell = (line) => process.stderr.write(line + '\\n')
  const telemetry = { ...NO_TELEMETRY, paused: (_, fault) => tell('paused ' + fault.code + ': ' + fault.message),
    deliveryWaits: (sink, fault, seconds) => tell('waits ' + sink + ': ' + fault.message + ' ' + (seconds >= 13)) }
  const clock = { ...systemClock, monotonic: () => 1000 * systemClock.monotonic(), sleep: (ms, signal) => systemClock.sleep(ms / 1000, signal) }
  const readerEnded = () => { tell('reader ended'); process.exit(1) }
  const sink = new FileSink({ sink: 's', path: '-', maxBytes: 1e8, keep: 1, clock: process.env.FAST ? clock : systemClock, telemetry, readerEnded })
  const lease = { signal: new AbortController().signal, assertHeld() {} }
  let turns = 0
  const beat = setInterval(() => { if (turns++ % 20 === 0) tell('beat') }, 5)
  const deliveries = Array.from({ length: ${count} }, (_, i) => {
    const bytes = Buffer.from(JSON.stringify({ time: i, event: { pad: 'x'.repeat(${pad}) } }) + '\\n')
    return sink.deliver({ bytes, count: 1 }, lease, () => {}).then(() => tell('delivered ' + i))
  })
  await Promise.all(deliveries)
  await sink.close()
  clearInterval(beat)`

interface Started {
  readonly child: ChildProcess
  /** What the process tells, from now on. */
  until(told: RegExp): Promise<string>
}

/** `shell` says what is behind the standard output of `"$@"`. */
function start(shell: string, { count = 3, pad = 10 } = {}): Started {
  const args = ['-c', shell, 'sh', process.execPath, '--input-type=module', '-e', script(count, pad)]
  const child = spawn('bash', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let told = ''
  child.stderr.on('data', (chunk) => {
    told += chunk
  })
  return {
    child,
    async until(line) {
      while (!line.test(told)) await once(child.stderr, 'data', { signal: AbortSignal.timeout(9_000) })
      return told
    },
  }
}

const idsOf = (text: string): number[] => {
  expect(text.endsWith('\n')).toBe(true)
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { time: number }).time)
}

async function textOf({ child }: Started): Promise<string> {
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += chunk
  })
  await once(child, 'close')
  return text
}

describe('the standard output as a sink', () => {
  test.each([
    ['a pipe', '"$@" | cat'],
    ['a socket', 'exec "$@"'],
  ])('%s gets every line whole, and the process ends', async (_, shell) => {
    const started = start(shell, { count: 50, pad: 20_000 })
    expect(idsOf(await textOf(started))).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect(started.child.exitCode).toBe(0)
  })

  test('a reader that is slow holds up the lines, and nothing else of the process', async () => {
    const go = join(await temporaryDirectory(), 'go')
    const slow = start(`"$@" | (until [ -e ${go} ]; do sleep 0.05; done; cat)`, { count: 4, pad: 200_000 })
    const text = textOf(slow)
    expect(await slow.until(/(beat[\s\S]*){3}/)).not.toContain('delivered')
    await writeFile(go, '')
    expect(idsOf(await text)).toEqual([0, 1, 2, 3])
  })

  test('a reader that does not read is told of', async () => {
    const hung = start('export FAST=1; "$@" | sleep 9', { count: 2, pad: 200_000 })
    expect(await hung.until(/waits s: .*\n/)).toContain(
      'waits s: the standard output has not taken the events yet true',
    )
  })

  test('a reader that has ended is a fault that says so, and nothing more counts as delivered', async () => {
    const started = start('"$@" | head -c 100 >&2', { count: 4, pad: 200_000 })
    const told = await started.until(/reader ended/)
    expect(told).toContain('paused reader_ended: nobody reads the standard output any more')
    expect(told).not.toContain('delivered')
  })

  test('a file is appended to', async () => {
    const path = join(await temporaryDirectory(), 'out.jsonl')
    await writeFile(path, '{"time":-1}\n')
    await textOf(start(`"$@" >> ${path}`))
    expect(idsOf(await readFile(path, 'utf8'))).toEqual([-1, 0, 1, 2])
  })

  test.runIf(isRoot)('a file on a full disk: it waits, and no line is broken', async () => {
    const folder = await temporaryDirectory()
    await run('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'test', folder])
    onTestFinished(async () => {
      await run('umount', ['--lazy', folder])
    })
    const ballast = join(folder, 'ballast')
    await writeFile(ballast, Buffer.alloc(448 << 10))
    const started = start(`"$@" > ${folder}/out.jsonl`, { count: 3, pad: 30_000 })
    const text = textOf(started)
    expect(await started.until(/paused/)).toContain('paused enospc')
    await rm(ballast)
    await text
    const ids = idsOf(await readFile(join(folder, 'out.jsonl'), 'utf8'))
    expect(new Set(ids)).toEqual(new Set([0, 1, 2]))
  })
})

test('a terminal gets the same JSON without what it would obey', async () => {
  const event = 'a\u009b2J\u202eb'
  const code = `
    import { StandardOutput } from ${source('sinks/file/standard-output.ts')}
    import { systemClock } from ${source('core/clock.ts')}
    const output = new StandardOutput({ clock: systemClock, signal: new AbortController().signal })
    await output.append([Buffer.from(JSON.stringify({ event: ${JSON.stringify(event)} }) + '\\n')])`
  const file = join(await temporaryDirectory(), 'code.mjs')
  await writeFile(file, code)
  const command = `${process.execPath} ${file}`
  // `script` gives a command a terminal.
  const terminal = (await run('script', ['-qec', command, '/dev/null'])).stdout
  expect(terminal.trimEnd()).toBe('{"event":"a\\u009b2J\\u202eb"}')
  expect(JSON.parse(terminal)).toEqual({ event })
  expect((await run('sh', ['-c', command])).stdout).toBe(`${JSON.stringify({ event })}\n`)
})
