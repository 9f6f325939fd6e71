import { setTimeout as sleep } from 'node:timers/promises'
import type { SyslogFault } from '../../../src/emulator/syslog/faults.ts'
import type { Consequence } from '../judge.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

/** Messages that were read and not confirmed are sent again. */
const LOST: Consequence[] = ['answers lost']
const BOTH: NonNullable<Fault['collector']> = ['drain', 'relp']

/** Ends every connection at whatever byte it is, as a kill does. What it had not read is gone. */
async function restarted(world: World, downMs = 0): Promise<void> {
  await world.syslog?.kill()
  await sleep(downMs)
  await world.syslog?.listen()
}

function restart(name: string, lasts: Fault['lasts']): Fault {
  return {
    ...{ name, may: LOST, lasts, collector: BOTH },
    inflict: (world, { forMs }) =>
      world.injure({ fault: name, may: LOST, forMs: 0 }, async () => {
        await restarted(world, forMs)
        return { hits: () => 1, heal: () => {} }
      }),
  }
}

/** All connections do this from now on; at the end the collector is restarted. */
function scripted(name: string, script: SyslogFault, collector = BOTH): Fault {
  return {
    ...{ name, may: LOST, lasts: [500, 3_000], collector },
    inflict: (world, { forMs, below }) =>
      world.injure({ fault: name, may: LOST, forMs }, async () => {
        const before = world.syslog?.connections.total ?? 0
        world.syslog?.fault({ ...script, afterMessages: below(40), times: 0 })
        await restarted(world)
        return {
          hits: () => (world.syslog?.connections.total ?? 0) - before,
          heal: async () => {
            world.syslog?.clearFaults()
            await restarted(world)
          },
        }
      }),
  }
}

export const SYSLOG_FAULTS: Fault[] = [
  restart('the collector resets all connections', [0, 0]),
  restart('the collector is killed and started again', [300, 3_000]),
  scripted('the collector reads no more, and is killed', { does: 'stop' }),
  scripted('the collector resets each connection after a while', { does: 'reset' }),
  scripted('the collector closes each connection after a while', { does: 'fin' }),
  scripted('the collector answers a half-close late', { does: 'late', delayMs: 1_000 }, ['drain']),
  scripted('the collector says serverclose', { does: 'serverclose' }, ['relp']),
]
