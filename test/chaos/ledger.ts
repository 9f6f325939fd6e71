import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IndexedEvent, IndexedRequest } from '../../src/emulator/hec/index.ts'
import type { Commit } from '../../src/emulator/sls/group-api.ts'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import type { SyslogMessage } from '../../src/emulator/syslog/server.ts'
import { decodeLogGroup } from '../../src/sls/log-group.ts'
import { lz4Decompress } from '../../src/sls/lz4.ts'

/** Every log written in a run has this content, unique in the run: the ledger does not trust the bridge's own event id. */
export const SERIAL = 'serial'

/** Beginning of a message that a firewall answers with a page. */
export const ATTACK_PAGE = 'attack page'

/** One log: its place in SLS, and its deliveries to the SIEM. */
export interface Entry {
  readonly serial: string
  /** Absent while it has only been seen at the SIEM. */
  written?: Written
  readonly deliveries: Delivery[]
  /** Of every replica: one that reads the shard again writes a dead letter again. */
  readonly deadLetters: DeadLetterSeen[]
  /** The service forgot it, whether anybody had read it by then or not. */
  expired?: boolean
}

export interface DeadLetterSeen {
  /** Unix milliseconds by the clock of its replica. */
  readonly at: number
  readonly replica: string
  /** Each process writes a file of its own. */
  readonly file: string
  readonly code: string
  readonly eventId: string
  readonly digest: string
}

export interface Written {
  readonly shard: number
  /** Groups before its own in the shard. */
  readonly position: number
  /** Unix milliseconds at which the service received it. */
  readonly receivedAt: number
  /** As the contract builds it: logstore, shard, the group's cursor, place in the group. */
  readonly eventId: string
  readonly wanted: boolean
  /** Code with which it is refused for good. */
  readonly refusedFor?: string
  /** It is written to be refused, by the SIEM or by something before it. */
  readonly special: boolean
  /** Of the event and the time it must arrive with. */
  readonly digest: string
}

export interface Delivery {
  /** Unix milliseconds at which the request was taken in; with held-back events before they could be searched. */
  readonly at: number
  /** Name of the replica: every replica has a HEC token of its own. */
  readonly replica: string
  readonly eventId: string
  readonly digest: string
  readonly request: IndexedRequest
}

/** Written logs from the emulator's store, delivered ones from the receiver, refused ones from the dead letters. */
export class Ledger {
  readonly entries = new Map<string, Entry>()
  /** Per shard, the serials of each log group. */
  readonly groups = new Map<number, string[][]>()
  readonly #sls: SlsEmulator
  readonly #topics: ReadonlySet<string>
  readonly #digits: number

  /** `topics`: those that are wanted; empty for all. `digits`: those behind the second with which times arrive. */
  constructor(sls: SlsEmulator, topics: readonly string[], digits = 9) {
    this.#sls = sls
    this.#topics = new Set(topics)
    this.#digits = digits
  }

  get isEmpty(): boolean {
    return this.#count(({ deliveries }) => deliveries.length > 0) === 0
  }

  get written(): number {
    return this.#count(({ written }) => written !== undefined)
  }

  get wanted(): number {
    return this.#count(({ written }) => written?.wanted === true)
  }

  /** Reads the logs that came into the store since the last time. Must be called before any of them expires. */
  scan(): void {
    for (const shard of this.#logstore.shards()) {
      const known = this.groups.get(shard.id) ?? []
      this.groups.set(shard.id, known)
      if (known.length < shard.begin) throw new Error(`shard ${shard.id} forgot groups before they were counted`)
      const { groups } = shard.read(known.length, {
        count: Number.POSITIVE_INFINITY,
        maxBytes: Number.MAX_SAFE_INTEGER,
      })
      for (const { bytes, rawSize, receivedAt } of groups) {
        const place = { shard: shard.id, position: known.length, receivedAt }
        const id = `${this.#logstore.name}:${shard.id}:${shard.number(place.position)}`
        known.push(this.#written(decodeLogGroup(lz4Decompress(bytes, rawSize)), place, id))
      }
    }
  }

  /** How many groups of its shard a commit says are done. */
  positionOf({ shard, checkpoint }: Pick<Commit, 'shard' | 'checkpoint'>): number {
    return this.#logstore.shard(shard).find(checkpoint) ?? Number.POSITIVE_INFINITY
  }

  /** Marks the logs before a position as expired: from then on a missing delivery is no violation. */
  expireBefore(shard: number, position: number): void {
    for (const serial of (this.groups.get(shard) ?? []).slice(0, position).flat()) this.#entry(serial).expired = true
  }

  indexed(events: readonly IndexedEvent[]): void {
    for (const { line, request } of events) {
      const { event, fields } = JSON.parse(line)
      // The vendor's sample sends its event as JSON in a string.
      const log: Record<string, string> = typeof event === 'string' ? JSON.parse(event) : event
      this.#entry(log[SERIAL] as string).deliveries.push({
        ...{ at: request.receivedAtMs, replica: request.token, request },
        eventId: String(fields?.sls_event_id),
        digest: this.#digestOf(/"time":([0-9.]+)/.exec(line)?.[1] ?? '', log),
      })
    }
  }

  /** A collector has read the message. That is all that its sender can be told. */
  collected({ time = '', appName: token = '', structuredData, text }: SyslogMessage): void {
    const [, second = '', decimals = ''] = /^(.*)\.(\d+)Z$/.exec(time) ?? []
    const log: Record<string, string> = JSON.parse(text)
    const request = { path: '', token, receivedAtMs: Date.now(), answer: { status: 200, code: 0, cut: false } }
    this.#entry(log[SERIAL] as string).deliveries.push({
      ...{ at: request.receivedAtMs, replica: token, request },
      eventId: String(structuredData?.['sls@32473']?.['id']),
      digest: this.#digestOf(`${Date.parse(`${second}Z`) / 1000}.${decimals}`, log),
    })
  }

  readDeadLetters(directory: string, replica: string): void {
    for (const [file, text] of deadLettersIn(directory)) {
      // The last one is empty, or half a line of a process that was killed while it wrote.
      for (const line of text.split('\n').slice(0, -1)) {
        const { at, origin, reason, event } = JSON.parse(line)
        this.#entry(event.event[SERIAL]).deadLetters.push({
          ...{ at: Date.parse(at), replica, file, code: String(reason.code), eventId: origin.event_id },
          // As text: a double cannot hold nine digits behind the point.
          digest: this.#digestOf(/"time":([0-9.]+)/.exec(line)?.[1] ?? '', event.event),
        })
      }
    }
  }

  /** Wanted logs written so far that have not arrived; without those that were written to be refused. */
  undelivered(): Entry[] {
    this.scan()
    return [...this.entries.values()].filter(
      ({ written, deliveries, expired }) => written?.wanted && !written.special && !expired && deliveries.length === 0,
    )
  }

  get #logstore() {
    return this.#sls.logstore()
  }

  #written(
    group: ReturnType<typeof decodeLogGroup>,
    place: Pick<Written, 'shard' | 'position' | 'receivedAt'>,
    groupId: string,
  ): string[] {
    const { topic, source, tags } = group
    return group.logs.map(({ time, timeNs, contents }, index) => {
      const log: Record<string, string> = { __topic__: topic, __source__: source }
      for (const [key, value] of tags) log[`__tag__:${key}`] = String(value)
      for (const [key, value] of contents) log[String(key)] = String(value)
      const message = log['message'] ?? ''
      const refusedFor = message.startsWith(ATTACK_PAGE) ? 'http_403' : /^poison (\d+)/.exec(message)?.[1]
      this.#entry(log[SERIAL] as string).written = {
        ...{ ...place, eventId: `${groupId}:${index}` },
        wanted: this.#topics.size === 0 || this.#topics.has(topic),
        ...(refusedFor !== undefined && { refusedFor }),
        special: /^(poison|attack) /.test(message),
        digest: this.#digestOf(`${time}.${String(timeNs ?? 0).padStart(9, '0')}`, log),
      }
      return log[SERIAL] as string
    })
  }

  #digestOf(time: string, log: Record<string, string>): string {
    const [second, decimals = ''] = time.split('.')
    return digestOf(`${second}.${decimals.slice(0, this.#digits)}`, log)
  }

  #entry(serial: string): Entry {
    let entry = this.entries.get(serial)
    if (!entry) {
      entry = { serial, deliveries: [], deadLetters: [] }
      this.entries.set(serial, entry)
    }
    return entry
  }

  #count(counts: (entry: Entry) => boolean): number {
    let count = 0
    for (const entry of this.entries.values()) if (counts(entry)) count++
    return count
  }
}

/** Name and text of each file of dead letters. */
export function deadLettersIn(directory: string): Array<[file: string, text: string]> {
  const files = readdirSync(directory).filter((name) => name.startsWith('dead-letter-'))
  return files.map((file) => [file, readFileSync(join(directory, file), 'utf8')])
}

/** Short, so that an hour of logs fits in memory. `time` is text: a double cannot hold nine digits behind the point. */
function digestOf(time: string, log: Record<string, string>): string {
  const sorted = Object.entries(log).sort(([a], [b]) => (a < b ? -1 : 1))
  return hash('sha256', `${time} ${JSON.stringify(sorted)}`, 'base64').slice(0, 16)
}
