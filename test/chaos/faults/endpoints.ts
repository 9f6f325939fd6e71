import type { HecAction } from '../../../src/emulator/hec/faults.ts'
import { polled } from '../../support/polled.ts'
import { selfSigned } from '../../unit/emulator/hec/certificate.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

const PAUSED = 'sls_bridge_endpoint_paused'
let rules = 0

interface Spoiled {
  /** Requests that met the fault, where that is known. */
  readonly met?: () => number
  readonly heal: () => void
}

/** One endpoint of two is bad: it is paused alone and named, the other one gets everything, and it comes back by itself. */
function badEndpoint(name: string, spoil: (world: World) => Spoiled): Fault {
  return {
    ...{ name, may: ['answers lost'], endpoints: 2, lasts: [3_000, 6_000], alsoMs: 10_000 },
    async inflict(world, { forMs }) {
      const label = `:${world.door?.port}"`
      const paused = async (): Promise<number> => {
        const shown = await Promise.all(world.replicas.map((each) => each.shows(PAUSED, label)))
        return shown.filter(Boolean).length
      }
      await world.injure({ fault: name, may: this.may, forMs }, () => {
        const { met, heal } = spoil(world)
        const hits = async (): Promise<number> => Math.min(await paused(), met?.() ?? Number.POSITIVE_INFINITY)
        return { meanwhile: () => world.neighboursArrive(name), hits, heal }
      })
      if (await polled(async () => (await paused()) === 0, world.patienceMs)) return
      world.notice('stuck', `the endpoint stays paused after ${name}`)
    },
  }
}

/** Only requests to the second endpoint meet it. */
function answered(name: string, action: HecAction): Fault {
  return badEndpoint(name, ({ hec, door, replicas }) => {
    const id = `endpoint-${rules++}`
    const host = replicas.map((each) => `${each.host.gateway}:${door?.port}`)
    hec.faults.add({ id, match: { endpoint: ['event', 'health'], host }, times: 0, action })
    return {
      met: () => hec.faults.list().find((rule) => rule.id === id)?.fired ?? 0,
      heal: () => void hec.faults.remove(id),
    }
  })
}

export const ENDPOINT_FAULTS: Fault[] = [
  answered('the token is disabled at one endpoint of two', { code: 1 }),
  answered('one endpoint of two is a 404 page', { status: 404, body: '<html>404</html>' }),
  answered('one endpoint of two may not write to the index', { code: 7 }),
  badEndpoint('one endpoint of two shows a certificate of an unknown authority', ({ door, identity }) => {
    door?.show(selfSigned('hec.test'))
    return { heal: () => void door?.show(identity) }
  }),
]
