import type { HecAction } from '../../../src/emulator/hec/faults.ts'
import type { Consequence } from '../judge.ts'
import { ATTACK_PAGE } from '../ledger.ts'
import type { Strike, World } from '../world.ts'
import type { Fault } from './fault.ts'

/** A refusal that has no end, although nothing is wrong with the events, or with all but one. */
interface Refusal {
  name: string
  match?: Record<string, string>
  action: HecAction
  may?: Consequence[]
  ack?: true
  /** The bridge pauses for it, under this reason. With acknowledgement `/ack` tells what no answer told. */
  pauses?: 'hec_configuration' | 'outcome_unknown'
  /** It meets only a log whose message begins so. Its neighbours must arrive meanwhile. */
  log?: string
}

const LOST: Consequence[] = ['answers lost']
const LASTS = [3_000, 6_000] as const
const page = (status: number): HecAction => ({ status, body: `<html>${status}</html>` })
/** In the group of a log that is refused alone. */
const NEIGHBOURS = 10
let rules = 0

function refusal({ name, match = {}, action, may = [], ack, pauses, log }: Refusal): Fault {
  return {
    ...{ name, may, lasts: LASTS, alsoMs: log ? 10_000 : 3_000, ...(ack && { ack }) },
    async inflict(world, { forMs }) {
      // With acknowledgement a connection that ends also puts those in doubt whose ids it may have taken.
      const excuse = world.ack && action.cut ? LOST : may
      const mustPause = world.ack && pauses === 'outcome_unknown' && !ack ? undefined : pauses
      await world.injure({ fault: name, may: excuse, forMs }, async (): Promise<Strike> => {
        const ids = world.hec.faults.add(
          ...rulesOf({ match: { ...match, ...(log && { contains: log }) }, action, ...(ack && { ack }) }),
        )
        const fired = (): number => world.hec.faults.list().find(({ id }) => id === ids[0])?.fired ?? 0
        if (log) await world.writeSpecial(log, NEIGHBOURS)
        return {
          ...(log && { meanwhile: () => world.neighboursArrive(name) }),
          hits: async () => {
            // Another fault may have met the log first.
            if (log && fired() === 0) await world.writeSpecial(log, NEIGHBOURS)
            return mustPause === undefined || (await anyPaused(world, mustPause)) ? fired() : 0
          },
          heal: () => {
            for (const id of ids) world.hec.faults.remove(id)
          },
        }
      })
    },
  }
}

function rulesOf({ match, action, ack }: Pick<Refusal, 'match' | 'action' | 'ack'>) {
  const rule = { id: `refusal-${rules++}`, match: { endpoint: 'event', ...match }, times: 0, action }
  if (!ack) return [rule]
  // Whoever is asked has seen none of them.
  const none = {
    id: `refusal-${rules++}`,
    match: { endpoint: 'ack' },
    times: 0,
    action: { status: 200, body: '{"acks":{}}' },
  }
  return [rule, none]
}

/** Whether some replica says that it is paused for this reason. */
export async function anyPaused(world: World, reason: string): Promise<boolean> {
  const shown = await Promise.all(world.replicas.map((each) => each.shows('sls_bridge_paused', `reason="${reason}"`)))
  return shown.includes(true)
}

export const REFUSAL_FAULTS: Fault[] = [
  refusal({
    name: 'a gateway drops Content-Encoding',
    match: { encoding: 'gzip' },
    action: { code: 6, number: 0 },
    may: ['events refused'],
  }),
  refusal({
    name: 'the receiver refuses the last line end',
    match: { endsWith: '\n' },
    action: { code: 6, number: 100_000 },
    may: ['events refused'],
  }),
  refusal({
    name: 'a proxy takes no body that is as large as an event',
    action: page(413),
    may: ['events refused'],
    pauses: 'hec_configuration',
  }),
  refusal({
    name: 'HEC refuses everything and names an event past the end',
    action: { code: 6, number: 100_000 },
    may: ['events refused'],
    pauses: 'hec_configuration',
  }),
  refusal({ name: 'a firewall answers one log with a 403 page', action: page(403), log: ATTACK_PAGE }),
  refusal({ name: 'a gateway answers one log with 500', action: page(500), log: 'attack error' }),
  refusal({ name: 'a connection ends when one log is in its request', action: { cut: 'before' }, log: 'attack reset' }),
  refusal({
    name: 'the head of each answer is larger than 16 KB',
    action: { headers: { 'x-trace': 'x'.repeat(20_000) } },
    may: LOST,
    pauses: 'outcome_unknown',
  }),
  refusal({
    name: 'something before HEC passes events on and answers 204',
    action: { status: 204, body: '', index: true },
    may: LOST,
    pauses: 'hec_configuration',
  }),
  refusal({
    name: 'a balancer asks another indexer for acknowledgements',
    action: { status: 200, body: '{"text":"Success","code":0,"ackId":0}', index: true },
    may: LOST,
    ack: true,
    pauses: 'outcome_unknown',
  }),
]
