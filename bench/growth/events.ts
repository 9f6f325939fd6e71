import type { Fleet } from './fleet.ts'
import { STEP_MS } from './fleet.ts'
import type { Random } from './random.ts'
import { randomOf } from './random.ts'

/** An event in the life of a fleet, and what it took to balance: every shard held, and no replica with two more than another. */
export interface EventReport {
  name: string
  /** Members before and after. */
  before: number
  after: number
  /** `undefined` if it took longer than allowed. */
  secondsToBalance: number | undefined
  /** Shards taken, and the least that would have been enough. */
  moves: number
  leastMoves: number
  /** The longest time that a shard had no reader, in seconds. */
  longestGapSeconds: number
  duplicates: number
  /** Requests in the busiest second: all kinds, and only heartbeats. */
  peakRequests: number
  peakHeartbeats: number
  /** The most requests that one replica had under way at a time. */
  connections: number
}

const CONTROL_APIS = [
  'ListConsumerGroup',
  'CreateConsumerGroup',
  'UpdateConsumerGroup',
  'ConsumerGroupHeartBeat',
  'GetCheckPoint',
  'ConsumerGroupUpdateCheckPoint',
  'ListShards',
  'GetCursor',
  'GetCursorTime',
] as const
export const ALL_APIS = [...CONTROL_APIS, 'PullLogs'] as const

const LONGEST_HEARTBEATS = 30

/** Replicas of one deployment do not start in the same instant. */
const START_SPREAD_MS = 2_000

export class Events {
  readonly #fleet: Fleet
  readonly #random: Random

  constructor(fleet: Fleet) {
    this.#fleet = fleet
    this.#random = randomOf(fleet.options.seed + 2)
  }

  coldStart(replicas: number): Promise<EventReport> {
    return this.#measure('cold start', this.#fleet.options.shards, () => this.#startSpread(replicas))
  }

  join(name: string, replicas: number): Promise<EventReport> {
    return this.#measure(name, this.#leastMoves([], replicas), () => this.#startSpread(replicas))
  }

  /** Sends SIGTERM to the oldest. */
  leave(): Promise<EventReport> {
    const [oldest] = this.#fleet.members as [string]
    return this.#measure('one leaves', this.#leastMoves([oldest], 0), async () => this.#fleet.stop(oldest))
  }

  /** SIGKILL to the oldest. */
  die(name: string, replicas: number): Promise<EventReport> {
    const dying = this.#fleet.members.slice(0, replicas)
    return this.#measure(name, this.#leastMoves(dying, 0), async () => {
      for (const replica of dying) this.#fleet.kill(replica)
    })
  }

  /**
   * As a Kubernetes deployment does it: a quarter of the replacements are started, and some heartbeats later a quarter of the
   * old ones are stopped, without waiting for the group.
   */
  rollingRestart(name: string, heartbeats: number): Promise<EventReport> {
    const { members, options } = this.#fleet
    const waves = Math.min(4, members.length)
    return this.#measure(name, options.shards, async () => {
      for (let wave = 0; wave < waves; wave++) {
        const [from, to] = [wave, wave + 1].map((edge) => Math.round((edge * members.length) / waves)) as [
          number,
          number,
        ]
        const old = members.slice(from, to)
        await this.#startSpread(old.length)
        await this.#fleet.advance(heartbeats * options.heartbeatSeconds * 1000)
        for (const replica of old) this.#fleet.stop(replica)
      }
    })
  }

  async #startSpread(replicas: number): Promise<void> {
    const step = START_SPREAD_MS / replicas
    for (let index = 0; index < replicas; index++) {
      this.#fleet.start()
      await this.#fleet.advance(step)
    }
  }

  async #measure(name: string, leastMoves: number, happen: () => Promise<void>): Promise<EventReport> {
    const { judge, time, options, sls } = this.#fleet
    // The phase between two heartbeats matters, so it is random.
    await this.#fleet.advance(this.#random() * options.heartbeatSeconds * 1000)
    const before = this.#fleet.members.length
    const { takes, duplicates } = judge
    const from = time.now()
    judge.forgetGaps()
    sls.traffic.mostUnderWay = 0
    await happen()
    const latest = time.now() + LONGEST_HEARTBEATS * options.heartbeatSeconds * 1000
    while (!this.#fleet.balanced && time.now() < latest) await this.#fleet.advance(STEP_MS)
    const balanced = this.#fleet.balanced
    const secondsToBalance = balanced ? Math.round((time.now() - from) / 100) / 10 : undefined
    if (!balanced) judge.failed('the group', `is not in balance after ${name}`)
    // A balanced group stays balanced: no shard moves in the round of heartbeats after it.
    const settled = judge.takes
    await this.#fleet.advance(options.heartbeatSeconds * 1000)
    if (judge.takes !== settled) judge.failed('the group', `moved shards although in balance, after ${name}`)
    return {
      ...{ name, before, after: this.#fleet.members.length, secondsToBalance },
      ...{ moves: judge.takes - takes, leastMoves, duplicates: judge.duplicates - duplicates },
      longestGapSeconds: Math.round(judge.longestGapMs / 100) / 10,
      connections: sls.traffic.mostUnderWay,
      peakRequests: sls.traffic.between(from, time.now(), ALL_APIS).peak,
      peakHeartbeats: sls.traffic.between(from, time.now(), ['ConsumerGroupHeartBeat']).peak,
    }
  }

  /** The shards of replicas that leave, and the surplus of those that stay once others have joined. */
  #leastMoves(going: readonly string[], coming: number): number {
    const { members, options } = this.#fleet
    const orphaned = going.reduce((sum, name) => sum + this.#fleet.load(name), 0)
    const loads = members.filter((name) => !going.includes(name)).map((name) => this.#fleet.load(name))
    const count = loads.length + coming
    const share = Math.floor(options.shards / count)
    const larger = options.shards % count
    const surplus = loads
      .toSorted((a, b) => b - a)
      .reduce((sum, load, index) => sum + Math.max(0, load - share - (index < larger ? 1 : 0)), 0)
    return orphaned + surplus
  }
}
