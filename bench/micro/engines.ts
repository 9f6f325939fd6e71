/**
 * What turning a pulled body into HEC batches costs, without network: `node bench/micro/engines.ts [rounds]`.
 *
 * All variants take turns within one process, in short rounds whose medians are given, so that what else the machine does
 * hits all of them alike: the ratios hold elsewhere, the absolute figures only for this machine. A CPU-second is
 * user and system time of the whole process, garbage collection and compilation included; a MB is a million bytes of
 * inflated protobuf.
 */
import { BufferPool } from '../../src/core/buffer-pool.ts'
import { SAMPLE_KINDS } from '../../src/emulator/sample-logs.ts'
import type { EncoderOptions } from '../../src/pipeline/encoder.ts'
import { Encoder } from '../../src/pipeline/encoder.ts'
import { KernelBodies } from '../../src/pipeline/wasm/bodies.ts'
import { Kernel } from '../../src/pipeline/wasm/kernel.ts'
import { lz4Decompress } from '../../src/sls/lz4.ts'
import type { Pulled } from '../corpus.ts'
import { corpus, mixedTopics } from '../corpus.ts'
import { bytesOfEnvelopes, envelopesOf } from './naive.ts'

const ROUNDS = Number(process.argv[2] ?? 31)
const ROUND_MS = 12
const OPTIONS: EncoderOptions = {
  project: 'bench',
  logstore: 'audit',
  maxBatchBytes: 1_000_000,
  topics: [],
  source: 'sls://bench/audit',
  sourcetype: 'aliyun:sls',
}
const POSITION = { shard: 0, cursor: '', firstGroup: 1_447_299_606_896_632_356n }

/** Works on one of the pulls. */
type Variant = (pulled: Pulled, index: number) => void

function encodeAll(encoder: Encoder, body: Buffer): void {
  for (const batch of encoder.encode(body, POSITION)) encoder.recycle(batch)
}

/** An encoder with all that stands around it in the bridge. */
function engine(options: EncoderOptions, withKernel: boolean) {
  const pool = new BufferPool(24 << 20)
  const kernel = withKernel ? Kernel.open(options, 64 << 20) : undefined
  if (withKernel && kernel === undefined) throw new Error('no WebAssembly here')
  const bodies = kernel && new KernelBodies(kernel, pool)
  const memory = bodies ?? pool
  const encoder = new Encoder(options, kernel)
  const inflated = ({ block, body }: Pulled): Buffer =>
    lz4Decompress(block, body.length, (size) => memory.take(size), bodies && ((from, to) => bodies.inflate(from, to)))
  return {
    inflate: (pulled: Pulled): void => memory.give(inflated(pulled)),
    /** The same bodies each time, as they lie in memory once they are inflated. */
    encode: (pulls: readonly Pulled[]): Variant => {
      const kept = pulls.map(inflated)
      return (_, index) => encodeAll(encoder, kept[index] as Buffer)
    },
    both: (pulled: Pulled): void => {
      const body = inflated(pulled)
      encodeAll(encoder, body)
      memory.give(body)
    },
  }
}

/** Medians of MB per CPU-second, variants taking turns. */
function measure(pulls: readonly Pulled[], variants: Record<string, Variant>): Record<string, number> {
  const rates = Object.fromEntries(Object.keys(variants).map((name) => [name, [] as number[]]))
  const next = Object.fromEntries(Object.keys(variants).map((name) => [name, 0]))
  for (let round = -3; round < ROUNDS; round++) {
    for (const [name, variant] of Object.entries(variants)) {
      let bytes = 0
      const before = process.cpuUsage()
      const end = performance.now() + ROUND_MS
      do {
        const index = (next[name] as number) % pulls.length
        next[name] = index + 1
        const pulled = pulls[index] as Pulled
        variant(pulled, index)
        bytes += pulled.body.length
      } while (performance.now() < end)
      const { user, system } = process.cpuUsage(before)
      // The first rounds are for the compilers.
      if (round >= 0) rates[name]?.push(bytes / (user + system))
    }
  }
  return Object.fromEntries(Object.entries(rates).map(([name, all]) => [name, median(all)]))
}

function median(values: number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] as number
}

function report(title: string, rates: Record<string, number>, base: string): void {
  console.log(`\n${title}`.padEnd(44), `× ${base}`.padStart(12), 'MB/CPU-s'.padStart(10))
  for (const [name, rate] of Object.entries(rates)) {
    console.log(
      `  ${name}`.padEnd(43),
      (rate / (rates[base] as number)).toFixed(2).padStart(12),
      rate.toFixed(0).padStart(10),
    )
  }
}

for (const kind of SAMPLE_KINDS) {
  const pulls = corpus(kind)
  const typescript = engine(OPTIONS, false)
  const wasm = engine(OPTIONS, true)
  const copy = Buffer.allocUnsafeSlow(4_000_000)
  const ready = pulls.map(({ body }) => envelopesOf(OPTIONS, body))
  const rates = measure(pulls, {
    memcpy: ({ body }) => copy.set(body),
    'LZ4, WebAssembly': wasm.inflate,
    'LZ4, TypeScript': typescript.inflate,
    'encode, WebAssembly': wasm.encode(pulls),
    'encode, TypeScript': typescript.encode(pulls),
    'LZ4 + encode, WebAssembly': wasm.both,
    'LZ4 + encode, TypeScript': typescript.both,
    naive: ({ body }) => void bytesOfEnvelopes(envelopesOf(OPTIONS, body)),
    'naive, of ready objects': (_, index) => void bytesOfEnvelopes(ready[index] as (typeof ready)[number]),
  })
  const ratio = pulls.reduce((sum, { body, block }) => sum + body.length / block.length, 0) / pulls.length
  report(`${kind} (LZ4 ${ratio.toFixed(1)}:1)`, rates, 'naive')
}

for (const kind of SAMPLE_KINDS) {
  const pulls = mixedTopics(kind)
  const wanted = { ...OPTIONS, topics: ['wanted'] }
  const typescript = engine(wanted, false)
  const wasm = engine(wanted, true)
  const rates = measure(pulls, {
    LZ4: wasm.inflate,
    'LZ4 + one group in ten, WebAssembly': wasm.both,
    'LZ4 + one group in ten, TypeScript': typescript.both,
  })
  report(`${kind}, topics`, rates, 'LZ4')
}
