import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import type { LogGroup, Pair } from './log-group.ts'
import { contentsOf, timeOf } from './log-group.ts'

// Identifies logs by their contents. Every part is hashed behind its length (32 bits, little-endian), so that two different
// logs are never hashed as the same bytes.

/** Hex digits of SHA-256 that are kept: 128 bits. */
const HASH_DIGITS = 32

/** The part that the logs of a group share. */
export function groupHash(shard: number, group: LogGroup): Buffer {
  const sha = createHash('sha256')
  for (const part of [Buffer.from(String(shard)), group.topic, group.source]) add(sha, part)
  addPairs(sha, group.tags())
  return sha.digest()
}

export function logHash(group: Buffer, log: Buffer): string {
  const { seconds, nanos } = timeOf(log)
  const sha = createHash('sha256').update(group)
  add(sha, Buffer.from(`${seconds}.${nanos}`))
  addPairs(sha, contentsOf(log))
  return sha.digest('hex').slice(0, HASH_DIGITS)
}

function addPairs(sha: Hash, pairs: Iterable<Pair>): void {
  for (const [key, value] of pairs) {
    add(sha, key)
    add(sha, value)
  }
}

function add(sha: Hash, part: Buffer): void {
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(part.length)
  sha.update(length).update(part)
}
