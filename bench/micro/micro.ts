/**
 * The cost of each step alone. All variants take turns in one process, in short rounds, so that other load hits them alike. The
 * result is the median. A CPU-second is user and system time of the whole process, with garbage collection, compilation and
 * zlib's threads. A MB is a million bytes of inflated protobuf.
 */
import { fork } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { ZlibOptions } from 'node:zlib'
import { gzipSync } from 'node:zlib'
import { RE2JS } from 're2js'
import type { PullPosition } from '../../src/core/batch.ts'
import { BufferPool } from '../../src/core/buffer-pool.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Secret } from '../../src/core/secret.ts'
import { NO_TELEMETRY } from '../../src/core/telemetry.ts'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import { SAMPLE_KINDS } from '../../src/emulator/sample-logs.ts'
import { BatchMemory } from '../../src/pipeline/batch-memory.ts'
import { Encoder } from '../../src/pipeline/encoder.ts'
import type { Program } from '../../src/pipeline/program.ts'
import { ReferenceEngine } from '../../src/pipeline/reference/engine.ts'
import { KernelBodies } from '../../src/pipeline/wasm/bodies.ts'
import { WasmEngine } from '../../src/pipeline/wasm/engine.ts'
import { Kernel } from '../../src/pipeline/wasm/kernel.ts'
import type { LineShape } from '../../src/routing/step.ts'
import { gzip } from '../../src/sinks/gzip/gzip.ts'
import { HecClient } from '../../src/sinks/splunk-hec/client.ts'
import { lz4Decompress } from '../../src/sls/lz4.ts'
import type { Pulled } from '../corpus.ts'
import { corpus, hashedContents, mixedTopics, sourceCorpus, textCorpus } from '../corpus.ts'
import type { SinkReady } from '../end-to-end/sink.ts'
import type { Report } from '../report.ts'
import { median, shown } from '../report.ts'
import type { Envelope } from './naive.ts'
import { bytesOfEnvelopes, envelopesOf } from './naive.ts'
import {
  APACHE_PATTERN,
  auditPolicy,
  docker,
  fourRoutes,
  grok,
  json,
  LAYOUT,
  MAX_BATCH_BYTES,
  parsed,
  plain,
  rare,
  twoSinks,
} from './programs.ts'

const ROUND_MS = 12
/** A request takes a while, and the connection rests between two. */
const POST_ROUND_MS = 150
const POSITION: PullPosition = {
  ...{ source: 'default', project: 'bench', logstore: 'audit', shard: 0 },
  ...{ cursor: '', firstGroup: 1_447_299_606_896_632_356n },
}

/** Works on one of the pulls. */
type Variant = (pulled: Pulled, index: number) => unknown
type Rates = Record<string, number>

/** With `SLS_QUERY` the service regroups the logs it returns, so groups have no positions. */
const WITH_QUERY: PullPosition = { ...POSITION, firstGroup: undefined }

/** An engine with its surroundings in the bridge. */
function engine(language: 'WebAssembly' | 'TypeScript', program = plain()) {
  const options = { maxBatchBytes: MAX_BATCH_BYTES, memory: new BatchMemory() }
  const pool = new BufferPool(24 << 20)
  const kernel = language === 'WebAssembly' ? Kernel.open(options, 64 << 20) : undefined
  if (language === 'WebAssembly' && kernel === undefined) throw new Error('no WebAssembly here')
  const bodies = kernel && new KernelBodies(kernel, pool)
  const memory = bodies ?? pool
  const encoder = new Encoder({
    engine: kernel ? new WasmEngine(kernel) : new ReferenceEngine(options.memory),
    memory: options.memory,
    program: () => program,
  })
  const inflated = ({ block, body }: Pulled): Buffer =>
    lz4Decompress(block, body.length, (size) => memory.take(size), bodies?.inflate)
  const encodeAll = (body: Buffer, at = POSITION): void => {
    for (const batch of encoder.encode(body, at)) encoder.recycle(batch)
  }
  return {
    inflate: (pulled: Pulled): void => memory.give(inflated(pulled)),
    /** Encodes the same bodies each time, where they lie after inflating. */
    encode: (pulls: readonly Pulled[], at = POSITION): Variant => {
      const kept = pulls.map(inflated)
      return (_, index) => encodeAll(kept[index] as Buffer, at)
    },
    both: (pulled: Pulled): void => {
      const body = inflated(pulled)
      encodeAll(body)
      memory.give(body)
    },
  }
}

/** The batches of each pull. */
export function batchesOf(pulls: readonly Pulled[]): Buffer[][] {
  const memory = new BatchMemory()
  const program = plain()
  const encoder = new Encoder({ engine: new ReferenceEngine(memory), memory, program: () => program })
  return pulls.map(({ body }) => [...encoder.encode(body, POSITION)].map(({ bytes }) => Buffer.from(bytes)))
}

/** Medians of MB per CPU-second, variants taking turns. */
async function measure(
  pulls: readonly Pulled[],
  rounds: number,
  variants: Record<string, Variant>,
  roundMs = ROUND_MS,
): Promise<Rates> {
  const rates = Object.fromEntries(Object.keys(variants).map((name) => [name, [] as number[]]))
  const next = Object.fromEntries(Object.keys(variants).map((name) => [name, 0]))
  for (let round = -3; round < rounds; round++) {
    for (const [name, variant] of Object.entries(variants)) {
      let bytes = 0
      const before = process.cpuUsage()
      const end = performance.now() + roundMs
      do {
        const index = (next[name] as number) % pulls.length
        next[name] = index + 1
        const pulled = pulls[index] as Pulled
        const done = variant(pulled, index)
        if (done instanceof Promise) await done
        bytes += pulled.body.length
      } while (performance.now() < end)
      const { user, system } = process.cpuUsage(before)
      // The first rounds are for the compilers.
      if (round >= 0) rates[name]?.push(bytes / (user + system))
    }
  }
  return Object.fromEntries(Object.entries(rates).map(([name, all]) => [name, median(all)]))
}

/** One column per kind of log; each cell MB per CPU-second. */
function table(byKind: Record<string, Rates>): Pick<Report, 'columns' | 'rows'> {
  const names = Object.keys(Object.values(byKind)[0] ?? {})
  return {
    columns: ['MB per CPU-second', ...Object.keys(byKind)],
    rows: names.map((name) => [name, ...Object.values(byKind).map((rates) => shown(rates[name] as number))]),
  }
}

async function forEachKind(task: (kind: SampleKind) => Promise<Rates>): Promise<Record<string, Rates>> {
  const byKind: Record<string, Rates> = {}
  for (const kind of SAMPLE_KINDS) byKind[kind] = await task(kind)
  return byKind
}

function ratiosOf(
  byKind: Record<string, Rates>,
  what: string,
  [over, under]: [string, string],
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(byKind).map(([kind, rates]) => [
      `${kind}: ${what}`,
      (rates[over] as number) / (rates[under] as number),
    ]),
  )
}

const goals = (ratios: Record<string, number>, least: number): Record<string, number> =>
  Object.fromEntries(Object.keys(ratios).map((name) => [name, least]))

async function encoding(rounds: number): Promise<Report> {
  const byKind = await forEachKind((kind) => {
    const pulls = corpus(kind)
    const typescript = engine('TypeScript')
    const wasm = engine('WebAssembly')
    const hashed = pulls.map(hashedContents)
    const copy = Buffer.allocUnsafeSlow(4_000_000)
    const ready = pulls.map(({ body }) => envelopesOf(LAYOUT, body))
    return measure(pulls, rounds, {
      'memory copy (floor)': ({ body }) => copy.set(body),
      'LZ4, WebAssembly': wasm.inflate,
      'LZ4, TypeScript': typescript.inflate,
      'transcode, WebAssembly': wasm.encode(pulls),
      'transcode, TypeScript': typescript.encode(pulls),
      'transcode with a query, WebAssembly': wasm.encode(pulls, WITH_QUERY),
      'SHA-256 of the contents alone (floor)': (_, index) => {
        for (const contents of hashed[index] ?? []) hash('sha256', contents, 'hex')
      },
      'LZ4 + transcode, WebAssembly': wasm.both,
      'LZ4 + transcode, TypeScript': typescript.both,
      'protobufjs + JSON.stringify': ({ body }) => bytesOfEnvelopes(envelopesOf(LAYOUT, body)),
      'JSON.stringify of ready objects (floor of objects)': (_, index) =>
        bytesOfEnvelopes(ready[index] as (typeof ready)[number]),
    })
  })
  const toNaive = ratiosOf(byKind, 'LZ4 + transcode ÷ protobufjs + JSON.stringify', [
    'LZ4 + transcode, WebAssembly',
    'protobufjs + JSON.stringify',
  ])
  return { id: 'encoding', title: 'From a pulled block to HEC batches', ...table(byKind), ratios: toNaive }
}

async function selecting(rounds: number): Promise<Report> {
  const byKind = await forEachKind((kind) => {
    const pulls = mixedTopics(kind)
    const tenth = engine('WebAssembly', plain(['wanted']))
    const none = engine('WebAssembly', plain(['neither']))
    const typescript = engine('TypeScript', plain(['wanted']))
    return measure(pulls, rounds, {
      'LZ4 alone': tenth.inflate,
      'walk alone (nothing is wanted)': none.encode(pulls),
      'LZ4 + walk': none.both,
      'LZ4 + one group in ten, WebAssembly': tenth.both,
      'LZ4 + one group in ten, TypeScript': typescript.both,
    })
  })
  const share = ratiosOf(byKind, 'one group in ten wanted ÷ LZ4 alone', [
    'LZ4 + one group in ten, WebAssembly',
    'LZ4 alone',
  ])
  return {
    ...{ id: 'selecting', title: 'Groups of which one in ten is wanted', ...table(byKind) },
    ...{ ratios: share, goals: goals(share, 0.6) },
  }
}

const ROUTED = {
  'four routes, three fields compared': { programOf: fourRoutes, least: () => 0.75 },
  'one condition, a tenth kept': { programOf: rare, least: () => 1.3 },
  'JSON in a content': { programOf: json, least: (kind: SampleKind) => (kind === 'kubernetes' ? 0.6 : 0.7) },
  'every log to two sinks': { programOf: twoSinks, least: () => 0.5 },
}

async function routing(rounds: number): Promise<Report> {
  const byKind = await forEachKind((kind) => {
    const programs = Object.entries(ROUTED).map(([name, { programOf }]) => [name, programOf(kind)] as const)
    const variants = [['one route', plain()] as const, ...programs].map(
      ([name, program]) => [name, engine('WebAssembly', program).both] as const,
    )
    return measure(corpus(kind), rounds, Object.fromEntries(variants))
  })
  const ratios: Record<string, number> = {}
  const marks: Record<string, number> = {}
  for (const [name, { least }] of Object.entries(ROUTED)) {
    for (const kind of SAMPLE_KINDS) {
      const { [name]: routed, 'one route': one } = byKind[kind] ?? {}
      ratios[`${kind}: ${name} ÷ one route`] = (routed as number) / (one as number)
      marks[`${kind}: ${name} ÷ one route`] = least(kind)
    }
  }
  const title = 'From a pulled block to batches: routes, conditions, JSON and copies'
  return { id: 'routing', title, ...table(byKind), ratios, goals: marks }
}

/** Steps that run in TypeScript, beside the same logs as they are. */
async function containers(rounds: number): Promise<Report> {
  const both = (programs: Readonly<Record<string, Program>>): Record<string, Variant> =>
    Object.fromEntries(Object.entries(programs).map(([name, program]) => [name, engine('WebAssembly', program).both]))
  const byKind = {
    'Kubernetes audit': await measure(corpus('kubernetes'), rounds, {
      ...both({
        'as it is': plain(),
        'with its step': auditPolicy(),
        'with its step, and as JSON': auditPolicy({ json: true }),
      }),
      'objects and JSON.stringify': ({ body }) => bytesOfEnvelopes(envelopesOf(LAYOUT, body).map(withoutBodies)),
    }),
    'lines of containers': await measure(sourceCorpus('docker'), rounds, {
      ...both({ 'as it is': plain(), 'with its step': docker('inline'), 'with its step, and as JSON': docker('json') }),
      'objects and JSON.stringify': ({ body }) => bytesOfEnvelopes(envelopesOf(LAYOUT, body)),
    }),
  }
  const share = ratiosOf(byKind, 'k8s_audit_policy or docker ÷ as it is', ['with its step', 'as it is'])
  const title = 'Kubernetes audit events without bodies (k8s_audit_policy), events of the splunk driver (docker)'
  return { id: 'containers', title, ...table(byKind), ratios: share }
}

/** Shapes of lines, beside the same lines as they are. */
async function lines(rounds: number): Promise<Report> {
  const byKind: Record<string, Rates> = {}
  for (const [name, [source, shapes]] of Object.entries(LINES)) {
    const variant = (program: Program): Variant => engine('WebAssembly', program).both
    byKind[name] = await measure(sourceCorpus(source), rounds, {
      'as it is': variant(plain()),
      'its fields beside the line': variant(parsed(shapes)),
      'its fields in place of the line': variant(parsed(shapes, { keepsLine: false })),
      'objects and JSON.stringify, unparsed': ({ body }) => bytesOfEnvelopes(envelopesOf(LAYOUT, body)),
    })
  }
  const ratios = ratiosOf(byKind, 'fields beside the line ÷ as it is', ['its fields beside the line', 'as it is'])
  const title = 'Lines of which fields are made (parse)'
  const { ['syslog, then iptables: fields beside the line ÷ as it is']: _, ...marked } = ratios
  return { id: 'lines', title, ...table(byKind), ratios, goals: goals(marked, 0.5) }
}

/** A pattern of the user's own, beside the obvious program with the same pattern. */
async function patterns(rounds: number): Promise<Report> {
  const pattern = RE2JS.compile(APACHE_PATTERN)
  const names = Object.keys(pattern.namedGroups())
  const withFields = ({ event, ...envelope }: Envelope): Envelope => {
    const members = event as { content: string }
    const found = pattern.matcher(members.content)
    const fields = found.find() ? names.map((name) => [name, found.group(name)]) : []
    return { ...envelope, event: { ...members, ...Object.fromEntries(fields) } }
  }
  const [ours, obvious] = ['grok, a pattern of the user', 'objects, re2js and JSON.stringify']
  const apache = await measure(sourceCorpus('apache'), rounds, {
    [ours]: engine('WebAssembly', grok()).both,
    [obvious]: ({ body }) => bytesOfEnvelopes(envelopesOf(LAYOUT, body).map(withFields)),
  })
  const ratios = ratiosOf({ apache }, `${ours} ÷ ${obvious}`, [ours, obvious])
  const title = 'Lines of which a pattern of the user makes fields (grok)'
  return { id: 'patterns', title, ...table({ apache }), ratios, goals: goals(ratios, 2.5) }
}

const LINES: Readonly<
  Record<string, readonly [source: 'apache' | 'syslog' | 'iptables', shapes: readonly LineShape[]]>
> = {
  apache_combined: ['apache', ['apache_combined']],
  syslog: ['syslog', ['syslog']],
  'syslog, then iptables': ['iptables', ['syslog', 'iptables']],
}

function withoutBodies({ event, ...envelope }: Envelope): Envelope {
  const { event: text, ...rest } = event as { event: string }
  const { requestObject: _, responseObject: __, ...kept } = JSON.parse(text) as Record<string, unknown>
  return { ...envelope, event: { ...rest, event: JSON.stringify({ ...kept, level: 'Metadata' }) } }
}

const TEXTS = {
  'plain ASCII': 'The quick brown fox jumps over the lazy dog. ',
  'JSON in a string': '{"user":"alice","verb":"get","uri":"/api/v1/pods"},',
  Chinese: '运维人员停止了实例，操作成功。',
}

async function escaping(rounds: number): Promise<Report> {
  const byText: Record<string, Rates> = {}
  for (const [name, text] of Object.entries(TEXTS)) {
    const pulls = textCorpus(text)
    byText[name] = await measure(pulls, rounds, {
      WebAssembly: engine('WebAssembly').encode(pulls),
      TypeScript: engine('TypeScript').encode(pulls),
    })
  }
  return { id: 'escaping', title: 'Logs of one long text: mostly escaping', ...table(byText) }
}

const CHUNK = 512 << 10
/** Ways to compress a body. */
const COMPRESSORS: Record<string, (body: Buffer) => Buffer | Promise<Buffer>> = {
  'what the bridge does': gzip,
  ...zlibs({
    'zlib level 1, as Node comes': { level: 1 },
    'zlib level 1, memLevel 9, one chunk': { level: 1, memLevel: 9, chunkSize: CHUNK },
    'zlib level 2, memLevel 9, one chunk': { level: 2, memLevel: 9, chunkSize: CHUNK },
    'zlib level 3, memLevel 9, one chunk': { level: 3, memLevel: 9, chunkSize: CHUNK },
    'zlib level 6, as Node comes': { level: 6 },
  }),
}

function zlibs(options: Record<string, ZlibOptions>): typeof COMPRESSORS {
  return Object.fromEntries(
    Object.entries(options).map(([name, how]) => [name, (body: Buffer) => gzipSync(body, how)] as const),
  )
}

async function compressing(rounds: number): Promise<Report> {
  const sizes: Record<string, Rates> = {}
  const byKind = await forEachKind(async (kind) => {
    const pulls = corpus(kind)
    const batches = batchesOf(pulls)
    const before = batches.flat().reduce((sum, batch) => sum + batch.length, 0)
    const ofKind: Rates = {}
    sizes[kind] = ofKind
    for (const [name, compress] of Object.entries(COMPRESSORS)) {
      let after = 0
      for (const batch of batches.flat()) after += (await compress(batch)).length
      ofKind[name] = before / after
    }
    const each = (compress: (body: Buffer) => Buffer | Promise<Buffer>): Variant => {
      return async (_, index) => {
        for (const batch of batches[index] ?? []) await compress(batch)
      }
    }
    return measure(
      pulls,
      Math.ceil(rounds / 4),
      Object.fromEntries(Object.entries(COMPRESSORS).map(([name, compress]) => [name, each(compress)])),
    )
  })
  const kinds = Object.keys(byKind)
  return {
    id: 'compressing',
    title: 'gzip alone, on the batches as they leave',
    columns: ['MB per CPU-second (and how much smaller)', ...kinds],
    rows: Object.keys(COMPRESSORS).map((name) => [
      name,
      ...kinds.map((kind) => `${shown(byKind[kind]?.[name] as number)} (${shown(sizes[kind]?.[name] as number)}×)`),
    ]),
    ratios: ratiosOf(byKind, 'gzip ÷ zlib level 1', ['what the bridge does', 'zlib level 1, memLevel 9, one chunk']),
  }
}

async function posting(rounds: number): Promise<Report> {
  const child = fork(new URL('../end-to-end/sink.ts', import.meta.url), [JSON.stringify({ ack: false })])
  const [{ url, drainPort }] = (await once(child, 'message')) as [SinkReady]
  const client = new HecClient(url, {
    token: new Secret('bench'),
    timeoutMs: 60_000,
    tls: { verify: true },
    userAgent: 'bench',
    clock: systemClock,
    sink: 'splunk_hec',
    telemetry: NO_TELEMETRY,
  })
  const socket = connect(drainPort, '127.0.0.1')
  await once(socket, 'connect')
  const signal = new AbortController().signal
  const post = (body: Buffer) => client.post({ to: 'event', body, channel: 'bench', signal })
  const byKind = await forEachKind((kind) => {
    const pulls = corpus(kind)
    const batches = batchesOf(pulls)
    const variants: Record<string, Variant> = {
      'bare socket (floor)': async (_, index) => {
        for (const batch of batches[index] ?? []) await written(socket, batch)
      },
      'POST of each batch, our client': async (_, index) => {
        for (const batch of batches[index] ?? []) await post(batch)
      },
      'POST of each batch, fetch': async (_, index) => {
        for (const body of batches[index] ?? []) await (await fetch(url, { method: 'POST', body })).arrayBuffer()
      },
    }
    return measure(pulls, Math.ceil(rounds / 3), variants, POST_ROUND_MS)
  })
  socket.destroy()
  await client.close()
  child.disconnect()
  const share = ratiosOf(byKind, 'POST ÷ bare socket', ['POST of each batch, our client', 'bare socket (floor)'])
  return { id: 'posting', title: 'Sending the batches', ...table(byKind), ratios: share }
}

function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())))
}

export async function* micro(rounds: number): AsyncGenerator<Report> {
  yield await encoding(rounds)
  yield await selecting(rounds)
  yield await routing(rounds)
  yield await lines(rounds)
  yield await patterns(rounds)
  yield await containers(rounds)
  yield await escaping(rounds)
  yield await compressing(rounds)
  yield await posting(rounds)
}
