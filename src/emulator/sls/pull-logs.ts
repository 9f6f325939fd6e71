/** PullLogs, GetCursor and GetCursorTime. */
import { zstdCompressSync } from 'node:zlib'
import { encodeLogGroupList } from '../../sls/log-group.ts'
import { lz4Compress, lz4Decompress } from '../../sls/lz4.ts'
import type { SlsCall, SlsReply } from './call.ts'
import { headerOf, jsonReply, parameter } from './call.ts'
import type { Logstore } from './logstore.ts'
import { framedSize, joinBlocks } from './lz4-join.ts'
import type { Grouping } from './query.ts'
import { filterGroups, groupingOf, parseQuery } from './query.ts'
import { SlsRefusal } from './refusal.ts'
import type { ReadRange, Shard, StoredGroup } from './shard.ts'

/** Soft cap of a body, inflated. */
const MAX_RAW_BYTES = 10 * 1024 * 1024
const DEFAULT_COUNT = 100

export function pullLogs(call: SlsCall, logstore: Logstore, now: number): SlsReply {
  const { quota, options } = logstore
  const shard = logstore.shard(call.shard)
  const from = shard.positionOf(parameter(call, 'cursor'), options.expiredCursor)
  if (call.query.has('processor')) {
    throw new SlsRefusal('ParameterInvalid', 'this emulator has no consume processors')
  }
  const endCursor = call.query.get('end_cursor')
  const query = call.query.get('query')
  const filter = query === undefined || query === '' ? undefined : parseQuery(query)
  const count = countOf(call)
  quota?.assertOpen(shard, now)
  const range = shard.read(from, { count, maxBytes: MAX_RAW_BYTES, ...(endCursor ? { endCursor } : {}) })
  quota?.spend(shard, listSize(range.groups))
  const zstd = wantsZstd(headerOf(call, 'accept-encoding'))
  const content = filter ? filteredBody(range, filter, zstd) : rawBody(shard, range, zstd)
  const next = from + range.groups.length
  const cursorTime = range.groups.at(-1)?.receivedAt ?? now
  return {
    status: 200,
    headers: {
      'Content-Type': 'application/x-protobuf',
      'x-log-cursor': shard.cursorAt(next),
      'x-log-cursor-time': String(Math.floor(cursorTime / 1000)),
      'x-log-end-of-cursor': next === shard.end ? '1' : '0',
      ...content.headers,
    },
    body: content.body,
  }
}

export function getCursor(call: SlsCall, shard: Shard): SlsReply {
  const from = parameter(call, 'from')
  if (from === 'begin') return jsonReply({ cursor: shard.cursorAt(shard.begin) })
  if (from === 'end') return jsonReply({ cursor: shard.cursorAt(shard.end) })
  if (!/^\d{1,12}$/.test(from)) {
    throw new SlsRefusal('ParameterInvalid', `from must be begin, end or Unix seconds, not ${from}`)
  }
  return jsonReply({ cursor: shard.cursorAt(shard.positionAt(Number(from) * 1000)) })
}

export function getCursorTime(call: SlsCall, shard: Shard): SlsReply {
  const cursor = parameter(call, 'cursor')
  const receivedAt = shard.receivedAt(shard.positionOf(cursor))
  if (receivedAt === undefined) {
    throw new SlsRefusal('InvalidCursor', `no log group at cursor ${cursor}: it is the end of the shard`)
  }
  return jsonReply({ cursor_time: Math.floor(receivedAt / 1000) })
}

function countOf(call: SlsCall): number {
  const text = call.query.get('count') ?? String(DEFAULT_COUNT)
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > 1000) {
    throw new SlsRefusal('ParameterInvalid', `Invalid loggroup count, (0,1000]: ${text}`)
  }
  return count
}

/** LZ4 unless the client lists only zstd: Go and Java cannot read a body that is not compressed. */
function wantsZstd(acceptEncoding: string): boolean {
  const listed = acceptEncoding.split(',').map((item) => item.split(';')[0]?.trim())
  return listed.includes('zstd') && !listed.includes('lz4')
}

interface Content {
  headers: Record<string, string>
  body: Buffer
}

function rawBody(shard: Shard, { from, groups }: ReadRange, zstd: boolean): Content {
  if (groups.length === 0) return emptyContent()
  return {
    headers: {
      'x-log-count': String(groups.length),
      'x-log-bodyrawsize': String(listSize(groups)),
      'x-log-compresstype': zstd ? 'zstd' : 'lz4',
      'x-log-read-last-cursor': shard.number(from + groups.length - 1).toString(),
    },
    body: zstd ? zstdCompressSync(encodeLogGroupList(groups.map(inflate))) : joinBlocks(groups),
  }
}

/** The cursor moves over everything that was scanned, even if nothing is left of it. */
function filteredBody({ groups }: ReadRange, filter: ReturnType<typeof parseQuery>, zstd: boolean): Content {
  const facts = (scanned: number, matched: number) => ({
    'x-log-rawdatacount': String(groups.length),
    'x-log-rawdatasize': String(listSize(groups)),
    'x-log-rawdatalines': String(scanned),
    'x-log-resultlines': String(matched),
    'x-log-failedlines': '0',
  })
  const content = (count: number, size: number, body: Buffer) => ({
    headers: {
      'x-log-count': String(count),
      'x-log-bodyrawsize': String(size),
      'x-log-compresstype': zstd ? 'zstd' : 'lz4',
    },
    body,
  })
  const rows = zstd || filter.field !== undefined ? undefined : rowsOfDifferent(groups)
  if (rows !== undefined) {
    const { headers, body } = content(groups.length, listSize(groups), joinBlocks(groups))
    return { headers: { ...headers, ...facts(rows, rows) }, body }
  }
  const result = filterGroups(groups.map(inflate), filter)
  const list = encodeLogGroupList(result.groups)
  const { headers, body } =
    list.length === 0
      ? emptyContent()
      : content(result.groups.length, list.length, zstd ? zstdCompressSync(list) : lz4Compress(list))
  return { headers: { ...headers, ...facts(result.scanned, result.matched) }, body }
}

const groupings = new WeakMap<Uint8Array, Grouping>()

/** Rows of groups that regrouping leaves as they are; `undefined` for others. It lets a backlog be read with `*` at full speed. */
function rowsOfDifferent(groups: readonly StoredGroup[]): number | undefined {
  const keys = new Set<string>()
  let rows = 0
  for (const group of groups) {
    const grouping = groupings.get(group.bytes) ?? groupingOf(inflate(group))
    groupings.set(group.bytes, grouping)
    if (grouping.rows > 0) keys.add(grouping.key)
    rows += grouping.rows
  }
  return groups.length > 0 && keys.size === groups.length ? rows : undefined
}

function emptyContent(): Content {
  return { headers: { 'x-log-count': '0', 'x-log-bodyrawsize': '0' }, body: Buffer.alloc(0) }
}

/** Inflated size of the LogGroupList. */
function listSize(groups: readonly StoredGroup[]): number {
  return groups.reduce((sum, group) => sum + framedSize(group.rawSize), 0)
}

function inflate({ bytes, rawSize }: StoredGroup): Buffer {
  return lz4Decompress(bytes, rawSize)
}
