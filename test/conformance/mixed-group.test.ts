import { expect, test } from 'vitest'
import { MixedGroup, OFFICIAL } from './mixed-group.ts'

test.runIf(OFFICIAL.length > 0)(`one consumer group of the bridge with ${OFFICIAL.join(', ')}`, async () => {
  const group = await MixedGroup.start()
  group.logs.write()
  await Promise.all([group.joinBridge('bridge'), ...OFFICIAL.map((kind) => group.join(kind, kind))])
  await group.balanced('bridge', ...OFFICIAL)

  // Shards move from the bridge to the others, and back.
  expect((await group.leave('bridge', 'SIGTERM'))?.code).toBe(0)
  await group.balanced(...OFFICIAL)
  const { hec } = await group.joinBridge('bridge-2')
  await group.balanced('bridge-2', ...OFFICIAL)

  // Shards move from each official worker to the other members, and back.
  let live: string[] = [...OFFICIAL]
  for (const kind of OFFICIAL) {
    expect((await group.leave(kind, 'SIGTERM'))?.code).toBe(0)
    live = live.filter((each) => each !== kind)
    await group.balanced('bridge-2', ...live)
    const slowly = kind === OFFICIAL[0]
    if (slowly) hec.stall()
    await group.join(kind, `${kind}-2`)
    if (slowly) {
      // The bridge keeps a shard that it must release until all of it is delivered, however slow its SIEM is.
      await group.eventually(() => group.isLeaving('bridge-2'), 'shard to be given up')
      await group.beats(2)
      hec.resume()
    }
    live.push(`${kind}-2`)
    await group.balanced('bridge-2', ...live)
  }
  expect(group.trespasses).toEqual([])
  expect(group.consumption.repeated()).toEqual([])

  // The workers are killed one after the other until the bridge has every shard; then the bridge is killed.
  const killed = ['bridge-2', ...live]
  for (const victim of [...live]) {
    await group.leave(victim, 'SIGKILL')
    live = live.filter((each) => each !== victim)
    await group.balanced('bridge-2', ...live)
  }
  const [heir] = OFFICIAL
  if (heir) {
    await group.join(heir, 'heir')
    await group.balanced('bridge-2', 'heir')
    await group.leave('bridge-2', 'SIGKILL')
    await group.balanced('heir')
  }

  await group.finish()
  expect(group.trespasses).toEqual([])
  expect(group.misplaced()).toEqual([])
  const repeated = group.consumption.repeated()
  for (const [id, by] of repeated) expect(killed, `${id} by ${JSON.stringify(by)}`).toContain(by[0]?.consumer)
  console.log(`${group.logs.written} logs, ${repeated.length} repeated after ${killed.length} SIGKILL`)
})
