import { describe, expect, test } from 'vitest'
import { MixedGroup, OFFICIAL } from './mixed-group.ts'

describe.runIf(OFFICIAL.length > 0)('a member that is frozen for longer than the timeout of the group', () => {
  test(`the bridge, with ${OFFICIAL.join(', ')}: it delivers and commits nothing more of its lost shards, and rejoins`, async () => {
    const group = await MixedGroup.start()
    group.logs.write()
    const [ours] = await Promise.all([group.joinBridge('bridge'), ...OFFICIAL.map((kind) => group.join(kind, kind))])
    await group.balanced('bridge', ...OFFICIAL)

    // Its pulled logs wait for a busy SIEM, so retries are due when it resumes.
    const [busy] = ours.hec.faults.add({ match: { endpoint: 'event' }, times: 0, action: { code: 9 } })
    const refused = () => ours.hec.faults.list().find(({ id }) => id === busy)?.fired ?? 0
    const held = group.heldBy('bridge')
    await group.eventually(() => refused() >= 2 * held.length, 'refused deliveries')
    ours.process.child.kill('SIGSTOP')
    const delivered = group.consumption.all.length
    const checkpoints = new Map(held.map((shard) => [shard, group.checkpoint(shard)]))
    ours.hec.faults.remove(busy)
    await group.balanced(...OFFICIAL)

    ours.process.child.kill('SIGCONT')
    await ours.process.line(/^lost shard/)
    await group.balanced('bridge', ...OFFICIAL)
    await group.finish()

    expect(group.trespasses.filter(({ what }) => what !== 'pull')).toEqual([])
    // Only events that were delivered but not committed at the freeze may arrive twice: from it, then from the new holders.
    const stored = group.logs.stored()
    for (const [id, by] of group.consumption.repeated()) {
      const { shard, position } = stored.get(id) as { shard: number; position: number }
      const [first, ...others] = by.map(({ consumer }) => consumer)
      expect(first, id).toBe('bridge')
      expect(others.length, id).toBe(1)
      expect(others, id).not.toContain('bridge')
      expect(
        group.consumption.all.findIndex((each) => each.id === id),
        id,
      ).toBeLessThan(delivered)
      expect(position, id).toBeGreaterThanOrEqual(checkpoints.get(shard) as number)
    }
  })

  test(`${OFFICIAL.join(', ')}, with the bridge: no log is lost, and the bridge repairs checkpoints that the workers move back`, async () => {
    const group = await MixedGroup.start()
    group.logs.write()
    const [ours, ...theirs] = await Promise.all([
      group.joinBridge('bridge'),
      ...OFFICIAL.map((kind) => group.join(kind, kind)),
    ])
    await group.balanced('bridge', ...OFFICIAL)

    // Each freezes while its commits are held back. The group reads to the end without it.
    const slow = theirs.map(({ line }) => line.holdRequests(({ api }) => api === 'commit'))
    await group.eventually(() => slow.every(({ kept }) => kept.length > 0), 'commits on their way')
    for (const { process } of theirs) process.child.kill('SIGSTOP')
    await group.balanced('bridge')
    await group.finish()
    await group.caughtUp()

    // Now the commits arrive. The service accepts the forced ones. No new log arrives whose commit could hide that.
    const before = theirs.map(({ line }) => line.commits.length)
    for (const hold of slow) hold.release()
    const late = () => theirs.map(({ line }, index) => line.commits.slice(before[index]))
    await group.eventually(
      () => late().every((commits, index) => commits.length === slow[index]?.kept.length),
      'answers',
    )
    for (const [index, kind] of OFFICIAL.entries()) {
      for (const { shard, checkpoint, force, status } of late()[index] ?? []) {
        expect({ force, status }, kind).toEqual(
          kind === 'java' ? { force: false, status: 404 } : { force: true, status: 200 },
        )
        expect(group.logstore.shard(shard).find(checkpoint), kind).toBeLessThan(group.logstore.shard(shard).end)
      }
    }
    const rewound = late()
      .flat()
      .filter(({ force }) => force)
      .map(({ shard }) => shard)
    const noticed = () =>
      ours.process.lines.filter(({ msg }) => msg.startsWith('checkpoint overwritten')).map(({ shard }) => shard)
    await group.eventually(() => rewound.every((shard) => noticed().includes(shard)), `notice of ${rewound.join(', ')}`)
    await group.caughtUp()
    expect(noticed().sort()).toEqual(rewound.sort())
    const counted = /^sls_bridge_checkpoint_commits_total\{[^}]*result="foreign"[^}]*\} (\d+)$/m
    expect(Number(counted.exec(await ours.process.metrics())?.[1] ?? 0)).toBe(rewound.length)

    // They resume and continue with shards they no longer hold, until their next heartbeat.
    group.logs.write()
    for (const { process } of theirs) process.child.kill('SIGCONT')
    await group.balanced('bridge', ...OFFICIAL)
    await group.finish()
    await group.caughtUp()
    expect(group.trespasses.filter(({ consumer }) => consumer === 'bridge')).toEqual([])
    for (const [id, by] of group.consumption.repeated()) {
      expect(by.filter(({ consumer }) => consumer === 'bridge').length, id).toBeLessThanOrEqual(1)
    }
    console.log(
      `${group.logs.written} logs, ${group.consumption.repeated().length} repeated, ${rewound.length} checkpoints taken back`,
    )
  })
})
