import { describe, expect, test } from 'vitest'
import { MixedGroup, OFFICIAL } from './mixed-group.ts'

const MEMBERS = ['bridge', ...OFFICIAL]

describe.runIf(OFFICIAL.length > 0).for([false, true])('splits and merges under load (in order: %s)', (inOrder) => {
  test(`the bridge, ${OFFICIAL.join(', ')}: nothing is lost or repeated, and every member gets new shards`, async () => {
    const group = await MixedGroup.start({ inOrder })
    group.logs.write()
    const [replica, ...officials] = await Promise.all([
      group.joinBridge('bridge'),
      ...OFFICIAL.map((kind) => group.join(kind, kind)),
    ])
    await group.balanced(...MEMBERS)

    // Some shards cannot be finished for a while: the bridge's wait for the SIEM, and one shard of each other member is unread.
    const old = group.shards().map(({ shard }) => shard)
    const undelivered = group.heldBy('bridge')
    const unread = OFFICIAL.map((kind) => group.heldBy(kind)[0] as number)
    const kept = [...undelivered, ...unread]
    replica.hec.stall()
    const holds = [replica, ...officials].map(({ line }) =>
      line.holdRequests((call) => call.api === 'pull' && unread.includes(call.shard)),
    )
    const pulls = () => holds.flatMap((hold) => hold.kept.map((call) => call.api === 'pull' && call.shard))
    await group.eventually(() => unread.every((shard) => pulls().includes(shard)), 'pulls to keep back')
    await group.writtenTo(kept)
    for (const shard of old.slice(0, 6)) group.logstore.split(shard)
    for (const shard of [6, 8, 10]) group.logstore.merge(shard)
    const waiting = [...group.parents()].flatMap(([child, of]) =>
      of.some((each) => kept.includes(each)) ? [child] : [],
    )
    const tooEarly = () => group.consumption.all.some(({ shard }) => waiting.includes(shard))
    if (inOrder) await group.beats(3)
    else await group.eventually(tooEarly, 'log of a shard whose parent is not at its end')
    expect(tooEarly()).toBe(!inOrder)
    replica.hec.resume()
    for (const hold of holds) hold.release()
    await group.over(old)
    await group.balanced(...MEMBERS)

    // The same for their children, with nothing held back.
    const merged = [12, 14, 16].map((shard) => group.logstore.merge(shard))
    await group.over([...old, ...merged.flatMap(([, ...parents]) => parents.map(({ id }) => id))])
    await group.balanced(...MEMBERS)

    await group.finish()
    await group.caughtUp()
    // A shard that ends is not a lost shard.
    expect(replica.process.lines.filter(({ msg }) => msg.startsWith('lost shard'))).toEqual([])
    expect(group.trespasses).toEqual([])
    expect(group.misplaced()).toEqual([])
    expect(group.consumption.repeated()).toEqual([])
    const early = group.consumption.aheadOfAncestors(group.parents())
    // Without `inOrder`, the same check finds no order.
    expect(early.length > 0, early.join()).toBe(!inOrder)
    for (const member of MEMBERS) {
      const shards = group.consumption.all.flatMap(({ consumer, shard }) => (consumer === member ? [shard] : []))
      expect(Math.max(...shards), member).toBeGreaterThanOrEqual(old.length)
    }
  })
})
