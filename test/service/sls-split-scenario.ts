import type { TestGroup } from './sls-logstore.ts'
import { logGroup, TestLogstore } from './sls-logstore.ts'
import type { SlsAnswer, SlsService } from './sls-service.ts'
import { once, said } from './sls-service.ts'

const MIDDLE = '8'.padEnd(32, '0')
/** Longer than a group's consumer is silent between two facts. */
const GROUP_TIMEOUT_SECONDS = 300
const CONSUMER = 'c'
const SPREAD_SECONDS = 90

interface Shard {
  shardID: number
  status: string
  inclusiveBeginKey: string
  exclusiveEndKey: string
}

/** Splits one shard with logs that one consumer reads in three groups, then merges the children. */
export class SplitScenario {
  readonly #sls: SlsService

  constructor(sls: SlsService) {
    this.#sls = sls
  }

  /** Shard 0 was split into 1 and 2. The checkpoint of `early` was at its end before. */
  readonly split = once(async () => {
    const store = await TestLogstore.create(this.#sls, 'split', 1)
    const group = (order: boolean) => store.createGroup({ timeout: GROUP_TIMEOUT_SECONDS, order })
    const [ordered, early, plain] = [await group(true), await group(true), await group(false)]
    await store.written(logGroup('before the split'))
    const end = await store.end()
    for (const each of [ordered, early, plain]) await this.told(each, (now) => now.includes(0))
    succeeded('commit before the split', await this.commit(early, 0, end))
    const answered = await this.#reshard(store, 0, { action: 'split', key: MIDDLE }, 3)
    return { store, ordered, early, plain, end, answered, key: MIDDLE }
  })

  /** The ordered group has read shard 0 to its end. */
  readonly finished = once(async () => {
    const { ordered, end } = await this.split()
    succeeded('commit of the end', await this.commit(ordered, 0, end))
    return this.told(ordered, (now) => now.length === 2)
  })

  /** 1 and 2, both empty, were merged into 3. */
  readonly merged = once(async () => this.#reshard((await this.split()).store, 1, { action: 'merge' }, 4))

  /** Reports its assigned shards until it has the expected ones, or until the time is over. */
  readonly told = async (group: TestGroup, wanted: (now: number[]) => boolean, seconds = 60): Promise<number[]> => {
    let held: number[] = []
    const beat = async () => {
      const answer = succeeded('heartbeat', await group.beat(CONSUMER, held))
      held = answer.json<number[]>().sort((a, b) => a - b)
      return held
    }
    return this.#sls.until(beat, wanted, seconds)
  }

  commit(group: TestGroup, shard: number, at: string, forceSuccess = 'false'): Promise<SlsAnswer> {
    return group.commit(shard, at, { consumer: CONSUMER, forceSuccess })
  }

  async #reshard(store: TestLogstore, id: number, query: Record<string, string>, shards: number): Promise<Shard[]> {
    const path = `${store.path}/shards/${id}`
    const answer = succeeded(`${query['action']}`, await this.#sls.call({ method: 'POST', path, query }))
    await this.#sls.until(
      () => store.shards(),
      (list) => list.length === shards,
      SPREAD_SECONDS,
    )
    return answer.json<Shard[]>()
  }
}

export function statuses(shards: readonly Shard[]): string {
  return shards.map(({ shardID, status }) => `${shardID} ${status}`).join(', ')
}

function succeeded(what: string, answer: SlsAnswer): SlsAnswer {
  if (answer.status !== 200) throw new Error(`${what}: ${said(answer)}`)
  return answer
}
