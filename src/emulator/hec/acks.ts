/** Limits of limits.conf and inputs.conf; every default is Splunk's own. */
export interface AckLimits {
  channels?: number
  /** Unqueried ack ids of one channel, and of all together. */
  idsPerChannel?: number
  ids?: number
  /** A channel without a post or a poll for this long is removed, and its acks answer false for ever. */
  maxIdleMs?: number
  /** A full channel refuses events until it is polled (`off`), or forgets its oldest ids from 90 % on. */
  expiryMode?: 'off' | 'expire_at_90'
}

/** The acknowledgement of one request. Times are milliseconds since the epoch. */
export interface AckRecord {
  readonly channel: string
  readonly ackId: number
  /** When the request became (or will become) acknowledgeable; absent while acks are held or after it was forgotten. */
  ackedAtMs?: number
  /** When a client was told `true`. */
  toldAtMs?: number
}

interface Channel {
  nextId: number
  usedAtMs: number
  /** Ids that no client was told `true` about yet. */
  readonly pending: Map<number, AckRecord>
}

/**
 * Indexer acknowledgement as one splunkd keeps it: in memory, ids from 0 per channel, `true` told once. A channel
 * belongs to the token it was used with.
 */
export class AckChannels {
  /** From acceptance to acknowledgeable; `Infinity` never acknowledges. */
  delayMs: number
  told = 0
  pending = 0
  forgotten = 0
  readonly #limits: Required<AckLimits>
  /** In the order of last use, so that idle ones are found at the front. */
  readonly #channels = new Map<string, Channel>()

  constructor(delayMs: number, limits: AckLimits = {}) {
    this.delayMs = delayMs
    this.#limits = {
      channels: limits.channels ?? 1_000_000,
      idsPerChannel: limits.idsPerChannel ?? 1_000_000,
      ids: limits.ids ?? 10_000_000,
      maxIdleMs: limits.maxIdleMs ?? 600_000,
      expiryMode: limits.expiryMode ?? 'off',
    }
  }

  get channels(): number {
    return this.#channels.size
  }

  /** Whether a request may get an id: `full` must be refused, `near` (80 %) is worth a warning. */
  room(token: string, channelId: string): 'free' | 'near' | 'full' {
    this.#dropIdle()
    const { channels, idsPerChannel, ids, expiryMode } = this.#limits
    const channel = this.#channels.get(keyOf(token, channelId))
    if (!channel && this.#channels.size >= channels) return 'full'
    const inChannel = expiryMode === 'off' ? (channel?.pending.size ?? 0) / idsPerChannel : 0
    const fill = Math.max(inChannel, this.pending / ids)
    if (fill >= 1) return 'full'
    return fill >= 0.8 ? 'near' : 'free'
  }

  issue(token: string, channelId: string): AckRecord {
    const channel = this.#use(token, channelId, true)
    const record: AckRecord = { channel: channelId, ackId: channel.nextId }
    if (Number.isFinite(this.delayMs)) record.ackedAtMs = Date.now() + this.delayMs
    channel.nextId += 1
    channel.pending.set(record.ackId, record)
    this.pending += 1
    if (this.#limits.expiryMode === 'expire_at_90') this.#expireOldest(channel)
    return record
  }

  /** `true` for an id that is acknowledged and was not told before; `false` for every other, known or not. */
  query(token: string, channelId: string, ids: readonly number[]): Record<string, boolean> {
    this.#dropIdle()
    const channel = this.#use(token, channelId, false)
    const now = Date.now()
    const answer: Record<string, boolean> = {}
    for (const id of ids) {
      const record = channel.pending.get(id)
      const acked = record?.ackedAtMs !== undefined && record.ackedAtMs <= now
      answer[id] = answer[id] === true || acked
      if (!record || !acked) continue
      record.toldAtMs = now
      channel.pending.delete(id)
      this.pending -= 1
      this.told += 1
    }
    return answer
  }

  /** Forgets every channel and every id, as a restart does; new ids start from 0. */
  forget(): void {
    for (const channel of this.#channels.values()) this.#drop(channel)
    this.#channels.clear()
  }

  #use(token: string, channelId: string, create: boolean): Channel {
    const key = keyOf(token, channelId)
    const channel = this.#channels.get(key) ?? { nextId: 0, usedAtMs: 0, pending: new Map() }
    channel.usedAtMs = Date.now()
    if (this.#channels.delete(key) || create) this.#channels.set(key, channel)
    return channel
  }

  #dropIdle(): void {
    const deadline = Date.now() - this.#limits.maxIdleMs
    for (const [key, channel] of this.#channels) {
      if (channel.usedAtMs > deadline) return
      this.#drop(channel)
      this.#channels.delete(key)
    }
  }

  #expireOldest(channel: Channel): void {
    const keep = Math.max(1, Math.floor(this.#limits.idsPerChannel * 0.9))
    for (const [id, record] of channel.pending) {
      if (channel.pending.size <= keep) return
      channel.pending.delete(id)
      this.pending -= 1
      this.#forgetRecord(record)
    }
  }

  #drop(channel: Channel): void {
    this.pending -= channel.pending.size
    for (const record of channel.pending.values()) this.#forgetRecord(record)
  }

  #forgetRecord(record: AckRecord): void {
    this.forgotten += 1
    if (record.ackedAtMs !== undefined && record.ackedAtMs > Date.now()) delete record.ackedAtMs
  }
}

function keyOf(token: string, channelId: string): string {
  return `${token} ${channelId.toLowerCase()}`
}
