import { compressSync } from 'lz4-napi'
import type { SampleGroup, SampleKind } from '../src/emulator/sample-logs.ts'
import { SampleLogs } from '../src/emulator/sample-logs.ts'
import type { SourceKind } from '../src/emulator/source-logs.ts'
import { SourceLogs } from '../src/emulator/source-logs.ts'
import { decodeLogGroup, encodeLogGroup, encodeLogGroupList, splitLogGroupList } from '../src/sls/log-group.ts'

/** One pull: the compressed block, and its inflated body. */
export interface Pulled {
  body: Buffer
  block: Buffer
}

const GROUP_HASH = Buffer.alloc(28)
const LENGTH = Buffer.alloc(4)
const BODY_BYTES = 2_000_000
const BODIES = 8
/** Logs in one log group, as the official producers batch them. */
const LOGS_PER_GROUP: Record<SampleKind, number> = { audit: 256, access: 349, kubernetes: 76 }

/** Bodies of about 2 MB, too many to fit into the CPU cache together. */
export function corpus(kind: SampleKind): Pulled[] {
  const samples = new SampleLogs(1)
  return Array.from({ length: BODIES }, () => pulled(bodyOf(() => groupOf(samples, kind, LOGS_PER_GROUP[kind]))))
}

/** The same of a real source. */
export function sourceCorpus(kind: SourceKind): Pulled[] {
  const sources = new SourceLogs(1)
  return Array.from({ length: BODIES }, () => pulled(bodyOf(() => encoded(sources.group(kind, 200, NOW)))))
}

/** Small groups; one in ten has the topic `wanted`. */
export function mixedTopics(kind: SampleKind): Pulled[] {
  const samples = new SampleLogs(1)
  let groups = 0
  return Array.from({ length: BODIES }, () =>
    pulled(bodyOf(() => groupOf(samples, kind, 50, groups++ % 10 === 0 ? 'wanted' : 'unwanted'))),
  )
}

/** Logs with one value: `text` repeated to about a KB. */
export function textCorpus(text: string): Pulled[] {
  const value = text.repeat(Math.ceil(1_000 / Buffer.byteLength(text)))
  const log = { time: 1_790_000_000, contents: [['message', value]] satisfies Array<[string, string]> }
  const group = encodeLogGroup({ topic: 'text', source: '', tags: [], logs: Array.from({ length: 200 }, () => log) })
  return Array.from({ length: BODIES }, () => pulled(bodyOf(() => group)))
}

/** For each log about the bytes whose hash is its event id when groups have no positions. */
export function hashedContents({ body }: Pulled): Buffer[] {
  const logs = splitLogGroupList(body).flatMap((group) => decodeLogGroup(group).logs)
  return logs.map(({ time, timeNs, contents }) => {
    const parts = [GROUP_HASH, Buffer.from(`${time}.${timeNs}`), ...contents.flat()]
    return Buffer.concat(parts.flatMap((part) => [LENGTH, part]))
  })
}

/** Log groups as a producer writes them, `logs` in each. */
export function logGroups(kind: SampleKind, count: number): Array<{ raw: Buffer; logs: number }> {
  const samples = new SampleLogs(1)
  const logs = LOGS_PER_GROUP[kind]
  return Array.from({ length: count }, () => ({ raw: groupOf(samples, kind, logs), logs }))
}

function bodyOf(nextGroup: () => Buffer): Buffer {
  const groups: Buffer[] = []
  for (let bytes = 0; bytes < BODY_BYTES; bytes += (groups.at(-1) as Buffer).length) groups.push(nextGroup())
  return encodeLogGroupList(groups)
}

/** Compresses with lz4-napi and removes its four bytes of size. */
function pulled(body: Buffer): Pulled {
  return { body, block: compressSync(body).subarray(4) }
}

function groupOf(samples: SampleLogs, kind: SampleKind, count: number, topic?: string): Buffer {
  const group = samples.group(kind, count, NOW)
  return encoded({ ...group, topic: topic ?? group.topic })
}

const NOW = 1_790_000_000_000

function encoded({ topic, source, tags, logs }: SampleGroup): Buffer {
  return encodeLogGroup({
    topic,
    source,
    tags: tags.flatMap((tag) => Object.entries(tag)),
    logs: logs.map(({ timestamp, timestampNsPart, content }) => ({
      time: timestamp,
      timeNs: timestampNsPart,
      contents: Object.entries(content),
    })),
  })
}
