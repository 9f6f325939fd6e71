import { setTimeout as sleep } from 'node:timers/promises'
import type { Replica } from '../replica.ts'
import type { Strike } from '../world.ts'
import type { Fault } from './fault.ts'

/** A signal always arrives. */
const ONCE = { hits: () => 1, heal: () => {} }

/** Longer than a lease. */
const FROZEN_MS = [4_500, 6_500] as const

export const PROCESS_FAULTS: Fault[] = [
  {
    ...{ name: 'kill -9', may: ['lease ends'], lasts: [0, 500] },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      await world.injure({ fault: this.name, may: this.may, replica: claim.replica, forMs: 0 }, async () => {
        await claim.replica.end('SIGKILL')
        return ONCE
      })
      await sleep(forMs)
      claim.replica.start()
    },
  },
  {
    // Excuses nothing: a planned restart repeats no event.
    ...{ name: 'SIGTERM and a new start', may: [], lasts: [0, 500] },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      await world.injure({ fault: this.name, may: this.may, replica: claim.replica, forMs: 0 }, async () => {
        const exit = await claim.replica.end('SIGTERM')
        if (exit.code !== 0) world.notice('died', `${claim.replica.name}: ${exit.signal ?? exit.code} after SIGTERM`)
        return ONCE
      })
      await sleep(forMs)
      claim.replica.start()
    },
  },
  {
    ...{ name: 'SIGSTOP beyond the lease, then SIGCONT', may: ['lease ends', 'answers lost'], lasts: FROZEN_MS },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      await world.injure({ fault: this.name, may: this.may, replica: claim.replica, forMs }, () => {
        claim.replica.freeze()
        return { hits: () => 1, heal: () => claim.replica.thaw() }
      })
    },
  },
  {
    ...{ name: 'a pause of the process within the lease', may: ['answers lost'], lasts: [500, 1_500] },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      await world.injure({ fault: this.name, may: this.may, replica: claim.replica, forMs }, () => {
        claim.replica.freeze()
        return { hits: () => 1, heal: () => claim.replica.thaw() }
      })
    },
  },
  clockJump('the clock jumps five minutes ahead', 300),
  clockJump('the clock jumps five minutes back', -300),
  clockJump('the clock jumps two hours ahead', 7_200),
  clockJump('the clock jumps two hours back', -7_200),
  {
    ...{ name: 'memory pressure', may: ['lease ends', 'answers lost'], lasts: [1_500, 3_000] },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      const { replica: victim } = claim
      if (!victim.host.canSqueezeMemory) return
      // The kernel may end it: that is one more crash.
      victim.mayDie = true
      await world.injure({ fault: this.name, may: this.may, replica: victim, forMs }, () => orEnd(victim))
      await sleep(200)
      victim.mayDie = false
      if (!victim.running) victim.start()
    },
  },
  {
    ...{ name: 'the disk of the dead letter is full', may: [], lasts: [2_000, 4_000] },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      await world.injure({ fault: this.name, may: this.may, replica: claim.replica, forMs }, () => {
        const free = claim.replica.host.fillDisk()
        const hits = async (): Promise<number> => {
          await world.writePoison()
          return (await claim.replica.shows('sls_bridge_paused', 'reason="dead_letter"')) ? 1 : 0
        }
        return { hits, heal: free }
      })
    },
  },
]

/** An end by the kernel counts as met: its own count is gone with the process. */
function orEnd(replica: Replica): Strike {
  const { hits, heal } = replica.host.squeezeMemory()
  return { hits: async () => (replica.running ? await hits() : 1), heal }
}

function clockJump(name: string, seconds: number): Fault {
  const beyond = Math.abs(seconds) > 900
  return {
    ...{ name, may: beyond ? ['lease ends'] : [], lasts: beyond ? [3_000, 5_000] : [1_500, 3_000] },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      const { host } = claim.replica
      const skewed = (): number =>
        world.sls.requests().reduce((sum, { code, count }) => sum + (code === 'RequestTimeTooSkewed' ? count : 0), 0)
      await world.injure({ fault: name, may: this.may, replica: claim.replica, forMs, aheadMs: seconds * 1000 }, () => {
        const before = skewed()
        host.setClock(seconds)
        // No server refuses a small jump; it tests the timers.
        return { hits: () => (beyond ? skewed() - before : 1), heal: () => host.setClock(0) }
      })
      // Noticed within a second; until then requests are refused.
      await sleep(1_200)
    },
  }
}
