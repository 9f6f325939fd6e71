import { createHash } from 'node:crypto'
import type { WrittenLogs } from '../../src/sls/official-client.ts'

/** A log group as the tests and the programs exchange it, one per line. Every string is hexadecimal bytes. */
export interface LogGroupLine {
  /** Only in log groups that were read. */
  shard?: number
  topic: string
  source: string
  tags: Array<[string, string]>
  /** `ns` 0 and no nanoseconds mean the same: not every client can tell them apart. */
  logs: Array<{ time: number; ns: number; contents: Array<[string, string]> }>
  /** Only in log groups to write: 32 hex digits. */
  hashKey?: string
}

/** What a client can express. */
export interface Abilities {
  /** Values that are not UTF-8. */
  bytes: boolean
  hashKeys: boolean
  /** Repeated keys. */
  repeatedKeys: boolean
}

type Text = string | Uint8Array

const hex = (text: Text) => Buffer.from(text as string).toString('hex')
const pairs = (contents: ReadonlyArray<[Text, Text]>): Array<[string, string]> =>
  contents.map(([key, value]) => [hex(key), hex(value)])

interface Plain {
  topic?: string
  source?: string
  tags?: Array<[string, string]>
  hashKey?: string
  logs: Array<{ time?: number; ns?: number; contents: Array<[Text, Text]> }>
}

const NOW = Math.floor(Date.now() / 1000)

function group({ topic = 'audit_log', source = '10.0.0.1', tags = [], hashKey, logs }: Plain): LogGroupLine {
  return {
    ...{ topic: hex(topic), source: hex(source), tags: pairs(tags) },
    logs: logs.map(({ time = NOW, ns = 0, contents }) => ({ time, ns, contents: pairs(contents) })),
    ...(hashKey !== undefined && { hashKey }),
  }
}

const MIB = 1_048_576
const SHARDS_BY_KEY = ['00000000000000000000000000000001', 'fffffffffffffffffffffffffffffffe'] as const

/** The shard, of two, that a hash key belongs to. */
export function shardOf({ hashKey }: LogGroupLine): number | undefined {
  return hashKey === undefined ? undefined : SHARDS_BY_KEY.indexOf(hashKey as (typeof SHARDS_BY_KEY)[number])
}

/** Log groups that a writer should be able to write, each with the writer's name. */
export function groupsFor(writer: string, can: Abilities): LogGroupLine[] {
  const named = (plain: Plain) => group({ ...plain, tags: [...(plain.tags ?? []), ['writer', writer]] })
  return [
    named({
      topic: '审计 ①',
      source: 'höst-1.example',
      tags: [['__hostname__', 'узел-7']],
      logs: [
        { ns: 1, contents: [['消息', '操作成功 ✓ 👩‍👩‍👧 é\u0301']] },
        { ns: 999_999_999, contents: [['controls', 'nul \u0000 newline \n return \r tab \t del \u007f']] },
        { contents: [['unusual', '\ufeff \ufffd \u2028 \u2029 \\ " \ud83d\ude00 \u{10ffff}']] },
      ],
    }),
    named({ topic: '', tags: [['empty', '']], logs: [{ contents: [['empty', '']] }] }),
    named({
      logs: [
        { time: 1, contents: [['epoch', 'almost']] },
        { time: 4_294_967_295, ns: 5, contents: [['a', 'b']] },
      ],
    }),
    named({ logs: [{ contents: [['k'.repeat(128), 'longest key']] }, { contents: [['键'.repeat(42), 'long key']] }] }),
    named({
      logs: Array.from({ length: 500 }, (_, i) => ({ ns: i, contents: [['n', `${i}`]] as Array<[Text, Text]> })),
    }),
    named({ logs: [{ contents: [['repetitive', 'x'.repeat(MIB)]] }, { contents: [['after', 'it']] }] }),
    ...(can.repeatedKeys
      ? [
          named({
            logs: [
              {
                contents: [
                  ['k', '1'],
                  ['__topic__', 'mine'],
                  ['k', '2'],
                  ['k', ''],
                ],
              },
            ],
          }),
        ]
      : []),
    ...(can.hashKeys
      ? SHARDS_BY_KEY.map((hashKey) => named({ hashKey, logs: [{ contents: [['to', hashKey]] }] }))
      : []),
    ...(can.bytes
      ? [
          named({
            logs: [
              { contents: [['every byte', Uint8Array.from({ length: 256 }, (_, i) => i)]] },
              {
                contents: [
                  ['cut short', Uint8Array.of(0x61, 0xe4, 0xb8)],
                  ['valid', '中'],
                ],
              },
              {
                contents: [
                  ['surrogate', Uint8Array.of(0xed, 0xa0, 0x80)],
                  ['overlong', Uint8Array.of(0xc0, 0x80)],
                ],
              },
            ],
          }),
          named({ logs: [{ contents: [['incompressible', noise(MIB)]] }] }),
        ]
      : []),
  ]
}

/** The same bytes every time. */
function noise(size: number): Uint8Array {
  const blocks = Array.from({ length: size / 32 }, (_, i) => createHash('sha256').update(`${i}`).digest())
  return Buffer.concat(blocks)
}

const text = (hexadecimal: string) => Buffer.from(hexadecimal, 'hex').toString()

/** The group in the form that the Node client accepts. */
export function forNode({ topic, source, tags, logs }: LogGroupLine): WrittenLogs {
  return {
    ...{ topic: text(topic), source: text(source) },
    tags: tags.map(([key, value]) => ({ [text(key)]: text(value) })),
    logs: logs.map(({ time, ns, contents }) => ({
      ...{ timestamp: time, timestampNsPart: ns },
      content: Object.fromEntries(contents.map(([key, value]) => [text(key), text(value)])),
    })),
  }
}

export function writerOf({ tags }: LogGroupLine): string {
  return text(tags.at(-1)?.[1] ?? '')
}

/** One text per group. Texts are equal exactly if all bytes and the order of keys are. Short enough for a test's report. */
export function canonical({ topic, source, tags, logs }: LogGroupLine): string {
  const whole = JSON.stringify({
    ...{ topic, source, tags },
    logs: logs.map(({ time, ns, contents }) => ({ time, ns, contents })),
  })
  if (whole.length < 2000) return whole
  return `${whole.slice(0, 300)}… ${whole.length} characters, sha256 ${createHash('sha256').update(whole).digest('hex')}`
}

/**
 * The event and its time as SIEM users see them, one text per log. It is flat, contents override, the last value of a repeated
 * key wins, and bytes that are not UTF-8 become U+FFFD.
 */
export function flattened({ topic, source, tags, logs }: LogGroupLine): string[] {
  return logs.map(({ time, ns, contents }) => {
    const event = Object.fromEntries([
      ...[
        ['__topic__', text(topic)],
        ['__source__', text(source)],
      ],
      ...tags.map(([key, value]) => [`__tag__:${text(key)}`, text(value)]),
      ...contents.map(([key, value]) => [text(key), text(value)]),
    ])
    return eventText(`${time}.${String(ns).padStart(9, '0')}`, event)
  })
}

export function eventText(time: string, event: Record<string, string>): string {
  const sorted = Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1))
  const whole = `${time} ${JSON.stringify(sorted)}`
  if (whole.length < 2000) return whole
  return `${whole.slice(0, 300)}… ${whole.length} characters, sha256 ${createHash('sha256').update(whole).digest('hex')}`
}
