import { setTimeout as sleep } from 'node:timers/promises'
import type { Batch } from '../../../../src/core/batch.ts'
import { seededRandom } from '../../../../src/emulator/sample-logs.ts'
import type { SyslogFault, SyslogReceiver, SyslogReceiverOptions } from '../../../../src/emulator/syslog/server.ts'
import type { SyslogOptions, SyslogSink } from '../../../../src/sinks/syslog/sink.ts'
import { envelopes, receiver, syslogTo } from './syslog-bench.ts'

/**
 * - `lost`: an event was called delivered that the collector has not.
 * - `garbled`: the collector read a message that was never sent.
 * - `stuck`: not everything was delivered in time.
 */
export type Broken = 'lost' | 'garbled' | 'stuck'

const PATIENCE_MS = 15_000
/** With text of several bytes a character, and line ends between its values, as embedded JSON may have them. */
const eventOf = (n: number, pad: number): object => ({
  __topic__: '审计',
  __source__: '',
  n,
  list: ['é', '张三'],
  pad: 'x'.repeat(pad),
})
/** RFC 5424, and JSON with the same number as the id. */
const MESSAGE =
  /^<14>1 2026-09-21T14:13:20\.123456Z prod sls - - \[sls@32473 id="e:3:1:(\d+)" topic="审计" source="" shard="3"\] (\{.*\})$/s

interface Plan {
  readonly receiver?: SyslogReceiverOptions
  readonly sink?: Partial<SyslogOptions>
  readonly batches: number
  readonly events: number
  readonly pad: number
  /** Besides the faults of the receiver. */
  readonly meanwhile?: (collector: SyslogReceiver) => Promise<void>
}

/** It takes no more, then it is killed with all that it has not read, and started again. */
const killed = {
  batches: 20,
  events: 200,
  pad: 300,
  meanwhile: async (collector: SyslogReceiver) => {
    await collector.until(() => collector.messages.length >= 400)
    await collector.kill()
    await sleep(100)
    await collector.listen()
  },
}
const STOPS: SyslogFault[] = [{ does: 'stop', afterMessages: 200, times: 2 }]

const PLANS = {
  killed: { ...killed, receiver: { faults: STOPS } },
  'killed, with RELP': { ...killed, receiver: { transport: 'relp', faults: STOPS } },
  // A connection with so much is full, and drains at once.
  'one of the last frames refused': {
    // So many bytes that the connection drains at once.
    ...{ batches: 1, events: 1_200, pad: 7_000 },
    receiver: { faults: [{ does: 'fin', afterMessages: 1_199, delayMs: 30, times: 2 }] },
  },
  'reset in the middle of a frame': {
    ...{ batches: 2, events: 40, pad: 7_000, sink: { framing: 'lf' } },
    // With counts a receiver would refuse half a frame; as a line it is a message.
    receiver: { framing: 'lf', faults: [{ does: 'reset', afterMessages: 3, times: 2 }] },
  },
  lines: { batches: 2, events: 100, pad: 10, receiver: { framing: 'lf' }, sink: { framing: 'lf' } },
} as const satisfies Record<string, Plan>

export type SyslogOrdeal = keyof typeof PLANS
export const SYSLOG_ORDEALS = Object.keys(PLANS) as SyslogOrdeal[]

/** Ends of connections at random moments, by FIN or by reset. */
export function randomEnds(seed: number, transport: 'tcp' | 'relp'): Plan {
  const random = seededRandom(seed)
  const below = (most: number): number => Math.floor(random() * most)
  const faults = Array.from({ length: 3 }, (): SyslogFault => {
    const does = (['fin', 'reset', 'late'] as const)[below(transport === 'tcp' ? 3 : 2)] ?? 'fin'
    return { does, afterMessages: below(200), delayMs: below(60) }
  })
  return { batches: 20, events: 100, pad: 300, receiver: { transport, faults } }
}

/** A sink with a collector that misbehaves, and what it did wrong. `Sink`: of another checkout. */
export async function undergo(ordeal: SyslogOrdeal | Plan, Sink?: typeof SyslogSink): Promise<Set<Broken>> {
  const plan: Plan = typeof ordeal === 'string' ? PLANS[ordeal] : ordeal
  const collector = await receiver(plan.receiver)
  const { deliver } = await syslogTo([collector.url], { ...plan.sink, connections: 2 }, Sink)
  const broken = new Set<Broken>()
  const received = new Set<number>()
  let read = 0
  const look = (): boolean => {
    for (const message of collector.messages.slice(read)) {
      const number = numberIn(message.toString())
      if (number === undefined) broken.add('garbled')
      else received.add(number)
      read++
    }
    return broken.has('garbled')
  }
  // Garbled bytes may never be confirmed, so it is looked at each message as it comes.
  const garbled = collector.until(look, { timeoutMs: 2 * PATIENCE_MS }).catch(() => {})
  const deliveries = Array.from({ length: plan.batches }, async (_, nth) => {
    const numbers = Array.from({ length: plan.events }, (_, i) => nth * plan.events + i)
    await deliver(batchOf(numbers, plan.pad))
    look()
    if (numbers.some((n) => !received.has(n))) broken.add('lost')
  })
  const all = Promise.all([plan.meanwhile?.(collector), ...deliveries])
  all.catch(() => {})
  const over = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: over.signal }).then(
    () => broken.add('stuck'),
    () => {},
  )
  await Promise.race([late, all, garbled])
  over.abort()
  return broken
}

function batchOf(numbers: readonly number[], pad: number): Batch {
  return envelopes(numbers.map((n) => ({ id: `e:3:1:${n}`, json: JSON.stringify(eventOf(n, pad), undefined, 1) })))
}

function numberIn(message: string): number | undefined {
  const [, id = '', json = ''] = MESSAGE.exec(message) ?? []
  try {
    const { n } = JSON.parse(json)
    return String(n) === id ? n : undefined
  } catch {
    return undefined
  }
}
