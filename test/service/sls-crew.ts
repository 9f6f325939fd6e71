import type { TestGroup } from './sls-logstore.ts'
import { GROUP_TIMEOUT } from './sls-logstore.ts'
import type { SlsAnswer, SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

/** Consumers of a group with two shards. Each reports the shards it was last given, unless told otherwise. */
export class Crew {
  readonly group: TestGroup
  readonly #sls: SlsService
  readonly #held = new Map<string, number[]>()
  #lastBeatOfA = 0

  constructor(sls: SlsService, group: TestGroup) {
    this.#sls = sls
    this.group = group
  }

  held(name: string): number[] {
    return this.#held.get(name) ?? []
  }

  count(name: string): number {
    return this.held(name).length
  }

  /** Returns the number of shards it is told to hold. */
  async beat(name: string, reported = this.held(name)): Promise<number> {
    const answer = await this.group.beat(name, reported)
    if (answer.status !== 200) throw new Error(`heartbeat of ${name} reporting ${reported.length}: ${said(answer)}`)
    if (name === 'a') this.#lastBeatOfA = this.#sls.now()
    this.#held.set(name, answer.json<number[]>())
    return this.count(name)
  }

  /** Sends heartbeats every second until the condition holds, or until the time is over. */
  async settle(
    names: string[],
    wished: () => boolean,
    { reporting, seconds = 30 }: { reporting?: number[]; seconds?: number } = {},
  ): Promise<void> {
    const round = async () => {
      for (const name of names) await this.beat(name, reporting)
    }
    await this.#sls.until(round, wished, seconds)
  }

  /** `a` holds both shards. */
  async alone(): Promise<void> {
    await this.settle(['a'], () => this.count('a') === 2)
  }

  /** `a` and `b` hold one each. */
  async shared(): Promise<void> {
    await this.settle(['a', 'b'], () => this.count('a') === 1 && this.count('b') === 1)
  }

  /** `a` holds both and was just told to release one to `b`. Returns both. */
  async handingOver(): Promise<number[]> {
    await this.alone()
    const both = this.held('a')
    await this.beat('b')
    await this.settle(['a'], () => this.count('a') < 2, { reporting: both })
    return both
  }

  /** `a` is silent from now on and `b` sends heartbeats. Returns when `b` has both shards. */
  async takenOver(): Promise<string> {
    const silentSince = this.#lastBeatOfA
    await this.settle(['b'], () => this.count('b') === 2, { seconds: 3 * GROUP_TIMEOUT })
    if (this.count('b') < 2) return 'never'
    const seconds = (this.#sls.now() - silentSince) / 1000
    return seconds >= GROUP_TIMEOUT - 2 ? 'after the timeout' : `after ${Math.round(seconds)} s`
  }

  async commit(consumer: string | undefined, forceSuccess: string, shard = 0, at?: string): Promise<SlsAnswer> {
    const checkpoint = at ?? (await this.group.logstore.cursor('begin'))
    return this.group.commit(shard, checkpoint, { ...(consumer && { consumer }), forceSuccess })
  }
}
