import type { HecAction } from '../../../src/emulator/hec/faults.ts'
import type { QueueLevel } from '../../../src/emulator/hec/queue.ts'
import { HEC_CODES } from '../../../src/emulator/hec/response.ts'
import type { Consequence } from '../judge.ts'
import type { World } from '../world.ts'
import type { Fault } from './fault.ts'

interface Rule {
  name: string
  action: HecAction
  endpoint?: 'event' | 'ack'
  may?: Consequence[]
  probability?: number
  times?: number
  lasts?: [number, number]
  ack?: true
  /** The answer does not tell whether the events were taken. */
  ambiguous?: boolean
}

const LOST: Consequence[] = ['answers lost']
let rules = 0

/**
 * The record has the receiver's answer for every event, so most of these need no excuse. With acknowledgement an
 * ambiguous answer also puts those in doubt whose ids it may have taken.
 */
function scripted(rule: Rule): Fault {
  const { name, action, endpoint = 'event', may = [], probability = 1, times = 0, lasts = [500, 3_000], ack } = rule
  return {
    ...{ name, may, lasts, ...(ack && { ack }) },
    async inflict(world, { forMs }) {
      const id = `hec-${rules++}`
      const excuse = world.ack && rule.ambiguous ? LOST : may
      await world.injure({ fault: name, may: excuse, forMs }, () => {
        world.hec.faults.add({ id, match: { endpoint }, probability, times, action })
        return {
          hits: () => world.hec.faults.list().find((each) => each.id === id)?.fired ?? 0,
          heal: () => world.hec.faults.remove(id),
        }
      })
    },
  }
}

/** Those for an event that is bad are given by poisoned logs, all the time; those for a success and for health are no faults. */
const REFUSALS = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 14, 16, 18, 19, 20, 21, 22, 23, 26, 27, 28]
const PAGES = [401, 403, 404, 408, 425, 429, 500, 502, 503, 504, 520]

export const HEC_FAULTS: Fault[] = [
  ...REFUSALS.map((code) =>
    scripted({
      name: `HEC answers with code ${code} (${HEC_CODES[code]?.[1].split(/[.,]/)[0]})`,
      action: { code },
      ambiguous: code === 8,
    }),
  ),
  ...PAGES.map((status) =>
    scripted({
      name: `a load balancer answers for HEC with ${status} in HTML`,
      action: { status, body: `<html>${status}</html>` },
    }),
  ),
  scripted({ name: 'a login page with status 200', action: { status: 200, body: '<html>Please sign in</html>' } }),
  scripted({ name: 'a redirect to a login page', action: { status: 302, headers: { location: '/login' } } }),
  scripted({ name: 'HEC says Retry-After', action: { code: 26, headers: { 'retry-after': '2' } }, probability: 0.5 }),
  scripted({ name: 'HEC accepts three events of a batch, then is busy', action: { accept: 3 }, probability: 0.5 }),
  queue('the queue of HEC runs full', 'warn'),
  queue('the queue of HEC is full', 'full'),
  scripted({
    name: 'events are accepted and the answer is 500',
    action: { code: 8, index: true },
    probability: 0.5,
    ambiguous: true,
  }),
  scripted({
    name: 'events are accepted and a load balancer answers 504',
    action: { status: 504, body: '<html>504', index: true },
    probability: 0.5,
    ambiguous: true,
  }),
  scripted({
    name: 'the connection is cut before a request is read',
    action: { cut: 'before' },
    probability: 0.5,
    ambiguous: true,
  }),
  scripted({
    name: 'events are accepted and the answer is lost',
    action: { cut: 'after' },
    probability: 0.5,
    ambiguous: true,
  }),
  scripted({
    name: 'events are accepted and half of the answer is lost',
    action: { cut: 'midway' },
    probability: 0.5,
    ambiguous: true,
  }),
  scripted({ name: 'requests hang', action: { hang: true }, times: 3, may: LOST }),
  scripted({ name: 'HEC answers a second late', action: { delayMs: 1_000 } }),
  scripted({ name: 'HEC answers later than the time-out', action: { delayMs: 3_500 }, times: 3, may: LOST }),
  scripted({ name: 'ack queries fail with 503', endpoint: 'ack', action: { status: 503 }, ack: true }),
  scripted({
    name: 'answers to ack queries are lost',
    endpoint: 'ack',
    action: { cut: 'after' },
    ack: true,
    may: LOST,
  }),
  scripted({ name: 'ack queries are refused', endpoint: 'ack', action: { code: 11 }, ack: true }),
  scripted({ name: 'HEC forgets every acknowledgement', action: { forgetAcks: true }, times: 1, ack: true }),
  {
    ...{ name: 'HEC is restarted', may: LOST, lasts: [0, 0] },
    inflict: (world) =>
      world.injure({ fault: 'HEC is restarted', may: LOST, forMs: 0 }, async () => {
        await world.hec.restart()
        return { hits: () => 1, heal: () => {} }
      }),
  },
  {
    ...{ name: 'HEC accepts connections and answers nothing', may: LOST, lasts: [1_000, 6_000] },
    inflict: (world, { forMs }) =>
      world.injure({ fault: 'HEC accepts connections and answers nothing', may: LOST, forMs }, () => {
        world.hec.stall()
        return { hits: () => 1, heal: () => world.hec.resume() }
      }),
  },
  {
    ...{ name: 'a token is disabled for a while', may: [], lasts: [1_000, 4_000] },
    inflict: (world, { forMs }) =>
      world.injure({ fault: 'a token is disabled for a while', may: [], forMs }, () => {
        const refused = (): number => countOf(world, / 403 1$/)
        const before = refused()
        setTokens(world, true)
        return { hits: () => refused() - before, heal: () => setTokens(world, false) }
      }),
  },
]

/** A script could say 200 and 24 for a body that was refused half way; the receiver's own queue does not. */
function queue(name: string, level: QueueLevel): Fault {
  return {
    ...{ name, may: [], lasts: [500, 3_000] },
    inflict: (world, { forMs }) =>
      world.injure({ fault: name, may: [], forMs }, () => {
        const answered = (): number => countOf(world, level === 'warn' ? / 200 24$/ : / 429 26$/)
        const before = answered()
        world.hec.condition({ queue: level })
        return {
          hits: () => answered() - before,
          heal: () => {
            world.hec.condition({ queue: null })
          },
        }
      }),
  }
}

function setTokens(world: World, disabled: boolean): void {
  for (const token of world.hec.tokens) world.hec.setToken({ token, disabled })
}

function countOf(world: World, answer: RegExp): number {
  const { requests } = world.hec.state()
  return Object.entries(requests).reduce((sum, [key, count]) => sum + (answer.test(key) ? count : 0), 0)
}
