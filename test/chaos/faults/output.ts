import { closeSync, openSync } from 'node:fs'
import { polled } from '../../support/polled.ts'
import type { Replica } from '../replica.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

const LOOK_MS = 500
const START_MS = 30_000

/** The log of a replica cannot be written. Excuses nothing: it delivers, answers, and ends when it is asked to. */
export const OUTPUT_FAULTS: Fault[] = [
  {
    ...{ name: 'nobody reads the standard output', may: [], lasts: [2_000, 4_000], alsoMs: 4_000 },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      const { replica: victim } = claim
      await world.injure({ fault: this.name, may: this.may, replica: victim, forMs: 0 }, async () => {
        victim.output.stall()
        await answersAndEnds(world, victim, forMs)
        return { hits: () => 1, heal: () => victim.output.resume() }
      })
      victim.start()
    },
  },
  {
    ...{ name: 'the disk of the standard output is full', may: [], lasts: [2_000, 4_000], alsoMs: 4_000 },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      const { replica: victim } = claim
      await leaves(world, victim)
      await world.injure({ fault: this.name, may: this.may, replica: victim, forMs: 0 }, async () => {
        const output = openSync('/dev/full', 'w')
        victim.start({ output })
        closeSync(output)
        await polled(async () => !victim.running || (await victim.ask('/livez')) !== undefined, START_MS)
        await answersAndEnds(world, victim, forMs)
        return { hits: () => 1, heal: () => {} }
      })
      victim.start()
    },
  },
]

async function answersAndEnds(world: World, replica: Replica, forMs: number): Promise<void> {
  const until = performance.now() + forMs
  let silent = 0
  // A poisoned log makes it say something.
  await world.writePoison()
  while (performance.now() < until && replica.running) {
    const answer = await replica.ask('/livez')
    // Once may be the machine.
    silent = answer?.status === 200 ? 0 : silent + 1
    if (silent === 2) world.notice('hung', `${replica.name} does not answer /livez`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  await leaves(world, replica)
}

async function leaves(world: World, replica: Replica): Promise<void> {
  if (!replica.running) return
  const exit = await replica.end('SIGTERM', world.patienceMs)
  if (exit.code !== 0) world.notice('hung', `${replica.name}: ${exit.signal ?? exit.code} after SIGTERM`)
}
