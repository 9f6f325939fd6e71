import { hash } from 'node:crypto'
import type { LogGroupView, LogView } from './log-view.ts'
import type { PairReader } from './pairs.ts'

/** Hex digits of SHA-256 that are kept: 128 bits. */
export const HASH_DIGITS = 32

/**
 * What identifies logs by what they say, for when log groups have no cursors of their own. Every part is preceded by
 * its length, so no two different logs are hashed as the same bytes. This is the part a group's logs have in common.
 */
export function groupHash(shard: number, bytes: Buffer, group: LogGroupView, pair: PairReader): Buffer {
  const parts: Buffer[] = []
  frame(parts, Buffer.from(String(shard)))
  frame(parts, bytes.subarray(group.topicStart, group.topicEnd))
  frame(parts, bytes.subarray(group.sourceStart, group.sourceEnd))
  group.eachTag((start, end) => {
    pair.read(start, end)
    frame(parts, pair.key)
    frame(parts, pair.value)
  })
  return hash('sha256', Buffer.concat(parts), 'buffer')
}

export function logHash(group: Buffer, log: LogView, pair: PairReader): string {
  const parts = [group]
  frame(parts, Buffer.from(`${log.seconds}.${log.nanos}`))
  log.eachContent((start, end) => {
    pair.read(start, end)
    frame(parts, pair.key)
    frame(parts, pair.value)
  })
  return hash('sha256', Buffer.concat(parts), 'hex').slice(0, HASH_DIGITS)
}

function frame(parts: Buffer[], bytes: Buffer): void {
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(bytes.length)
  parts.push(length, bytes)
}
