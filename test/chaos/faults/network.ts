import type { Outage } from '../host.ts'
import type { Consequence } from '../judge.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

type Side = 'SLS' | 'HEC'

const OUTAGES: Array<[Outage, string]> = [
  ['silence', 'no packet passes between a replica and'],
  ['deaf', 'requests arrive but answers are lost between a replica and'],
  ['mute', 'no packet from a replica arrives at'],
  ['reset', 'every packet is reset between a replica and'],
  ['lossy', 'three packets in ten are lost between a replica and'],
]
/** Without heartbeats the lease ends; without answers the outcome of a request is unknown. */
const MAY: Record<Side, Consequence[]> = { SLS: ['lease ends'], HEC: ['answers lost'] }

function portsOf(world: World, side: Side): number[] {
  return side === 'SLS' ? [world.sls.port] : world.siemPorts
}

function outage(side: Side, [kind, name]: [Outage, string]): Fault {
  return {
    ...{ name: `${name} ${side}`, may: MAY[side], lasts: [1_000, 6_000] },
    async inflict(world, { forMs, replica }) {
      using claim = await replica()
      const plan = { fault: this.name, may: this.may, replica: claim.replica, forMs }
      await world.injure(plan, () => claim.replica.host.breakNetwork(portsOf(world, side), kind))
    },
  }
}

function cut(side: Side): Fault {
  return {
    ...{ name: `every connection between a replica and ${side} is cut`, may: MAY[side], lasts: [0, 0] },
    async inflict(world, { replica }) {
      using claim = await replica()
      const { host } = claim.replica
      await world.injure({ fault: this.name, may: this.may, replica: claim.replica, forMs: 0 }, async () => {
        let hits = await host.cutConnections(portsOf(world, side))
        return {
          hits: async () => {
            hits ||= await host.cutConnections(portsOf(world, side))
            return hits
          },
          heal: () => {},
        }
      })
    },
  }
}

export const NETWORK_FAULTS: Fault[] = (['SLS', 'HEC'] as const).flatMap((side) => [
  ...OUTAGES.map((kind) => outage(side, kind)),
  cut(side),
])
