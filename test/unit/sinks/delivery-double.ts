import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Batch } from '../../../src/core/batch.ts'
import type { Clock } from '../../../src/core/clock.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { Fault } from '../../../src/core/errors.ts'
import type { Lease } from '../../../src/core/lease.ts'
import { Secret } from '../../../src/core/secret.ts'
import type { Telemetry } from '../../../src/core/telemetry.ts'
import { DeadLetter } from '../../../src/sinks/dead-letter.ts'
import type { SplunkHecOptions } from '../../../src/sinks/splunk-hec/sink.ts'
import { SplunkHecSink } from '../../../src/sinks/splunk-hec/sink.ts'
import { Happenings } from '../../support/happenings.ts'

/** The real clock, this many times faster: one real second is `factor` seconds of back-off, deadlines and pauses. */
export function fastClock(factor: number): Clock {
  return {
    monotonic: () => performance.now() * factor,
    wall: () => Date.now(),
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  }
}

export interface Call {
  readonly name: keyof Telemetry
  readonly args: readonly unknown[]
  readonly atMs: number
}

/** Records what was told, and lets a test wait for it. */
export class Recorder {
  readonly calls: Call[] = []
  readonly #told = new Happenings(() => this.calls.map(({ name }) => name).join(' '))
  readonly telemetry: Telemetry

  constructor() {
    this.telemetry = new Proxy({} as Telemetry, {
      get:
        (_, name: keyof Telemetry) =>
        (...args: unknown[]) => {
          this.calls.push({ name, args, atMs: performance.now() })
          this.#told.notify()
        },
    })
  }

  of(name: keyof Telemetry): Call[] {
    return this.calls.filter((call) => call.name === name)
  }

  /** The faults such calls told of. */
  faults(name: 'outcomeUnknown' | 'deliveryFailed' | 'paused'): Fault[] {
    return this.of(name).map(({ args }) => args.find((arg) => arg instanceof Fault) as Fault)
  }

  /** Resolves with the first such call, now or later. */
  first(name: keyof Telemetry, matching: (call: Call) => boolean = () => true): Promise<Call> {
    return this.#told.until(() => this.of(name).find(matching))
  }

  /** Waits until so many such calls have come in all. */
  async times(count: number, name: keyof Telemetry, matching: (call: Call) => boolean = () => true): Promise<void> {
    await this.#told.until(() => this.of(name).filter(matching).length >= count)
  }

  sum(name: 'delivered' | 'deadLettered' | 'resent', reason?: string): number {
    const calls = this.of(name).filter(({ args }) => reason === undefined || args[1] === reason)
    return calls.reduce((sum, { args }) => sum + Number(name === 'delivered' ? args[1] : args[2]), 0)
  }
}

export const SHARD = { source: 'default', project: 'prod', logstore: 'audit', shard: 3 }

export class LeaseDouble implements Lease {
  readonly shard = SHARD
  readonly #ended = new AbortController()
  /** Over by the clock, and not yet noticed. */
  overdue = false

  get signal(): AbortSignal {
    return this.#ended.signal
  }

  lose(): void {
    this.#ended.abort(new Fault('lease', 'lease lost', { code: 'lease_lost' }))
  }

  assertHeld(): void {
    if (this.overdue) this.lose()
    this.signal.throwIfAborted()
  }
}

/** Envelopes as the encoder writes them, `event.id` telling them apart; `pad` bytes make an event larger. */
export function batchOf(ids: readonly string[], pad: number | ((i: number) => number) = 0): Batch {
  const padding = typeof pad === 'number' ? () => pad : pad
  const lines = ids.map((id, i) => {
    const event = JSON.stringify({ id, pad: 'x'.repeat(padding(i)) })
    return Buffer.from(`{"time":1790000000.123456789,"event":${event},"fields":{"sls_event_id":"audit:3:170:${i}"}}\n`)
  })
  const ends = new Uint32Array(lines.length)
  let end = 0
  for (const [i, line] of lines.entries()) ends[i] = end += line.length
  const origin = { ...SHARD, cursor: 'MTYw' }
  return { origin, sink: 'splunk_hec', routes: ['default'], bytes: Buffer.concat(lines), ends, count: lines.length }
}

export const names = (count: number, prefix = 'e'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

export async function temporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sinks-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Every line of every dead-letter file, parsed. */
export async function lettersIn(dir: string): Promise<LetterLine[]> {
  const files = (await readdir(dir)).sort()
  const texts = await Promise.all(files.map((file) => readFile(join(dir, file), 'utf8')))
  return texts.flatMap((text) => text.split('\n').filter(Boolean)).map((line) => JSON.parse(line) as LetterLine)
}

export interface LetterLine {
  reason: { code: string; text: string; status: number | null }
  origin: { project: string; logstore: string; shard: number; cursor: string; event_id: string | null }
  at: string
  event: { time: number; event: { id: string } }
}

export interface Bench {
  readonly sink: SplunkHecSink
  readonly recorder: Recorder
  readonly deadLetterDir: string
  /** Delivers under a lease that is held until the test ends, unless another is given. */
  deliver(batch: Batch, lease?: Lease, started?: () => void): Promise<void>
  buried(): Promise<string[]>
}

/** How often `sinkTo`'s sink asks about acks. */
export const ACK_POLL_MS = 1_000

/** A sink with everything around it, closed when the test ends. */
export async function sinkTo(
  urls: readonly string[],
  options: Partial<SplunkHecOptions> & { speed?: number } = {},
): Promise<Bench> {
  const recorder = new Recorder()
  const deadLetterDir = await temporaryDirectory()
  const deadLetter = options.deadLetter ?? new DeadLetter({ dir: deadLetterDir, consumer: 'test' })
  const sink = new SplunkHecSink({
    sink: 'splunk_hec',
    urls,
    token: new Secret('s3cret-token'),
    ack: 'auto',
    timeoutMs: 60_000,
    ackPollMs: ACK_POLL_MS,
    ackTimeoutMs: 300_000,
    gzip: true,
    maxBytes: 1_000_000,
    concurrency: 4,
    tls: { verify: true },
    telemetry: recorder.telemetry,
    clock: fastClock(options.speed ?? 20),
    userAgent: 'sls-siem-bridge/test',
    ...options,
    deadLetter,
  })
  const lease = new LeaseDouble()
  onTestFinished(async () => {
    lease.lose()
    await sink.close()
    await deadLetter.close()
  })
  return {
    sink,
    recorder,
    deadLetterDir,
    deliver: (batch, held = lease, started = () => {}) => sink.deliver(batch, held, started),
    buried: async () => (await lettersIn(deadLetterDir)).map((letter) => letter.event.event.id),
  }
}
