/**
 * The consumer-group state machine of Log Service: which consumer may work on which shard, and how far each shard was
 * read. It knows no sockets and no logs; `now` is its clock. States of a shard in the group:
 *
 *   W waits for its ancestors (ordered groups) · N free · A allocated to a holder · T on its way from its holder to the
 *   next consumer, once the holder stops reporting it · O over: read-only and read to its end
 *
 * The load of a consumer is the shards it holds (A) and those on their way to it (T). After every call the loads of two
 * live consumers differ by at most one, and no shard is free while a consumer lives.
 *
 * Two rules are not known of the real service and were decided here. When the group changes, a shard on its way may go
 * to another next consumer, or back to its holder. A commit without force to a shard that is over is ConsumerNotMatch.
 */
import { SlsRefusal } from './refusal.ts'

export type AllocationState = 'W' | 'N' | 'A' | 'T' | 'O'

export interface ShardCheckpointEntry {
  shard: number
  /** `''` if never. */
  checkpoint: string
  /** Microseconds since the epoch; 0 if never. */
  updateTime: number
  /** The consumer that wrote it; `''` if none. */
  consumer: string
}

export interface ShardAllocation extends ShardCheckpointEntry {
  state: AllocationState
  holder: string | undefined
  next: string | undefined
}

export interface ConsumerGroupOptions {
  name: string
  timeoutSeconds: number
  /** Children wait until their ancestors are over. */
  order: boolean
  /** Milliseconds since the epoch. */
  now: () => number
  /** End cursor of a read-only shard, `undefined` while it can be written. */
  readonlyEnd: (shard: number) => string | undefined
  shards?: Iterable<NewShard>
}

export interface NewShard {
  id: number
  parents?: readonly number[]
}

export interface CommitRequest {
  shard: number
  checkpoint: string
  /** Empty or absent only with `force`. */
  consumer?: string
  force: boolean
}

interface Slot {
  readonly id: number
  readonly parents: readonly number[]
  state: AllocationState
  holder: Member | undefined
  next: Member | undefined
  checkpoint: string
  updateTime: number
  consumer: string
}

interface Member {
  readonly name: string
  lastBeat: number
  /** State A. */
  readonly held: Set<Slot>
  /** State T, still worked on here. */
  readonly leaving: Set<Slot>
  /** State T, to come here. */
  readonly arriving: Set<Slot>
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export class ConsumerGroup {
  readonly name: string
  readonly #now: () => number
  readonly #readonlyEnd: (shard: number) => string | undefined
  #timeoutMs: number
  #order: boolean
  readonly #slots = new Map<number, Slot>()
  /** In the order of their last heartbeats, oldest first: time-outs cost only what they end. */
  readonly #members = new Map<string, Member>()
  readonly #free = new Set<Slot>()
  readonly #waiting = new Set<Slot>()
  /** Read-only and not over: what every heartbeat looks at again. */
  readonly #ending = new Set<Slot>()
  /** Something changed that may have upset the balance. */
  #unbalanced = false

  constructor(options: ConsumerGroupOptions) {
    this.name = options.name
    this.#now = options.now
    this.#readonlyEnd = options.readonlyEnd
    this.#timeoutMs = options.timeoutSeconds * 1000
    this.#order = options.order
    this.addShards(options.shards ?? [])
  }

  get timeoutSeconds(): number {
    return this.#timeoutMs / 1000
  }

  get order(): boolean {
    return this.#order
  }

  update(changes: { timeoutSeconds?: number; order?: boolean }): void {
    if (changes.timeoutSeconds !== undefined) this.#timeoutMs = changes.timeoutSeconds * 1000
    if (changes.order !== undefined) this.#order = changes.order
    // Switching order on concerns only later shards; switching it off frees the shards that wait.
    if (!this.#order) for (const slot of this.#waiting) this.#release(slot)
    this.#settle()
  }

  /** Shards made by a split, a merge, or there from the start. Parents must be added before or with their children. */
  addShards(shards: Iterable<NewShard>): void {
    for (const { id, parents = [] } of shards) {
      const slot: Slot = {
        ...{ id, parents, state: 'N', checkpoint: '', updateTime: 0, consumer: '' },
        ...{ holder: undefined, next: undefined },
      }
      this.#slots.set(id, slot)
      if (this.#readonlyEnd(id) !== undefined) this.#ending.add(slot)
      if (this.#order && parents.length > 0) {
        slot.state = 'W'
        this.#waiting.add(slot)
      } else this.#release(slot)
    }
    this.#settle()
  }

  /** A shard has become read-only. */
  sealShard(id: number): void {
    const slot = this.#slots.get(id)
    if (slot && slot.state !== 'O') this.#ending.add(slot)
    this.#settle()
  }

  /** A shard was deleted or expired; for its children it counts as over. */
  removeShard(id: number): void {
    const slot = this.#slots.get(id)
    if (!slot) return
    this.#detach(slot)
    this.#ending.delete(slot)
    this.#slots.delete(id)
    this.#settle()
  }

  /**
   * A consumer's sign of life. `reported` is every shard it still works on. Returns the shards it may hold, ascending.
   * Refuses with NotExistConsumerWithBody when a consumer that is unknown (new or timed out) reports shards.
   */
  heartbeat(consumer: string, reported: readonly number[]): number[] {
    this.#expireMembers()
    let member = this.#members.get(consumer)
    if (!member) {
      if (reported.length > 0) {
        this.#settle()
        const text = `non-exist consumer with non-empty body of heartbeat message, consumer ${consumer}`
        throw new SlsRefusal('NotExistConsumerWithBody', text)
      }
      member = { name: consumer, lastBeat: 0, held: new Set(), leaving: new Set(), arriving: new Set() }
      this.#unbalanced = true
    }
    member.lastBeat = this.#now()
    this.#members.delete(consumer)
    this.#members.set(consumer, member)
    this.#handOver(member, reported)
    this.#settle()
    return [...member.held].map((slot) => slot.id).sort((a, b) => a - b)
  }

  /** Refuses with InvalidShardCheckPoint, ShardNotExist, and without force ConsumerNotExist or ConsumerNotMatch. */
  commit({ shard, checkpoint, consumer = '', force }: CommitRequest): void {
    this.#expireMembers()
    this.#settle()
    if (checkpoint === '' || !BASE64.test(checkpoint)) {
      throw new SlsRefusal('InvalidShardCheckPoint', `shard checkpoint is not base64: ${checkpoint}`)
    }
    const slot = this.#slots.get(shard)
    if (!slot) throw new SlsRefusal('ShardNotExist', `shard ${shard} does not exist`)
    if (!force) this.#assertHolder(slot, consumer)
    slot.checkpoint = checkpoint
    slot.updateTime = this.#now() * 1000
    slot.consumer = consumer
    if (slot.state === 'O' && checkpoint !== this.#readonlyEnd(shard)) {
      this.#ending.add(slot)
      this.#release(slot)
    }
    this.#settle()
  }

  /** One entry per shard, with or without a checkpoint; of one shard only, if asked; `[]` for an unknown one. */
  checkpoints(shard?: number): ShardCheckpointEntry[] {
    const wanted = shard === undefined ? [...this.#slots.values()] : [this.#slots.get(shard)]
    return wanted
      .filter((slot) => slot !== undefined)
      .map(({ id, checkpoint, updateTime, consumer }) => ({ shard: id, checkpoint, updateTime, consumer }))
      .sort((a, b) => a.shard - b.shard)
  }

  /** Everything the group knows about its shards at this instant. */
  allocations(): ShardAllocation[] {
    this.refresh()
    return this.checkpoints().map((entry) => {
      const slot = this.#slots.get(entry.shard) as Slot
      return { ...entry, state: slot.state, holder: slot.holder?.name, next: slot.next?.name }
    })
  }

  /** Live consumers with the time of their last heartbeat (ms) and the number of shards that count for them. */
  consumers(): Array<{ name: string; lastHeartbeat: number; shards: number }> {
    this.refresh()
    return [...this.#members.values()].map((member) => ({
      name: member.name,
      lastHeartbeat: member.lastBeat,
      shards: loadOf(member),
    }))
  }

  /** Takes notice of consumers that timed out and shards that ended since the last call. */
  refresh(): void {
    this.#expireMembers()
    this.#settle()
  }

  #assertHolder(slot: Slot, consumer: string): void {
    if (!this.#members.has(consumer)) {
      throw new SlsRefusal('ConsumerNotExist', `consumer not exist in the consumer group: ${consumer}`)
    }
    if (slot.holder?.name !== consumer) {
      throw new SlsRefusal('ConsumerNotMatch', `shard ${slot.id} is not held by consumer ${consumer}`)
    }
  }

  #expireMembers(): void {
    const oldest = this.#now() - this.#timeoutMs
    for (const member of this.#members.values()) {
      if (member.lastBeat >= oldest) return
      this.#members.delete(member.name)
      this.#unbalanced = true
      for (const slot of member.arriving) this.#allocate(slot, slot.holder as Member)
      for (const slot of [...member.held, ...member.leaving]) this.#release(slot)
    }
  }

  #handOver(member: Member, reported: readonly number[]): void {
    if (member.leaving.size === 0) return
    const working = new Set(reported)
    for (const slot of member.leaving) if (!working.has(slot.id)) this.#allocate(slot, slot.next as Member)
  }

  #settle(): void {
    this.#closeEnded()
    this.#wakeWaiting()
    if (this.#unbalanced) this.#balance()
  }

  /** Checked in every call, not only at commits: a checkpoint may have been at the end before the shard was split. */
  #closeEnded(): void {
    for (const slot of this.#ending) {
      if (slot.state === 'W' || slot.checkpoint === '' || slot.checkpoint !== this.#readonlyEnd(slot.id)) continue
      this.#detach(slot)
      slot.state = 'O'
      this.#ending.delete(slot)
    }
  }

  #wakeWaiting(): void {
    // One pass may end an ancestor of another: a forced checkpoint can be at the end of a shard that waited.
    for (let woken = this.#waiting.size > 0; woken; ) {
      woken = false
      for (const slot of this.#waiting) {
        if (!this.#ancestorsOver(slot, new Set())) continue
        this.#release(slot)
        woken = true
      }
      if (woken) this.#closeEnded()
    }
  }

  #ancestorsOver(slot: Slot, seen: Set<Slot>): boolean {
    return slot.parents.every((id) => {
      const parent = this.#slots.get(id)
      if (!parent || seen.has(parent)) return true
      seen.add(parent)
      return parent.state === 'O' && this.#ancestorsOver(parent, seen)
    })
  }

  /**
   * Gives free shards to the consumers with the fewest, then moves shards from consumers with too many to those with
   * too few.
   */
  #balance(): void {
    // The largest loads keep the larger shares, so that nothing moves that need not.
    const members = [...this.#members.values()].sort((a, b) => loadOf(b) - loadOf(a))
    if (members.length === 0) return
    const total = members.reduce((sum, member) => sum + loadOf(member), this.#free.size)
    const share = Math.floor(total / members.length)
    const larger = total % members.length
    const targetOf = (index: number) => share + (index < larger ? 1 : 0)
    const needy = members
      .map((member, index) => ({ member, missing: targetOf(index) - loadOf(member) }))
      .filter(({ missing }) => missing > 0)
    const takeNeedy = (): Member => {
      const poorest = needy.at(-1) as { member: Member; missing: number }
      poorest.missing -= 1
      if (poorest.missing === 0) needy.pop()
      return poorest.member
    }
    for (const slot of this.#free) this.#allocate(slot, takeNeedy())
    for (const [index, member] of members.entries()) {
      for (let surplus = loadOf(member) - targetOf(index); surplus > 0; surplus--) this.#move(member, takeNeedy())
    }
    this.#unbalanced = false
  }

  /**
   * Takes one shard from a consumer's load. One that is still on its way is preferred: it costs no further hand-over.
   */
  #move(from: Member, to: Member): void {
    const [onItsWay] = from.arriving
    const slot = onItsWay ?? (from.held.values().next().value as Slot)
    const holder = slot.holder as Member
    this.#detach(slot)
    if (holder === to) {
      this.#allocate(slot, to)
      return
    }
    slot.state = 'T'
    slot.holder = holder
    slot.next = to
    holder.leaving.add(slot)
    to.arriving.add(slot)
  }

  #allocate(slot: Slot, holder: Member): void {
    this.#detach(slot)
    slot.state = 'A'
    slot.holder = holder
    holder.held.add(slot)
    this.#unbalanced = true
  }

  #release(slot: Slot): void {
    this.#detach(slot)
    slot.state = 'N'
    this.#free.add(slot)
    this.#unbalanced = true
  }

  /** Takes a shard out of every list it is in. */
  #detach(slot: Slot): void {
    this.#free.delete(slot)
    this.#waiting.delete(slot)
    slot.holder?.held.delete(slot)
    slot.holder?.leaving.delete(slot)
    slot.next?.arriving.delete(slot)
    slot.holder = undefined
    slot.next = undefined
    this.#unbalanced = true
  }
}

function loadOf(member: Member): number {
  return member.held.size + member.arriving.size
}
