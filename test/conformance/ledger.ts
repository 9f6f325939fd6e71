import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import { lz4Decompress } from '../../src/sls/lz4.ts'
import { expectedEvents } from '../support/event-oracle.ts'

/** The event that one log of the emulator's store must become. */
export interface LedgerEntry {
  id: string
  nanoseconds: bigint
  host: string
  source: string
  sourcetype: string
  event: Record<string, string>
}

/** All written logs, read from the emulator's store. The oracle makes the events, not the bridge's encoder. */
export function ledgerOf(sls: SlsEmulator): LedgerEntry[] {
  const { project, name: logstore } = sls.logstore()
  const options = {
    ...{ project, logstore, maxBatchBytes: Number.POSITIVE_INFINITY, topics: [] },
    ...{ source: `sls://${project}/${logstore}`, sourcetype: 'aliyun:sls', idScope: logstore },
  }
  const shards = sls.logstore().shards()
  return shards.flatMap((shard) => {
    const { from, groups } = shard.read(shard.begin, { count: Number.POSITIVE_INFINITY, maxBytes: 1e15 })
    return groups.flatMap(({ bytes, rawSize }, index) => {
      const at = {
        ...{ source: 'default', project, logstore, shard: shard.id },
        cursor: shard.cursorAt(from + index),
        firstGroup: shard.number(from + index),
      }
      const { events } = expectedEvents(options, listOf(lz4Decompress(bytes, rawSize)), at)
      return events.map((line) => entryOf(line.toString()))
    })
  })
}

/** A LogGroupList of one log group. */
function listOf(group: Uint8Array): Buffer {
  const length = []
  for (let rest = group.length; ; rest >>>= 7) {
    length.push(rest < 0x80 ? rest : (rest & 0x7f) | 0x80)
    if (rest < 0x80) break
  }
  return Buffer.concat([Buffer.of(0x0a, ...length), group])
}

function entryOf(line: string): LedgerEntry {
  const { host, source, sourcetype, event, fields } = JSON.parse(line)
  // As text: a double cannot hold nine decimal places.
  const [, seconds = '', nanoseconds = ''] = /^\{"time":(\d+)\.(\d{9}),/.exec(line) ?? []
  return { id: fields.sls_event_id, nanoseconds: BigInt(seconds + nanoseconds), host, source, sourcetype, event }
}
