import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { wholeNumber } from '../config/parsers.ts'
import { Fault, messageOf } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { IndexedEvent } from '../emulator/hec/index.ts'
import { startHecReceiver } from '../emulator/hec/server.ts'
import { SAMPLE_KINDS, SAMPLE_TOPICS, SampleLogs } from '../emulator/sample-logs.ts'
import type { SlsEmulator } from '../emulator/sls/server.ts'
import { startSlsEmulator } from '../emulator/sls/server.ts'
import { OfficialClient } from '../sls/official-client.ts'
import { USER_AGENT } from '../version.ts'
import type { CommandIo } from './command.ts'
import { command, defaulting, EXIT } from './command.ts'
import { DemoLedger } from './demo-ledger.ts'
import { Replica } from './demo-replica.ts'
import { DemoView } from './demo-view.ts'
import { sleepUnlessEnded } from './sleep.ts'

const HELP = `Show the whole job on this machine, without a cloud account.

usage: sls-siem-bridge demo [--logs N] [--seed N]

Starts the SLS emulator and the HEC receiver on loopback, writes a stream of logs with @alicloud/log, runs two bridge
replicas as real processes, kills one with SIGKILL half way, and ends with a ledger. Exit code 0: nothing is missing.

  --logs N   number of logs to write (default 60000)
  --seed N   the same N generates the same logs (default 1)
  --help
`

const PROJECT = 'demo'
const LOGSTORE = 'audit'
const GROUP = 'siem-demo'
const SHARDS = 8
const LOGS_PER_GROUP = 50
const WANTED_TOPICS = [SAMPLE_TOPICS.audit, SAMPLE_TOPICS.kubernetes]
/** The writer spreads the logs over this time, so that a viewer can watch. */
const WRITING_SECONDS = 16
const STALLED_AFTER_SECONDS = 30
const LOOK_EVERY_MS = 1_000

export const demoCommand = command({
  name: 'demo',
  help: HELP,
  options: {
    logs: defaulting('60000', wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    seed: defaulting('1', wholeNumber(0, Number.MAX_SAFE_INTEGER)),
  },
  async run(plan, io) {
    const folder = mkdtempSync(join(tmpdir(), 'sls-siem-bridge-demo-'))
    const demo = await Demo.prepare(folder, io, plan)
    try {
      return await demo.run()
    } finally {
      await demo.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
})

class Demo {
  readonly #io: CommandIo
  readonly #plan: { logs: number; seed: number }
  readonly #folder: string
  readonly #sls: SlsEmulator
  readonly #ledger: DemoLedger
  readonly #view: DemoView
  readonly #replicas: Replica[] = []
  readonly #hec: Awaited<ReturnType<typeof startHecReceiver>>

  private constructor(
    parts: { sls: SlsEmulator; hec: Awaited<ReturnType<typeof startHecReceiver>>; ledger: DemoLedger },
    folder: string,
    io: CommandIo,
    plan: { logs: number; seed: number },
  ) {
    this.#sls = parts.sls
    this.#hec = parts.hec
    this.#ledger = parts.ledger
    this.#folder = folder
    this.#io = io
    this.#plan = plan
    this.#view = new DemoView(io.stdout, parts.sls, parts.ledger)
  }

  static async prepare(folder: string, io: CommandIo, plan: { logs: number; seed: number }): Promise<Demo> {
    const ledger = new DemoLedger(WANTED_TOPICS)
    const sls = await startSlsEmulator({ projects: { [PROJECT]: { [LOGSTORE]: { shards: SHARDS } } } })
    const onIndexed = (events: readonly IndexedEvent[]): void => ledger.delivered(events)
    const hec = await startHecReceiver({ ack: true, ackDelayMs: 300, keep: false, onIndexed })
    return new Demo({ sls, hec, ledger }, folder, io, plan)
  }

  async run(): Promise<number> {
    const { signal } = this.#io
    this.#view.say(`SLS emulator at ${this.#sls.url}, HEC receiver (indexer acknowledgement on) at ${this.#hec.url}`)
    this.#view.say(`logstore with ${SHARDS} shards; wanted topics: ${WANTED_TOPICS.join(', ')}`)
    const [first] = [await this.#startReplica('replica-1'), await this.#startReplica('replica-2')]
    const writing = this.#write()
    const looking = this.#lookUntilSettled(writing)
    await Promise.race([this.#ledger.half(this.#plan.logs, signal), writing])
    if (!signal.aborted) {
      await first.kill('SIGKILL')
      this.#view.say(`kill -9 replica-1 (pid ${first.pid}), in the middle of its work`)
      await this.#startReplica('replica-3')
    }
    await writing
    const settled = await looking
    const clean = await this.#stopReplicas()
    const verdict = this.#ledger.verdict()
    this.#view.ledger(verdict, this.#lagSeconds())
    if (signal.aborted) return EXIT.failed
    if (!settled) this.#view.say(`no event was delivered for ${STALLED_AFTER_SECONDS} s: the demo gives up`)
    return settled && clean && verdict.missing === 0 && verdict.unwanted === 0 ? EXIT.done : EXIT.failed
  }

  async close(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.kill('SIGKILL')))
    await Promise.all([this.#sls.close(), this.#hec.close()])
  }

  async #startReplica(name: string): Promise<Replica> {
    const replica = new Replica(name, {
      ...this.#sls.environment(),
      ...this.#hec.environment(),
      SLS_CG: GROUP,
      SLS_CONSUMER: name,
      SLS_HEARTBEAT_SECONDS: '1',
      SLS_FETCH_INTERVAL_SECONDS: '0.2',
      FILTER_TOPICS: WANTED_TOPICS.join(','),
      SPLUNK_HEC_ACK_POLL_SECONDS: '0.5',
      DEAD_LETTER_DIR: join(this.#folder, 'dead-letter'),
      ADMIN_PORT: '0',
      LOG_LEVEL: 'warn',
    })
    this.#replicas.push(replica)
    this.#view.say(`${name} started (pid ${replica.pid})`)
    return replica
  }

  /** Writes with the vendor's client, at a steady rate. A failed write ends the demo. */
  async #write(): Promise<void> {
    const client = new OfficialClient({
      endpoint: this.#sls.url,
      project: PROJECT,
      logstore: LOGSTORE,
      accessKeyId: this.#sls.accessKeyId,
      accessKeySecret: new Secret(this.#sls.accessKeySecret),
      userAgent: USER_AGENT,
    })
    const samples = new SampleLogs(this.#plan.seed)
    const started = performance.now()
    try {
      for (let written = 0, turn = 0; written < this.#plan.logs && !this.#io.signal.aborted; turn++) {
        const kind = SAMPLE_KINDS[turn % SAMPLE_KINDS.length] as (typeof SAMPLE_KINDS)[number]
        const group = samples.group(kind, Math.min(LOGS_PER_GROUP, this.#plan.logs - written))
        await client.write(group).catch((error: unknown) => {
          throw new Fault('transient', `a log group cannot be written: ${messageOf(error)}`, { code: 'write' })
        })
        written += group.logs.length
        this.#ledger.written(group)
        const dueMs = (written / this.#plan.logs) * WRITING_SECONDS * 1000
        const aheadMs = dueMs - (performance.now() - started)
        if (aheadMs > 0) await sleepUnlessEnded(aheadMs, this.#io.signal)
      }
      this.#view.say('all logs are written; waiting for the last checkpoint')
    } finally {
      client.close()
    }
  }

  /** True when all wanted logs are delivered and committed; false when delivery has stalled or the demo is stopped. */
  async #lookUntilSettled(writing: Promise<void>): Promise<boolean> {
    let writingDone = false
    const over = (): void => {
      writingDone = true
    }
    void writing.then(over, over)
    let seen = -1
    let seenAt = performance.now()
    while (await sleepUnlessEnded(LOOK_EVERY_MS, this.#io.signal)) {
      this.#view.progress(this.#lagSeconds())
      if (writingDone && this.#ledger.verdict().missing === 0 && this.#behind() === 0) return true
      if (this.#ledger.deliveredCount !== seen) {
        seen = this.#ledger.deliveredCount
        seenAt = performance.now()
      } else if (performance.now() - seenAt > STALLED_AFTER_SECONDS * 1000) return false
    }
    return false
  }

  async #stopReplicas(): Promise<boolean> {
    const alive = this.#replicas.filter((replica) => replica.alive)
    this.#view.say(`SIGTERM to ${alive.map((replica) => replica.name).join(' and ')}`)
    const codes = await Promise.all(alive.map((replica) => replica.kill('SIGTERM')))
    for (const [index, code] of codes.entries()) {
      if (code !== 0) this.#view.say(`${alive[index]?.name} ended with exit code ${code}\n${alive[index]?.output}`)
    }
    return codes.every((code) => code === 0)
  }

  #shards() {
    return this.#sls.state().logstores[0]?.consumerGroups.find((group) => group.name === GROUP)?.shards ?? []
  }

  #behind(): number {
    return this.#shards().reduce((sum, shard) => sum + (shard.behind ?? 0), 0)
  }

  /** Age of the oldest log group that is not committed, over all shards, by the emulator's receive times. */
  #lagSeconds(): number {
    const logstore = this.#sls.logstore()
    const received = this.#shards().flatMap(({ shard, behind }) => {
      const log = logstore.shard(shard)
      return behind ? [log.receivedAt(log.end - behind) ?? Date.now()] : []
    })
    return received.length === 0 ? 0 : (Date.now() - Math.min(...received)) / 1000
  }
}
