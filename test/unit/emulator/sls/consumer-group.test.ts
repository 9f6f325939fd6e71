import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AllocationState, NewShard } from '../../../../src/emulator/sls/consumer-group.ts'
import { ConsumerGroup } from '../../../../src/emulator/sls/consumer-group.ts'

const TIMEOUT = 60
const C1 = 'MTAwMQ=='
const C2 = 'MTAwMg=='

/** A group on a clock turned by hand, over shards whose end cursors are known once they are read-only. */
function scene(options: { shards?: NewShard[]; order?: boolean } = {}) {
  const clock = { now: 1_700_000_000_000 }
  const ends = new Map<number, string>()
  const group = new ConsumerGroup({
    name: 'cg',
    timeoutSeconds: TIMEOUT,
    order: options.order ?? false,
    now: () => clock.now,
    readonlyEnd: (shard) => ends.get(shard),
    shards: options.shards ?? shardsUpTo(4),
  })
  return {
    group,
    pass: (seconds: number) => {
      clock.now += seconds * 1000
    },
    seal: (shard: number, end: string) => {
      ends.set(shard, end)
      group.sealShard(shard)
    },
    stateOf: (shard: number): AllocationState | undefined =>
      group.allocations().find((each) => each.shard === shard)?.state,
    holderOf: (shard: number) => group.allocations().find((each) => each.shard === shard)?.holder,
    nextOf: (shard: number) => group.allocations().find((each) => each.shard === shard)?.next,
  }
}

function shardsUpTo(count: number): NewShard[] {
  return Array.from({ length: count }, (_, id) => ({ id }))
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'ok'
}

describe('joining and time-outs', () => {
  test('the first consumer gets every shard', () => {
    const { group } = scene()
    expect(group.heartbeat('a', [])).toEqual([0, 1, 2, 3])
  })

  test('a consumer may be silent for exactly the timeout; a moment later its shards go to the others', () => {
    const { group, pass } = scene()
    group.heartbeat('a', [])
    pass(TIMEOUT)
    expect(group.heartbeat('a', [0, 1, 2, 3])).toEqual([0, 1, 2, 3])
    pass(TIMEOUT + 0.001)
    expect(group.heartbeat('b', [])).toEqual([0, 1, 2, 3])
    expect(group.consumers().map(({ name }) => name)).toEqual(['b'])
  })

  test('an unknown consumer that reports shards is refused, until it reports none', () => {
    const { group, pass } = scene()
    expect(codeOf(() => group.heartbeat('a', [0]))).toBe('NotExistConsumerWithBody')
    group.heartbeat('a', [])
    pass(TIMEOUT + 1)
    expect(codeOf(() => group.heartbeat('a', [0, 1]))).toBe('NotExistConsumerWithBody')
    expect(group.heartbeat('a', [])).toEqual([0, 1, 2, 3])
  })

  test('with more consumers than shards some hold none', () => {
    const { group } = scene({ shards: shardsUpTo(1) })
    expect(group.heartbeat('a', [])).toEqual([0])
    expect(group.heartbeat('b', [])).toEqual([])
  })
})

describe('transfer', () => {
  test('a shard leaves its holder’s answer at once, and reaches the next consumer when it is no longer reported', () => {
    const { group, stateOf, nextOf } = scene()
    group.heartbeat('a', [])
    expect(group.heartbeat('b', [])).toEqual([])
    const kept = group.heartbeat('a', [0, 1, 2, 3])
    expect(kept).toHaveLength(2)
    const leaving = [0, 1, 2, 3].filter((shard) => !kept.includes(shard))
    expect(leaving.map(stateOf)).toEqual(['T', 'T'])
    expect(leaving.map(nextOf)).toEqual(['b', 'b'])
    expect(group.heartbeat('b', [])).toEqual([])
    const [first = -1, second = -1] = leaving
    group.heartbeat('a', [...kept, second])
    expect(group.heartbeat('b', [])).toEqual([first])
    group.heartbeat('a', kept)
    expect(group.heartbeat('b', [first])).toEqual(leaving)
  })

  test('when the next consumer dies the shard goes back to its holder', () => {
    const { group, pass } = scene()
    group.heartbeat('a', [])
    group.heartbeat('b', [])
    pass(TIMEOUT - 1)
    expect(group.heartbeat('a', [0, 1, 2, 3])).toHaveLength(2)
    pass(2)
    expect(group.heartbeat('a', [0, 1, 2, 3])).toEqual([0, 1, 2, 3])
  })

  test('when the holder dies the shard is given out at once', () => {
    const { group, pass } = scene()
    group.heartbeat('a', [])
    pass(TIMEOUT - 1)
    group.heartbeat('b', [])
    pass(2)
    expect(group.heartbeat('b', [])).toEqual([0, 1, 2, 3])
  })

  test('the holder of a shard on its way may still commit, the next consumer may not', () => {
    const { group } = scene()
    group.heartbeat('a', [])
    group.heartbeat('b', [])
    const kept = group.heartbeat('a', [0, 1, 2, 3])
    const leaving = [0, 1, 2, 3].find((shard) => !kept.includes(shard)) ?? -1
    const commit = (consumer: string) => () => group.commit({ shard: leaving, checkpoint: C1, consumer, force: false })
    expect(codeOf(commit('b'))).toBe('ConsumerNotMatch')
    expect(codeOf(commit('a'))).toBe('ok')
    group.heartbeat('a', kept)
    expect(codeOf(commit('a'))).toBe('ConsumerNotMatch')
    expect(codeOf(commit('b'))).toBe('ok')
  })
})

describe('checkpoints', () => {
  test('there is an entry for every shard, and none for an unknown one', () => {
    const { group } = scene({ shards: shardsUpTo(2) })
    const none = { checkpoint: '', updateTime: 0, consumer: '' }
    expect(group.checkpoints()).toEqual([
      { shard: 0, ...none },
      { shard: 1, ...none },
    ])
    expect(group.checkpoints(1)).toEqual([{ shard: 1, ...none }])
    expect(group.checkpoints(9)).toEqual([])
  })

  test('a commit is remembered with its consumer and its time in microseconds', () => {
    const { group } = scene()
    group.heartbeat('a', [])
    group.commit({ shard: 2, checkpoint: C1, consumer: 'a', force: false })
    expect(group.checkpoints(2)).toEqual([
      { shard: 2, checkpoint: C1, updateTime: 1_700_000_000_000_000, consumer: 'a' },
    ])
  })

  test('without force only a live holder may commit; with force every consumer may', () => {
    const { group, pass } = scene()
    const commit = (consumer: string | undefined, force: boolean) => () =>
      group.commit({ shard: 0, checkpoint: C1, force, ...(consumer !== undefined && { consumer }) })
    expect(codeOf(commit('a', false))).toBe('ConsumerNotExist')
    expect(codeOf(commit(undefined, false))).toBe('ConsumerNotExist')
    expect(codeOf(commit(undefined, true))).toBe('ok')
    group.heartbeat('a', [])
    expect(codeOf(commit('a', false))).toBe('ok')
    pass(TIMEOUT + 1)
    expect(codeOf(commit('a', false))).toBe('ConsumerNotExist')
    expect(codeOf(commit('zombie', true))).toBe('ok')
  })

  test('a checkpoint that is not base64 is refused, and so is an unknown shard', () => {
    const { group } = scene()
    const commit = (shard: number, checkpoint: string) => () => group.commit({ shard, checkpoint, force: true })
    for (const bad of ['', 'not base64!', 'MTA', '=MTA']) expect(codeOf(commit(0, bad))).toBe('InvalidShardCheckPoint')
    expect(codeOf(commit(9, C1))).toBe('ShardNotExist')
  })
})

describe('the end of a read-only shard', () => {
  test('a shard is over when its checkpoint reaches its end, and leaves the answers', () => {
    const { group, seal, stateOf } = scene()
    group.heartbeat('a', [])
    seal(0, C2)
    group.commit({ shard: 0, checkpoint: C1, consumer: 'a', force: false })
    expect(stateOf(0)).toBe('A')
    group.commit({ shard: 0, checkpoint: C2, consumer: 'a', force: false })
    expect(stateOf(0)).toBe('O')
    expect(group.heartbeat('a', [0, 1, 2, 3])).toEqual([1, 2, 3])
    expect(codeOf(() => group.commit({ shard: 0, checkpoint: C2, consumer: 'a', force: false }))).toBe(
      'ConsumerNotMatch',
    )
  })

  test('a checkpoint that was at the end before the shard was sealed counts too', () => {
    const { group, seal, stateOf } = scene()
    group.heartbeat('a', [])
    group.commit({ shard: 0, checkpoint: C2, consumer: 'a', force: false })
    expect(stateOf(0)).toBe('A')
    seal(0, C2)
    expect(group.heartbeat('a', [0, 1, 2, 3])).toEqual([1, 2, 3])
  })

  test('an empty read-only shard is over when a consumer commits its end', () => {
    const { group, seal, stateOf } = scene()
    group.heartbeat('a', [])
    seal(0, C1)
    group.heartbeat('a', [0, 1, 2, 3])
    expect(stateOf(0)).toBe('A')
  })

  test('a checkpoint set back by force opens the shard again', () => {
    const { group, seal, stateOf } = scene({ shards: shardsUpTo(1) })
    group.heartbeat('a', [])
    seal(0, C2)
    group.commit({ shard: 0, checkpoint: C2, force: true })
    expect(stateOf(0)).toBe('O')
    group.commit({ shard: 0, checkpoint: C1, force: true })
    expect(group.heartbeat('a', [])).toEqual([0])
    group.commit({ shard: 0, checkpoint: C2, consumer: 'a', force: false })
    expect(stateOf(0)).toBe('O')
  })
})

describe('ordered groups', () => {
  const FAMILY: NewShard[] = [{ id: 0 }, { id: 1, parents: [0] }, { id: 2, parents: [0] }, { id: 3, parents: [1, 2] }]

  test('children wait until all their ancestors are over', () => {
    const { group, seal, stateOf } = scene({ shards: FAMILY, order: true })
    for (const shard of [0, 1, 2]) seal(shard, C2)
    expect(group.heartbeat('a', [])).toEqual([0])
    expect([1, 2, 3].map(stateOf)).toEqual(['W', 'W', 'W'])
    group.commit({ shard: 0, checkpoint: C2, consumer: 'a', force: false })
    expect(group.heartbeat('a', [])).toEqual([1, 2])
    group.commit({ shard: 1, checkpoint: C2, consumer: 'a', force: false })
    expect(group.heartbeat('a', [2])).toEqual([2])
    group.commit({ shard: 2, checkpoint: C2, consumer: 'a', force: false })
    expect(group.heartbeat('a', [])).toEqual([3])
  })

  test('without order no shard waits, and switching order off releases the shards that do', () => {
    expect(scene({ shards: FAMILY }).group.heartbeat('a', [])).toEqual([0, 1, 2, 3])
    const { group, seal } = scene({ shards: FAMILY, order: true })
    for (const shard of [0, 1, 2]) seal(shard, C2)
    group.heartbeat('a', [])
    group.update({ order: false })
    expect(group.heartbeat('a', [0])).toEqual([0, 1, 2, 3])
  })

  test('switched on, it concerns only shards that come later', () => {
    const { group, seal } = scene({ shards: FAMILY.slice(0, 2) })
    seal(0, C2)
    group.update({ order: true })
    expect(group.heartbeat('a', [])).toEqual([0, 1])
    group.addShards([{ id: 7, parents: [0] }])
    expect(group.heartbeat('a', [0, 1])).toEqual([0, 1])
    group.commit({ shard: 0, checkpoint: C2, consumer: 'a', force: false })
    expect(group.heartbeat('a', [1])).toEqual([1, 7])
  })

  test('all ancestors count, not only the parents', () => {
    const { group, seal, stateOf } = scene({ shards: FAMILY.slice(0, 2), order: true })
    for (const shard of [0, 1]) seal(shard, C2)
    for (const shard of [0, 1]) group.commit({ shard, checkpoint: C2, force: true })
    group.commit({ shard: 0, checkpoint: C1, force: true })
    group.addShards([{ id: 9, parents: [1] }])
    expect([0, 1, 9].map(stateOf)).toEqual(['N', 'O', 'W'])
  })

  test('a shard that waits is not over until its ancestors are, even with its checkpoint at the end', () => {
    const { group, seal, stateOf } = scene({ shards: FAMILY, order: true })
    for (const shard of [0, 1, 2]) seal(shard, C2)
    group.commit({ shard: 1, checkpoint: C2, force: true })
    expect(stateOf(1)).toBe('W')
    group.commit({ shard: 0, checkpoint: C2, force: true })
    expect([0, 1, 2, 3].map(stateOf)).toEqual(['O', 'O', 'N', 'W'])
  })

  test('a parent that was deleted does not delay its children', () => {
    const { group, seal } = scene({ shards: FAMILY.slice(0, 2), order: true })
    seal(0, C2)
    group.heartbeat('a', [])
    group.removeShard(0)
    expect(group.heartbeat('a', [])).toEqual([1])
  })
})

test('a shorter timeout applies at once', () => {
  const { group, pass } = scene()
  group.heartbeat('a', [])
  group.update({ timeoutSeconds: 5 })
  pass(6)
  expect(group.consumers()).toEqual([])
})

test('ten thousand shards and a thousand consumers stay balanced at a small price', () => {
  const { group, pass } = scene({ shards: shardsUpTo(10_000) })
  const names = Array.from({ length: 1000 }, (_, index) => `c${index}`)
  const held = new Map<string, number[]>(names.map((name) => [name, []]))
  const started = performance.now()
  for (let round = 0; round < 3; round++) {
    for (const name of names) held.set(name, group.heartbeat(name, held.get(name) ?? []))
    pass(20)
  }
  // 3000 heartbeats; a state machine that looks at every shard each time needs minutes.
  expect(performance.now() - started).toBeLessThan(5000)
  expect(new Set([...held.values()].map(({ length }) => length))).toEqual(new Set([10]))
})

describe('in any order of events', () => {
  type Event = { kind: 'beat' | 'drain' | 'die' | 'split' | 'end' | 'pass'; consumer: number; pick: number }
  const events = fc.array(
    fc.record<Event>({
      kind: fc.constantFrom('beat', 'beat', 'beat', 'drain', 'die', 'split', 'end', 'pass'),
      consumer: fc.nat(4),
      pick: fc.nat(50),
    }),
    { maxLength: 150, size: 'max' },
  )

  /** Five clients that obey the protocol, over a group in which shards split, end, and clients fall silent. */
  function play(script: readonly Event[]): void {
    const { group, pass, seal } = scene({ shards: shardsUpTo(3) })
    const clients = Array.from({ length: 5 }, (_, index) => ({ name: `c${index}`, working: new Set<number>(), age: 0 }))
    const open = [0, 1, 2]
    let nextShard = 3
    for (const { kind, consumer, pick } of script) {
      const client = clients[consumer] as (typeof clients)[number]
      if (kind === 'beat') beat(client)
      else if (kind === 'drain') client.working.delete([...client.working].at(pick % (client.working.size || 1)) ?? -1)
      else if (kind === 'die') client.working.clear()
      else if (kind === 'split') {
        const parent = open.splice(pick % open.length, 1)[0] as number
        seal(parent, C2)
        group.addShards([nextShard, nextShard + 1].map((id) => ({ id, parents: [parent] })))
        open.push(nextShard++, nextShard++)
      } else if (kind === 'end') group.commit({ shard: pick % nextShard, checkpoint: C2, force: true })
      else {
        pass(25)
        for (const each of clients) each.age += 25
        // A client whose lease may have ended stops by its own clock.
        for (const each of clients) if (each.age >= TIMEOUT) each.working.clear()
      }
      check()
    }

    function beat(client: (typeof clients)[number]): void {
      try {
        const answer = group.heartbeat(client.name, [...client.working])
        for (const shard of answer) client.working.add(shard)
        client.age = 0
      } catch (error) {
        expect((error as { code: string }).code).toBe('NotExistConsumerWithBody')
        client.working.clear()
      }
    }

    function check(): void {
      const loads = group.consumers().map(({ shards }) => shards)
      if (loads.length > 0) expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
      const allocations = group.allocations()
      for (const { state, holder, next } of allocations) {
        expect(state === 'N' && loads.length > 0).toBe(false)
        expect([holder !== undefined, next !== undefined]).toEqual([state === 'A' || state === 'T', state === 'T'])
      }
      const worked = clients.flatMap(({ working }) => [...working]).filter((id) => !isOver(id))
      expect(new Set(worked).size).toBe(worked.length)

      function isOver(id: number): boolean {
        return allocations.find(({ shard }) => shard === id)?.state === 'O'
      }
    }
  }

  test('live consumers differ by at most one shard, none is left over, and no shard is worked on twice', () => {
    fc.assert(fc.property(events, play), { numRuns: 500, interruptAfterTimeLimit: 1500, markInterruptAsFailure: false })
  })
})
