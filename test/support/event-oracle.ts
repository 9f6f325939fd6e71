import { createHash } from 'node:crypto'
import protobuf from 'protobufjs'
import type { EncodeCounts, PullPosition } from '../../src/core/batch.ts'
import type { HecLayout } from '../../src/pipeline/hec-layout.ts'
import { sourcetypeOf } from '../../src/pipeline/products.ts'

/** The schema of Log Service; nothing is `required`, since a missing field is a default here, and strings are bytes. */
const SCHEMA = `
  syntax = "proto2";
  message Pair { optional bytes Key = 1; optional bytes Value = 2; }
  message Log { optional uint32 Time = 1; repeated Pair Contents = 2; optional fixed32 Time_ns = 4; }
  message LogGroup {
    repeated Log Logs = 1;
    optional string Reserved = 2;
    optional bytes Topic = 3;
    optional bytes Source = 4;
    repeated Pair LogTags = 6;
  }
  message LogGroupList { repeated LogGroup LogGroups = 1; }
`
const LogGroupList = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('LogGroupList')

interface Pair {
  Key?: Uint8Array
  Value?: Uint8Array
}
interface Group {
  Logs?: Array<{ Time?: number; Time_ns?: number; Contents?: Pair[] }>
  Topic?: Uint8Array
  Source?: Uint8Array
  LogTags?: Pair[]
}

/** The options of an encoder, as plain values. */
export interface Encoding extends HecLayout {
  /** `__topic__` values to deliver, `a*` for all that begin so; empty = all. */
  topics: readonly string[]
  /** Event ids begin with it. */
  idScope: string
  maxBatchBytes: number
  /** Default: `override`. */
  reservedKeys?: 'override' | 'rename'
}

/** The envelopes that the encoder must produce for a body, as bytes. Made from objects, the plain and slow way. */
export function expectedEvents(
  options: Encoding,
  body: Uint8Array,
  at: PullPosition,
): { events: Buffer[]; counts: EncodeCounts } {
  const { LogGroups = [] } = LogGroupList.decode(body) as unknown as { LogGroups?: Group[] }
  const events: Buffer[] = []
  let total = 0
  let unwanted = 0
  let forged = 0
  for (const [groupIndex, group] of LogGroups.entries()) {
    const logs = group.Logs ?? []
    total += logs.length
    if (options.topics.length > 0 && !options.topics.some((wanted) => isTopic(wanted, group.Topic))) {
      unwanted += logs.length
      continue
    }
    forged += logs.filter(({ Contents = [] }) => Contents.some(({ Key }) => isReserved(text(Key)))).length
    for (const [logIndex, log] of logs.entries()) {
      const place =
        at.firstGroup === undefined
          ? `h:${contentHash(at.shard, group, log)}`
          : `${at.firstGroup + BigInt(groupIndex)}:${logIndex}`
      const id = `${options.idScope}:${at.shard}:${place}`
      events.push(Buffer.from(envelope(options, group, log, id)))
    }
  }
  return { events, counts: { ...countsOf(total, unwanted), ...(forged > 0 && { reservedKeys: forged }) } }
}

/** Of one route named `default`. */
export function countsOf(logs: number, unwanted: number): EncodeCounts {
  const counted = (key: string, count: number) => new Map(count === 0 ? [] : [[key, count]])
  return {
    logs,
    filtered: counted('topic', unwanted),
    routed: counted('default', logs - unwanted),
    failures: new Map(),
  }
}

function isReserved(key: string): boolean {
  return key === '__topic__' || key === '__source__' || key.startsWith('__tag__:')
}

function isTopic(wanted: string, topic: Uint8Array | undefined): boolean {
  const bytes = Buffer.from(topic ?? []).toString('latin1')
  const name = Buffer.from(wanted).toString('latin1')
  return name.endsWith('*') ? bytes.startsWith(name.slice(0, -1)) : bytes === name
}

function envelope(options: Encoding, group: Group, log: Log, id: string): string {
  const pairs = new Map<string, string>([
    ['__topic__', text(group.Topic)],
    ['__source__', text(group.Source)],
  ])
  for (const tag of group.LogTags ?? []) pairs.set(`__tag__:${text(tag.Key)}`, text(tag.Value))
  for (const content of log.Contents ?? []) {
    const key = text(content.Key)
    pairs.set(isReserved(key) && options.reservedKeys === 'rename' ? `__content__:${key}` : key, text(content.Value))
  }

  const nanos = timeOf(log)
  const members: Array<[string, string]> = [
    ['time', `${nanos / NANOS}.${String(nanos % NANOS).padStart(9, '0')}`],
    ['host', JSON.stringify(options.host ?? text(group.Source))],
    ['source', JSON.stringify(options.source)],
    [
      'sourcetype',
      JSON.stringify(options.sourcetype === 'auto' ? sourcetypeOf(text(group.Topic)) : options.sourcetype),
    ],
  ]
  if (options.index !== undefined) members.push(['index', JSON.stringify(options.index)])
  members.push(['event', objectOf([...pairs].map(([key, value]) => [key, JSON.stringify(value)]))])
  members.push(['fields', objectOf([['sls_event_id', JSON.stringify(id)]])])
  return `${objectOf(members)}\n`
}

type Log = NonNullable<Group['Logs']>[number]

/** The first 128 bits of a SHA-256 over the group's own and what the log says, each part behind its length. */
function contentHash(shard: number, { Topic, Source, LogTags = [] }: Group, log: Log): string {
  const group = sha256(framed([Buffer.from(String(shard)), Topic, Source, ...LogTags.flatMap(parts)]))
  const { Contents = [] } = log
  const time = timeOf(log)
  const text = Buffer.from(`${time / NANOS}.${time % NANOS}`)
  return sha256(Buffer.concat([group, framed([text, ...Contents.flatMap(parts)])])).toString('hex', 0, 16)
}

const parts = ({ Key, Value }: Pair) => [Key, Value]
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

function framed(all: ReadonlyArray<Uint8Array | undefined>): Buffer {
  return Buffer.concat(
    all.flatMap((part) => {
      // The default of a missing field is an array.
      const bytes = Buffer.from(part ?? [])
      const length = Buffer.alloc(4)
      length.writeUInt32LE(bytes.length)
      return [length, bytes]
    }),
  )
}

const NANOS = 1_000_000_000n

function timeOf({ Time, Time_ns }: Log): bigint {
  return BigInt(Time ?? 0) * NANOS + BigInt(Time_ns ?? 0)
}

function objectOf(members: Array<[key: string, json: string]>): string {
  return `{${members.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('utf8')
}

/** How events are packed: as many as fit, and one that is larger than a batch alone. */
export function expectedBatches(events: readonly Buffer[], maxBatchBytes: number): Buffer[][] {
  const batches: Buffer[][] = []
  let used = Number.POSITIVE_INFINITY
  for (const event of events) {
    if (used + event.length > maxBatchBytes) {
      batches.push([])
      used = 0
    }
    batches.at(-1)?.push(event)
    used += event.length
  }
  return batches
}
