import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { CheckpointCommitter } from '../../../src/consumer/checkpoint-committer.ts'
import { ShardLease } from '../../../src/consumer/lease.ts'
import { failure, raw, silence } from '../sls/scripted-server.ts'
import { CONSUMER, GROUP, lostAnswer, SlsDouble } from './sls-double.ts'

const COMMIT = 'ConsumerGroupUpdateCheckPoint'

/** A shard with ten log groups, held by us, and its committer; `committed` is a position. */
async function committing({ committed }: { committed?: number } = {}) {
  const sls = await SlsDouble.start()
  sls.join()
  sls.write(10)
  const { clock, telemetry } = sls
  let renewedUntil = 60_000
  const lease = new ShardLease(sls.shard(), () => renewedUntil, clock.monotonic)
  onTestFinished(() => lease.lose('the test is over'))
  const checkpoint = committed === undefined ? '' : sls.cursor(committed)
  if (checkpoint !== '') sls.logstore.group(GROUP).commit({ shard: 0, checkpoint, force: true })
  const options = { lease, membership: sls.membership(), committed: checkpoint, clock, telemetry }
  const committer = new CheckpointCommitter(options)
  return {
    ...{ sls, clock, lease, committer },
    commit: (position: number, flags?: { evenIfUnchanged: boolean }) => committer.commit(sls.cursor(position), flags),
    /** The result of reading the group's checkpoints now. */
    seen: () => {
      const [entry] = sls.logstore.group(GROUP).checkpoints(0)
      return { checkpoint: entry?.checkpoint ?? '', consumer: entry?.consumer ?? '' }
    },
    overwrite: (position: number, consumer: string) =>
      sls.logstore.group(GROUP).commit({ shard: 0, checkpoint: sls.cursor(position), consumer, force: true }),
    expireLease: () => {
      renewedUntil = 0
    },
    foreign: () => sls.recorder.of('checkpointForeign').map(({ args }) => args[1]),
  }
}

describe('a commit', () => {
  test('is made without force and in our name', async () => {
    const { sls, commit } = await committing()
    expect(await commit(3)).toBe(true)
    expect(sls.emulator.commits).toMatchObject([{ shard: 0, consumer: CONSUMER, force: false }])
    expect(sls.checkpoint()).toBe(3)
    expect(sls.recorder.of('checkpointCommitted').map(({ args }) => args)).toEqual([[sls.shard(), sls.cursor(3)]])
  })

  test('of the cursor that the service already has is sent only when asked for', async () => {
    const { sls, commit } = await committing({ committed: 3 })
    expect(await commit(3)).toBe(true)
    expect(sls.of(COMMIT).length).toBe(0)
    expect(await commit(3, { evenIfUnchanged: true })).toBe(true)
    expect(await commit(4)).toBe(true)
    expect(await commit(4)).toBe(true)
    expect(sls.of(COMMIT).length).toBe(2)
  })

  test('that is slow is never overtaken by a later one', async () => {
    const { sls, clock, commit } = await committing()
    const slow = sls.hold(COMMIT)
    const both = Promise.all([commit(3), commit(5)])
    await clock.settle()
    expect(sls.of(COMMIT).length).toBe(1)
    await slow.release()
    expect(await both).toEqual([true, true])
    expect(sls.commits()).toEqual([3, 5])
  })

  test('that fails does not block later ones', async () => {
    const { sls, commit } = await committing()
    sls.script(COMMIT, failure(500, 'InternalServerError'))
    expect(await Promise.all([commit(3), commit(5)])).toEqual([false, true])
    expect(sls.commits()).toEqual([5])
  })

  test('that hangs is given up in time for another within the grace of a shutdown', async () => {
    const { sls, commit } = await committing()
    await commit(1)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const hanging = sls.hold(COMMIT)
    const commits = Promise.all([commit(3), commit(5)])
    await hanging.arrived
    vi.advanceTimersByTime(5_000)
    expect(await commits).toEqual([false, true])
    expect(sls.checkpoint()).toBe(5)
    expect(sls.recorder.of('checkpointFailed').map(({ args }) => args[1])).toMatchObject([{ code: 'timeout' }])
  })
})

describe('a commit and the lease', () => {
  test('nothing is sent once the lease is over by the clock', async () => {
    const { sls, clock, commit, lease } = await committing()
    clock.freeze(60_000)
    await expect(commit(3)).rejects.toMatchObject({ kind: 'lease' })
    expect(lease.signal.aborted).toBe(true)
    expect(sls.of(COMMIT).length).toBe(0)
  })

  test('a commit that waited behind a slow one checks the lease when its turn comes', async () => {
    const { sls, clock, commit, expireLease } = await committing()
    const slow = sls.hold(COMMIT)
    const first = commit(3)
    const second = commit(5)
    await clock.settle()
    expireLease()
    await slow.release()
    expect(await first).toBe(true)
    await expect(second).rejects.toMatchObject({ kind: 'lease' })
    expect(sls.commits()).toEqual([3])
  })

  test('a commit under way is aborted when the lease is lost', async () => {
    const { sls, clock, commit, lease } = await committing()
    sls.script(COMMIT, silence)
    const rejected = expect(commit(3)).rejects.toMatchObject({ kind: 'lease', message: expect.stringMatching(/gone/) })
    await clock.settle()
    lease.lose('gone')
    await rejected
    expect(sls.recorder.of('checkpointFailed')).toEqual([])
  })
})

describe('a commit that is refused', () => {
  test.for(['InternalServerError', 'ServerBusy', 'ReadQuotaExceed'])(
    'for a while (%s) is reported and made again later',
    async (code) => {
      const { sls, commit, lease } = await committing()
      sls.script(COMMIT, failure(503, code))
      expect(await commit(3)).toBe(false)
      expect(sls.recorder.of('checkpointFailed').map(({ args }) => args)).toMatchObject([[sls.shard(), { code }]])
      expect(lease.signal.aborted).toBe(false)
      expect(await commit(3)).toBe(true)
      expect(sls.commits()).toEqual([3])
    },
  )

  test.for(['ConsumerNotExist', 'ConsumerNotMatch', 'ConsumerNotExsit'])(
    'because another consumer holds the shard (%s) ends the lease',
    async (code) => {
      const { sls, commit, lease } = await committing()
      sls.script(COMMIT, failure(400, code))
      await expect(commit(3)).rejects.toMatchObject({ kind: 'lease', message: expect.stringContaining(code) })
      expect(lease.signal.aborted).toBe(true)
    },
  )

  test('because the shard is gone ends the lease', async () => {
    const { sls, commit, lease } = await committing()
    sls.script(COMMIT, failure(404, 'ShardNotExist'))
    await expect(commit(3)).rejects.toMatchObject({ kind: 'lease' })
    expect(lease.signal.aborted).toBe(true)
  })

  test('as not ours, although the service already has it, does not end the lease: no consumer holds a closed shard', async () => {
    const { sls, commit, lease } = await committing({ committed: 3 })
    sls.script(COMMIT, failure(400, 'ConsumerNotMatch'))
    expect(await commit(3, { evenIfUnchanged: true })).toBe(true)
    expect(lease.signal.aborted).toBe(false)
    expect(sls.recorder.of('checkpointFailed')).toEqual([])
  })

  test('for a configuration fault pauses, keeps the lease, and resumes by itself', async () => {
    const { sls, commit, lease } = await committing()
    sls.script(COMMIT, failure(401, 'Unauthorized'))
    expect(await commit(3)).toBe(false)
    const key = { reason: 'sls_configuration', scope: { of: 'checkpoint', shard: sls.shard() } }
    expect(sls.recorder.of('paused').map(({ args }) => args)).toMatchObject([[key, { code: 'Unauthorized' }]])
    expect(lease.signal.aborted).toBe(false)
    expect(await commit(3)).toBe(true)
    expect(sls.recorder.of('resumed').map(({ args }) => args)).toEqual([[key]])
  })

  test('by a proxy’s page with status 200 does not count as made', async () => {
    const { sls, commit } = await committing()
    sls.script(COMMIT, raw('<html>Log in</html>'))
    expect(await commit(3)).toBe(false)
  })
})

describe('reading the checkpoint back', () => {
  test('finds what was committed', async () => {
    const { committer, commit, seen, foreign } = await committing()
    await commit(3)
    expect(committer.verify(seen(), committer.changes)).toBe(true)
    expect(foreign()).toEqual([])
  })

  test('finds a foreign checkpoint, reports its consumer, and the next commit repairs it', async () => {
    const { sls, committer, commit, seen, overwrite, foreign } = await committing()
    await commit(7)
    overwrite(2, 'zombie')
    expect(committer.verify(seen(), committer.changes)).toBe(false)
    expect(foreign()).toEqual([{ seen: sls.cursor(2), expected: sls.cursor(7), consumer: 'zombie', sameName: false }])
    expect(committer.verify(seen(), committer.changes)).toBe(true)
    expect(await commit(7)).toBe(true)
    expect(sls.checkpoint()).toBe(7)
  })

  test('notices another process with our consumer name', async () => {
    const { committer, commit, seen, overwrite, foreign } = await committing()
    await commit(7)
    overwrite(2, CONSUMER)
    expect(committer.verify(seen(), committer.changes)).toBe(false)
    expect(foreign()).toMatchObject([{ sameName: true }])
  })

  test('does not take our own commit, made meanwhile, for a foreign one', async () => {
    const { committer, commit, seen, foreign } = await committing()
    await commit(3)
    const before = committer.changes
    const readEarly = seen()
    await commit(5)
    expect(committer.verify(readEarly, before)).toBe(true)
    expect(foreign()).toEqual([])
  })

  test('does not take our own commit, still under way, for a foreign one', async () => {
    const { sls, clock, committer, commit, seen, foreign } = await committing({ committed: 3 })
    const slow = sls.hold(COMMIT, 'answering')
    const before = committer.changes
    const committed = commit(5)
    await clock.settle()
    expect(committer.verify(seen(), before)).toBe(true)
    expect(committer.verify(seen(), committer.changes)).toBe(true)
    await slow.release()
    expect(await committed).toBe(true)
    expect(foreign()).toEqual([])
  })

  test('accepts a commit of ours whose answer was lost', async () => {
    const { sls, committer, commit, seen, foreign } = await committing({ committed: 1 })
    sls.script(COMMIT, lostAnswer)
    expect(await commit(3)).toBe(false)
    expect(committer.verify(seen(), committer.changes)).toBe(true)
    expect(await commit(3)).toBe(true)
    expect(sls.commits()).toEqual([3])
    expect(foreign()).toEqual([])
  })

  test('accepts a commit of ours whose answer was lost, also when the next one failed', async () => {
    const { sls, committer, commit, seen, foreign } = await committing({ committed: 1 })
    sls.script(COMMIT, lostAnswer, failure(500, 'InternalServerError'))
    expect(await commit(3)).toBe(false)
    expect(await commit(5)).toBe(false)
    expect(committer.verify(seen(), committer.changes)).toBe(true)
    expect(foreign()).toEqual([])
    expect(await commit(5)).toBe(true)
    expect(sls.checkpoint()).toBe(5)
  })

  test('finds an earlier commit of ours that arrived after a later one, and the later one is made again', async () => {
    const { sls, committer, commit, seen, foreign } = await committing({ committed: 1 })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const late = sls.hold(COMMIT)
    const commits = Promise.all([commit(3), commit(5)])
    await late.arrived
    vi.advanceTimersByTime(5_000)
    expect(await commits).toEqual([false, true])
    await late.release()
    expect(sls.checkpoint()).toBe(3)
    expect(committer.verify(seen(), committer.changes)).toBe(true)
    expect(foreign()).toEqual([])
    expect(await commit(5)).toBe(true)
    expect(sls.checkpoint()).toBe(5)
  })

  test('finds that the group was deleted and created again, and the next commit writes the checkpoint', async () => {
    const { sls, committer, commit, foreign } = await committing({ committed: 1 })
    await commit(3)
    expect(committer.verify({ checkpoint: '', consumer: '' }, committer.changes)).toBe(true)
    expect(foreign()).toEqual([])
    expect(await commit(3)).toBe(true)
    expect(sls.commits()).toEqual([3, 3])
  })
})

describe('the age of a checkpoint', () => {
  test('counts from the moment the shard was taken, and from each commit made', async () => {
    const { sls, clock, committer, commit } = await committing()
    clock.freeze(4_000)
    expect(committer.ageSeconds).toBe(4)
    await commit(1)
    expect(committer.ageSeconds).toBe(0)
    clock.freeze(7_000)
    sls.script(COMMIT, failure(500, 'InternalServerError'))
    await commit(2)
    expect(committer.ageSeconds).toBe(7)
  })
})
