import { BYTES, corrupt, encodeFixed32, encodeVarint, FIXED32, MessageReader, VARINT } from './protobuf.ts'

/**
 * The protobuf messages of Log Service (SLS protocol: protobuf model). A LogGroup has 1 Logs, 3 Topic, 4 Source,
 * 5 MachineUUID, 6 LogTags; a Log has 1 Time, 2 Contents, 4 Time_ns (fixed32); Content and LogTag have 1 Key, 2 Value.
 */
export interface LogInput {
  /** Unix seconds, 0 … 2^32 - 1. */
  time: number
  /** Nanoseconds within the second. */
  timeNs?: number
  /** Bytes are written as they are: values that are not UTF-8 are legal on the wire. */
  contents: Array<[key: string | Uint8Array, value: string | Uint8Array]>
}

export interface LogGroupInput {
  topic?: string
  source?: string
  machineUuid?: string
  tags?: Array<[string, string]>
  logs: LogInput[]
}

/** Absent fields are left out, empty ones are written, as the official producers do. */
export function encodeLogGroup(group: LogGroupInput): Buffer {
  const parts: Uint8Array[] = []
  for (const log of group.logs) pushBytes(parts, 1, encodeLog(log))
  if (group.topic !== undefined) pushBytes(parts, 3, group.topic)
  if (group.source !== undefined) pushBytes(parts, 4, group.source)
  if (group.machineUuid !== undefined) pushBytes(parts, 5, group.machineUuid)
  for (const [key, value] of group.tags ?? []) pushBytes(parts, 6, encodePair(key, value))
  return Buffer.concat(parts)
}

/** Joins encoded groups into one LogGroupList body. */
export function encodeLogGroupList(groups: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = []
  for (const group of groups) pushBytes(parts, 1, group)
  return Buffer.concat(parts)
}

/** The encoded groups of a LogGroupList, as views. Throws a Fault (`corrupt_log_group`) on bytes that are not one. */
export function splitLogGroupList(list: Buffer): Buffer[] {
  const groups: Buffer[] = []
  const reader = new MessageReader(list)
  while (reader.next()) {
    if (reader.field === 1 && reader.wire === BYTES) groups.push(reader.bytes())
    else reader.skip()
  }
  return groups
}

/** How many groups `splitLogGroupList` would return. */
export function countLogGroups(list: Buffer): number {
  let count = 0
  const reader = new MessageReader(list)
  while (reader.next()) {
    if (reader.field === 1 && reader.wire === BYTES) count++
    reader.skip()
  }
  return count
}

/** The encoded logs of a group, as views, and the group without them. */
export function splitLogGroup(group: Buffer): { logs: Buffer[]; rest: Buffer } {
  const logs: Buffer[] = []
  const rest: Buffer[] = []
  const reader = new MessageReader(group)
  for (let start = 0; reader.next(); start = reader.at) {
    if (reader.field === 1 && reader.wire === BYTES) logs.push(reader.bytes())
    else {
      reader.skip()
      rest.push(group.subarray(start, reader.at))
    }
  }
  return { logs, rest: Buffer.concat(rest) }
}

interface DecodedLog {
  /** Unix seconds. */
  time: number
  timeNs: number | undefined
  /** Views of the group's bytes. */
  contents: Array<[key: Buffer, value: Buffer]>
}

export interface DecodedLogGroup {
  topic: string
  source: string
  machineUuid: string
  tags: Array<[string, string]>
  logs: DecodedLog[]
}

/**
 * Full, slow decode: for the emulator's checks, tools and tests, never the hot path. As strict as the official
 * parsers: a missing required field (Time, Key, Value) is a Fault `corrupt_log_group`, like any malformed byte.
 * Fields with an unknown number or an unexpected wire type are skipped; of repeated singular fields the last one wins.
 */
export function decodeLogGroup(bytes: Buffer): DecodedLogGroup {
  const group: DecodedLogGroup = { topic: '', source: '', machineUuid: '', tags: [], logs: [] }
  const reader = new MessageReader(bytes)
  while (reader.next()) {
    if (reader.wire !== BYTES) reader.skip()
    else if (reader.field === 1) group.logs.push(decodeLog(reader.bytes()))
    else if (reader.field === 3) group.topic = reader.bytes().toString()
    else if (reader.field === 4) group.source = reader.bytes().toString()
    else if (reader.field === 5) group.machineUuid = reader.bytes().toString()
    else if (reader.field === 6) {
      const [key, value] = decodePair(reader.bytes())
      group.tags.push([key.toString(), value.toString()])
    } else reader.skip()
  }
  return group
}

function decodeLog(bytes: Buffer): DecodedLog {
  let time: number | undefined
  let timeNs: number | undefined
  const contents: DecodedLog['contents'] = []
  const reader = new MessageReader(bytes)
  while (reader.next()) {
    if (reader.field === 1 && reader.wire === VARINT) time = reader.uint32()
    else if (reader.field === 2 && reader.wire === BYTES) contents.push(decodePair(reader.bytes()))
    else if (reader.field === 4 && reader.wire === FIXED32) timeNs = reader.fixed32()
    else reader.skip()
  }
  if (time === undefined) throw corrupt('a log has no Time')
  return { time, timeNs, contents }
}

function decodePair(bytes: Buffer): [key: Buffer, value: Buffer] {
  let key: Buffer | undefined
  let value: Buffer | undefined
  const reader = new MessageReader(bytes)
  while (reader.next()) {
    if (reader.field === 1 && reader.wire === BYTES) key = reader.bytes()
    else if (reader.field === 2 && reader.wire === BYTES) value = reader.bytes()
    else reader.skip()
  }
  if (key === undefined || value === undefined) throw corrupt('a key-value pair is incomplete')
  return [key, value]
}

function encodeLog(log: LogInput): Buffer {
  const parts: Uint8Array[] = [encodeVarint((1 << 3) | VARINT), encodeVarint(log.time)]
  for (const [key, value] of log.contents) pushBytes(parts, 2, encodePair(key, value))
  if (log.timeNs !== undefined) parts.push(encodeVarint((4 << 3) | FIXED32), encodeFixed32(log.timeNs))
  return Buffer.concat(parts)
}

function encodePair(key: string | Uint8Array, value: string | Uint8Array): Buffer {
  const parts: Uint8Array[] = []
  pushBytes(parts, 1, key)
  pushBytes(parts, 2, value)
  return Buffer.concat(parts)
}

function pushBytes(parts: Uint8Array[], field: number, value: string | Uint8Array): void {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  parts.push(encodeVarint((field << 3) | BYTES), encodeVarint(bytes.length), bytes)
}
