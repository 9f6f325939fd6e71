import { setTimeout as sleep } from 'node:timers/promises'
import { Secret } from '../../src/core/secret.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'
import type { Input } from './rsyslog.ts'
import { Rsyslog } from './rsyslog.ts'

const LOGS_PER_GROUP = 50
const GROUPS_PER_SECOND = 30
/** Between two restarts so much more is in rsyslog's file. */
const FLOW_BYTES = 400_000
/** A batch that was read before a restart may have been written so long before it. */
const MOST_OPEN_MS = 10_000
/** Some restarts come after a pause, when much is unread. */
const PAUSED_EACH = 3
const PAUSE_MS = 500
const SETTLE_MS = 60_000

/** A program that carries logs from SLS to one input of rsyslog. */
export interface Carrier {
  readonly group: string
  readonly input: Input
  /** Starts it, with what it needs to know of SLS. Returns how to end it. */
  start(sls: Record<string, string>, rsyslog: Rsyslog): () => Promise<void>
}

export interface Outcome {
  readonly wanted: number
  readonly delivered: number
  readonly duplicated: number
  readonly missing: number
  /** Repeated messages that no restart explains, or that have another id. */
  readonly unexplained: string[]
}

export interface RestartsOptions {
  readonly folder: string
  readonly restarts: number
  readonly ports?: Partial<Record<Input, number>>
}

/** While logs are written and carried, rsyslog is restarted again and again: SIGTERM and SIGKILL in turn, some after a pause. */
export async function underRestarts(
  carriers: readonly Carrier[],
  { folder, restarts, ports }: RestartsOptions,
): Promise<Outcome[]> {
  const rsyslog = await Rsyslog.start({ folder, ...(ports && { ports }) })
  await using sls = await startSlsEmulator({ projects: { conformance: { audit: {} } }, shards: 4 })
  const ends = carriers.map((carrier) => {
    return carrier.start({ ...sls.environment(), SLS_CG: carrier.group }, rsyslog)
  })
  const writer = new Writer(sls.url, sls.accessKeyId, sls.accessKeySecret)
  const writing = writer.run()
  const downs: Down[] = []
  try {
    for (let restart = 0; restart < restarts; restart++) {
      await flow(rsyslog, carriers.length)
      if (restart % PAUSED_EACH === 0) await rsyslog.pause(PAUSE_MS)
      const from = Date.now()
      await rsyslog.end(restart % 2 === 0 ? 'SIGTERM' : 'SIGKILL')
      await rsyslog.run()
      downs.push({ from, to: Date.now() })
    }
    await flow(rsyslog, carriers.length)
    writer.stop()
    await writing
    const settled = carriers.map(({ group }) => sls.logstore().caughtUp(group, { timeoutMs: SETTLE_MS }))
    await Promise.allSettled(settled)
  } finally {
    writer.stop()
    await Promise.all(ends.map((end) => end()))
    // Whatever it has not read is not in its file.
    await rsyslog.end('SIGKILL')
  }
  return carriers.map(({ input }) => outcomeOf(rsyslog, input, writer.written, downs))
}

interface Down {
  readonly from: number
  readonly to: number
}

class Writer {
  written = 0
  readonly #client: OfficialClient
  #isOver = false

  constructor(endpoint: string, accessKeyId: string, secret: string) {
    this.#client = new OfficialClient({
      ...{ endpoint, project: 'conformance', logstore: 'audit', userAgent: 'conformance', accessKeyId },
      accessKeySecret: new Secret(secret),
    })
  }

  /** Each log has a number. */
  async run(): Promise<void> {
    const timestamp = Math.floor(Date.now() / 1000)
    while (!this.#isOver) {
      const logs = Array.from({ length: LOGS_PER_GROUP }, () => {
        return { timestamp, content: { serial: String(this.written++), pad: 'x'.repeat(300) } }
      })
      await this.#client.write({ topic: 'audit_log', source: '10.0.0.1', logs })
      await sleep(1000 / GROUPS_PER_SECOND)
    }
    this.#client.close()
  }

  stop(): void {
    this.#isOver = true
  }
}

async function flow(rsyslog: Rsyslog, carriers: number): Promise<void> {
  const before = rsyslog.receivedBytes
  const until = Date.now() + SETTLE_MS
  while (rsyslog.receivedBytes < before + carriers * FLOW_BYTES) {
    if (Date.now() > until) throw new Error(`rsyslog gets no more messages\n${rsyslog.said}`)
    await sleep(20)
  }
}

interface Arrival {
  readonly id: string | undefined
  readonly at: number
}

function outcomeOf(rsyslog: Rsyslog, input: Input, wanted: number, downs: readonly Down[]): Outcome {
  const arrivals = new Map<string, Arrival[]>()
  let count = 0
  for (const record of rsyslog.records()) {
    if (record.input !== input) continue
    // In JSON, or key=value.
    const serial = /serial"?[:=]"?(\d+)/.exec(record.msg)?.[1] ?? ''
    const arrival = { id: /id="([^"]+)"/.exec(record.sd)?.[1], at: Date.parse(record.at) }
    const known = arrivals.get(serial)
    if (known) known.push(arrival)
    else arrivals.set(serial, [arrival])
    count++
  }
  const unexplained = [...arrivals].flatMap(([serial, [first, ...others]]) =>
    others.flatMap((other) => {
      if (other.id !== first?.id) return [`${serial} has the ids ${first?.id} and ${other.id}`]
      const isExplained = downs.some(({ from, to }) => {
        return (first?.at ?? 0) <= to && (first?.at ?? 0) >= from - MOST_OPEN_MS && other.at >= from
      })
      return isExplained ? [] : [`${serial} came at ${first?.at} and ${other.at}, with no restart between`]
    }),
  )
  arrivals.delete('')
  const delivered = arrivals.size
  return { wanted, delivered, duplicated: count - delivered, missing: wanted - delivered, unexplained }
}
