import { setTimeout as sleep } from 'node:timers/promises'
import { polled } from '../support/polled.ts'
import { faultNamed } from './faults/catalog.ts'
import { anyPaused } from './faults/refusals.ts'
import { SILENCE_ABOUT_SHARDS } from './faults/sls.ts'
import { performOne } from './schedule.ts'
import type { TrialOptions } from './trial.ts'
import type { World } from './world.ts'
import { STEADY } from './world.ts'

type Ordeal = Pick<TrialOptions, 'ack' | 'diskKb' | 'endpoints' | 'hec' | 'load' | 'ordeal' | 'replicas' | 'shards'>

/** A batch of one log group would show little: while this lasts they pile up. */
const PILE_UP_MS = 1_500

/** A fault that leaves a way for every event: the sink must not pause. */
async function withoutPause(world: World, fault: string): Promise<void> {
  let over = false
  const inflicted = performOne(world, faultNamed(fault), 0).finally(() => {
    over = true
  })
  await polled(async () => over || (await anyPaused(world, 'hec_configuration')), 4 * world.patienceMs)
  if (!over) world.notice('held up', `the sink pauses while ${fault}`)
  await inflicted
}

/** Written ahead and short, each the smallest world in which some bug shows. */
export const ORDEALS = {
  quiet: { ordeal: () => sleep(1_500) },

  'slow SIEM and kill -9': {
    async ordeal(world) {
      world.hec.faults.add({ match: { endpoint: 'event' }, times: 0, probability: 0.5, action: { delayMs: 1_200 } })
      await sleep(2_000)
      await performOne(world, faultNamed('kill -9'), 0)
      await sleep(1_000)
    },
  },

  'ack queries refused': {
    ack: true,
    ordeal: (world) => performOne(world, faultNamed('ack queries are refused'), 0),
  },

  'login page': { ordeal: (world) => performOne(world, faultNamed('a login page with status 200'), 0) },

  'errors of HEC': {
    ordeal: (world) =>
      world.injure({ fault: 'HEC answers with code 8', may: [], forMs: 10_000 }, () => {
        world.hec.faults.add({ id: 'errors', match: { endpoint: 'event' }, times: 0, action: { code: 8 } })
        return {
          hits: () => world.hec.faults.list().find(({ id }) => id === 'errors')?.fired ?? 0,
          heal: () => world.hec.faults.remove('errors'),
        }
      }),
  },

  'small bodies only': {
    hec: { maxContentLength: 30_000 },
    async ordeal(world) {
      world.hec.stall()
      await sleep(PILE_UP_MS)
      world.hec.resume()
    },
  },

  poison: {
    load: { ...STEADY, poisonEvery: 3 },
    async ordeal(world) {
      for (let i = 0; i < 3; i++) {
        const busy = world.hec.faults.add({ match: { endpoint: 'event' }, times: 0, action: { code: 9 } })
        await sleep(PILE_UP_MS)
        world.hec.faults.remove(busy[0])
        await sleep(500)
      }
    },
  },

  'full disk': {
    replicas: 1,
    ordeal: (world) => performOne(world, faultNamed('the disk of the dead letter is full'), 0),
  },

  'token disabled': { ordeal: (world) => performOne(world, faultNamed('a token is disabled for a while'), 0) },

  'expired cursor': {
    async ordeal(world) {
      world.sls.faults.add({ id: 'busy', match: { api: 'PullLogs' }, times: 0, action: { code: 'ServerBusy' } })
      await sleep(PILE_UP_MS)
      // In place before anybody may pull again: whoever comes first is far from the end.
      const expiry = performOne(world, faultNamed('SLS reports a valid cursor as expired'), 0)
      world.sls.faults.remove('busy')
      await expiry
    },
  },

  'damaged bodies': { ordeal: (world) => performOne(world, faultNamed('a pulled body is damaged'), 0) },

  'cut off from SLS': {
    replicas: 2,
    async ordeal(world) {
      // Whichever replica is cut off, it holds shards.
      const holders = () => new Set(world.group?.shards.flatMap(({ holder }) => holder ?? []))
      await polled(() => holders().size === world.replicas.length, 10_000)
      // Logs pulled before wait until the lease has ended and other replicas hold the shards; the outage lasts longer
      // than whoever was refused for five seconds waits before it tries again.
      const busy = world.hec.faults.add({ match: { endpoint: 'event' }, times: 0, action: { code: 9 } })
      await sleep(500)
      const outage = performOne(
        world,
        { ...faultNamed('no packet passes between a replica and SLS'), lasts: [16_000, 16_000] },
        0,
      )
      await sleep(5_000)
      world.hec.faults.remove(busy[0])
      await outage
    },
  },

  'planned restarts': {
    replicas: 2,
    async ordeal(world) {
      world.hec.faults.add({ match: { endpoint: 'event' }, times: 0, action: { delayMs: 1_500 } })
      await sleep(2_000)
      await performOne(world, faultNamed('SIGTERM and a new start'), 0)
      await sleep(2_000)
      await performOne(world, faultNamed('SIGTERM and a new start'), 1)
      world.hec.faults.clear()
    },
  },

  'gzip not understood': {
    replicas: 2,
    ordeal: (world) => withoutPause(world, 'a gateway drops Content-Encoding'),
  },

  'no body taken': {
    replicas: 2,
    // A disk that fills stops whoever gives events up, and does so before it is known that nothing is accepted any more.
    diskKb: 16 << 10,
    ordeal: (world) => performOne(world, faultNamed('a proxy takes no body that is as large as an event'), 0),
  },

  'one log behind a firewall': {
    replicas: 2,
    ordeal: (world) => performOne(world, faultNamed('a firewall answers one log with a 403 page'), 0),
  },

  'answers too large': {
    replicas: 2,
    ordeal: (world) => performOne(world, faultNamed('the head of each answer is larger than 16 KB'), 0),
  },

  'success without HEC': {
    replicas: 2,
    ordeal: (world) => performOne(world, faultNamed('something before HEC passes events on and answers 204'), 0),
  },

  'acks lost': {
    replicas: 2,
    ack: true,
    ordeal: (world) => performOne(world, faultNamed('a balancer asks another indexer for acknowledgements'), 0),
  },

  'cursor unmoved': {
    replicas: 2,
    async ordeal(world) {
      const fault = faultNamed('pulls bring logs and a cursor that does not move')
      await performOne(world, { ...fault, lasts: [8_000, 8_000] }, 0)
    },
  },

  'one endpoint of two': {
    replicas: 2,
    endpoints: 2,
    ordeal: (world) => withoutPause(world, 'the token is disabled at one endpoint of two'),
  },

  'output unread': {
    replicas: 1,
    ordeal: (world) => performOne(world, faultNamed('nobody reads the standard output'), 0),
  },

  'output full': {
    replicas: 1,
    ordeal: (world) => performOne(world, faultNamed('the disk of the standard output is full'), 0),
  },

  'silence about shards': {
    ...{ replicas: 1, shards: 2 },
    ordeal: (world) => performOne(world, SILENCE_ABOUT_SHARDS, 0),
  },

  'stalled SIEM, growing logs': {
    replicas: 1,
    async ordeal(world) {
      world.hec.stall()
      await world.writeBacklog({ groups: 100, logsPerGroup: 1_000, tagBytes: 5_000 })
      await sleep(8_000)
      world.hec.resume()
    },
  },
} satisfies Record<string, Ordeal>

export type OrdealName = keyof typeof ORDEALS
