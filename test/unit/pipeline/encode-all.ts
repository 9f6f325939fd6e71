import { isDeepStrictEqual } from 'node:util'
import type { Batch, EncodeCounts, PullPosition } from '../../../src/core/batch.ts'
import { BatchMemory } from '../../../src/pipeline/batch-memory.ts'
import { Encoder } from '../../../src/pipeline/encoder.ts'
import type { Engine } from '../../../src/pipeline/engine.ts'
import type { Program } from '../../../src/pipeline/program.ts'
import { ReferenceEngine } from '../../../src/pipeline/reference/engine.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import { WasmEngine } from '../../../src/pipeline/wasm/engine.ts'
import type { KernelOptions } from '../../../src/pipeline/wasm/kernel.ts'
import { Kernel } from '../../../src/pipeline/wasm/kernel.ts'
import type { Encoding } from '../../support/event-oracle.ts'

export const position: PullPosition = {
  ...{ source: 'default', project: 'p', logstore: 'audit', shard: 3 },
  ...{ cursor: 'MTIz', firstGroup: 1447299606896632356n },
}

export const defaults: Encoding = {
  maxBatchBytes: 1_000_000,
  topics: [],
  idScope: position.logstore,
  source: 'sls://p/audit',
  sourcetype: 'aliyun:sls',
}

/** One route to one sink. */
export function programOf(encoding: Partial<Encoding & Pick<Program, 'shape'>> = {}): Program {
  const {
    topics,
    idScope,
    maxBatchBytes,
    reservedKeys = 'override',
    shape = [],
    ...layout
  } = { ...defaults, ...encoding }
  const destination = { sink: 'splunk_hec', maxBatchBytes }
  return {
    topics: new TopicSelection(topics),
    idScope,
    reservedKeys,
    shape,
    routes: [{ name: 'default', continue: false, shape: [], copies: [{ destination, layout }] }],
  }
}

export function kernelOptions({ maxBatchBytes }: Pick<Encoding, 'maxBatchBytes'> = defaults): KernelOptions {
  return { maxBatchBytes, memory: new BatchMemory() }
}

export function referenceEncoder(encoding: Partial<Encoding> = {}): Encoder {
  const memory = new BatchMemory()
  const program = programOf(encoding)
  return new Encoder({ engine: new ReferenceEngine(memory), memory, program: () => program })
}

const KERNEL_BODY_BYTES = 16 << 20

/** Both engines at once. They must agree on everything, so every test of one is a test of the other. */
export class Engines {
  readonly kernel: Kernel | undefined
  readonly #reference: Encoder
  readonly #fast: Encoder

  constructor(encoding: Encoding & Partial<Pick<Program, 'shape'>>) {
    const options = kernelOptions(encoding)
    const { memory } = options
    const program = programOf(encoding)
    const encoderOf = (engine: Engine): Encoder => new Encoder({ engine, memory, program: () => program })
    this.kernel = Kernel.open(options, KERNEL_BODY_BYTES)
    this.#reference = encoderOf(new ReferenceEngine(memory))
    this.#fast = this.kernel ? encoderOf(new WasmEngine(this.kernel)) : this.#reference
  }

  *encode(body: Buffer, at: PullPosition): Generator<Batch, EncodeCounts> {
    const place = this.kernel?.slots.take(body.length)
    const placed = place === undefined ? undefined : this.kernel?.bytes.subarray(place, place + body.length)
    placed?.set(body)
    const fast = begun(() => this.#fast.encode(placed ?? body, at))
    const reference = begun(() => this.#reference.encode(body, at))
    try {
      for (;;) {
        const found = outcomeOf(fast)
        const expected = outcomeOf(reference)
        if (!areSame(found, expected)) throw new Error(`the engines disagree: ${difference(found, expected)}`)
        if (placed && !placed.equals(body)) throw new Error('the body was changed')
        if ('thrown' in expected) throw expected.thrown
        if (expected.done) return expected.value
        yield expected.value
      }
    } finally {
      if (place !== undefined) this.kernel?.slots.give(place)
    }
  }

  recycle(batch: Batch): void {
    this.#reference.recycle(batch)
  }
}

type Outcome = IteratorResult<Batch, EncodeCounts> | { thrown: unknown }

/** Throws at the first step when the beginning throws. */
function* begun(encode: () => Generator<Batch, EncodeCounts>): Generator<Batch, EncodeCounts> {
  return yield* encode()
}

function outcomeOf(encoding: Generator<Batch, EncodeCounts>): Outcome {
  try {
    return encoding.next()
  } catch (thrown) {
    return { thrown }
  }
}

function areSame(found: Outcome, expected: Outcome): boolean {
  if ('thrown' in found || 'thrown' in expected || found.done || expected.done)
    return isDeepStrictEqual(found, expected)
  // Deep equality of bytes would cost more than both engines.
  const { bytes, ends, ...rest } = found.value
  const { bytes: expectedBytes, ends: expectedEnds, ...expectedRest } = expected.value
  return (
    bytes.equals(expectedBytes) &&
    ends.length === expectedEnds.length &&
    ends.every((end, index) => end === expectedEnds[index]) &&
    isDeepStrictEqual(rest, expectedRest)
  )
}

function difference(found: Outcome, expected: Outcome): string {
  const text = (outcome: Outcome): string =>
    'thrown' in outcome
      ? String(outcome.thrown)
      : outcome.done
        ? JSON.stringify(outcome.value)
        : `${outcome.value.count} events in ${outcome.value.bytes.length} bytes: ${outcome.value.bytes.toString('latin1')}`
  const [one, other] = [text(found), text(expected)]
  let at = 0
  while (at < one.length && one[at] === other[at]) at++
  return `…${one.slice(Math.max(0, at - 60), at + 60)} ≠ …${other.slice(Math.max(0, at - 60), at + 60)}`
}

export function encoderWith(encoding: Partial<Encoding & Pick<Program, 'shape'>> = {}): Engines {
  return new Engines({ ...defaults, ...encoding })
}

export function encodeAll(
  encoder: Pick<Encoder, 'encode'>,
  body: Buffer,
  at: PullPosition = position,
): { batches: Batch[]; counts: EncodeCounts; text: string } {
  const batches: Batch[] = []
  const generator = encoder.encode(body, at)
  for (;;) {
    const step = generator.next()
    if (step.done) {
      return { batches, counts: step.value, text: batches.map((batch) => batch.bytes.toString()).join('') }
    }
    batches.push(step.value)
  }
}

export interface ParsedEnvelope {
  time: number
  host: string
  event: Record<string, string>
  fields: { sls_event_id: string }
}

/** Parsed events, for tests that do not depend on the order of keys. */
export function envelopes(text: string): ParsedEnvelope[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

export const idOf = (envelope: ParsedEnvelope | undefined): string => envelope?.fields.sls_event_id ?? ''
