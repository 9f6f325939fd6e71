/**
 * Measures the cost of each fault, one fault a run, and writes the table of docs/evidence.md.
 *
 *   node test/chaos/evidence.ts [--only TEXT]… [--seed N] [--sample sync_data_to_splunk.py] [--output docs/evidence.md]
 *
 * `--only` chooses the rows whose name contains one of the texts. With `--sample` the vendor's sample goes through the same.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pLimit from 'p-limit'
import { CATALOG } from './faults/catalog.ts'
import { draw, perform, performOne } from './schedule.ts'
import { bridge, vendorSample } from './subject.ts'
import type { TrialOptions, Verdict } from './trial.ts'
import { described, trial } from './trial.ts'
import type { Load, World } from './world.ts'

const TOPICS = ['audit_log', 'k8s_audit']
const LOAD: Load = { groupsPerSecond: 20, logsPerGroup: 8, poisonEvery: 0 }
const REPLICAS = 2
const SETTLE_MS = 60_000
const BETWEEN = ['<!-- measured -->', '<!-- end of what was measured -->'] as const

const OPTIONS = {
  only: { type: 'string', multiple: true },
  seed: { type: 'string', default: '7' },
  sample: { type: 'string' },
  output: { type: 'string' },
} as const

type Row = Pick<TrialOptions, 'ordeal' | 'load' | 'hec'> & {
  name: string
  /** Not on tokens without acknowledgement. */
  ack?: true
  /** Not for what sends to one. */
  endpoints?: 2
}

/** HEC has many ways to say one thing; these stand for the others, which the random runs draw as well. */
const ONE_OF_MANY = /^(HEC answers with code|a load balancer answers for HEC with)/
const STANDS_FOR_OTHERS = /code (4|7|8|9|23) |with (404|503) /

/** The rows of the table: every kind of fault alone, and some combinations. */
function rowsOf(seed: number): Row[] {
  return [
    { name: 'no fault', ordeal: () => sleep(3_000) },
    ...CATALOG.filter(({ name }) => !ONE_OF_MANY.test(name) || STANDS_FOR_OTHERS.test(name)).map(
      (fault): Row => ({
        name: fault.name,
        ...(fault.ack && { ack: fault.ack }),
        ...(fault.endpoints && { endpoints: fault.endpoints }),
        ordeal: async (world) => {
          await performOne(world, fault, seed)
          await sleep(1_000)
        },
      }),
    ),
    { name: 'one log in 40 is refused for good', load: { ...LOAD, poisonEvery: 5 }, ordeal: () => sleep(5_000) },
    { name: 'HEC accepts bodies of at most 30 kB', hec: { maxContentLength: 30_000 }, ordeal: pileUp },
    { name: 'unread logs expire', ordeal: expireUnread },
    {
      name: 'all of these at random for a minute',
      load: { ...LOAD, poisonEvery: 25 },
      ordeal: (world) => perform(world, draw(seed, 60, { ack: world.ack })),
    },
  ]
}

/** A body of many log groups comes from a SIEM that was away. */
async function pileUp(world: World): Promise<void> {
  world.hec.stall()
  await sleep(2_000)
  world.hec.resume()
}

/** No replica reads for a while, and the service deletes the older half of the logs written meanwhile. */
async function expireUnread(world: World): Promise<void> {
  for (const replica of world.replicas) await replica.end('SIGKILL')
  const before = new Map(world.logstore.shards().map((shard) => [shard.id, shard.end]))
  await sleep(4_000)
  world.ledger.scan()
  for (const shard of world.logstore.shards()) {
    const border = Math.floor(((before.get(shard.id) ?? 0) + shard.end) / 2)
    world.ledger.expireBefore(shard.id, border)
    shard.expireBefore(border)
  }
  const at = Date.now()
  world.injuries.push({ fault: 'expired', may: ['lease ends', 'cursor moves'], from: at - 5_000, to: at, hits: 1 })
  for (const replica of world.replicas) replica.start()
}

interface Column {
  readonly title: string
  readonly ack: boolean
  readonly subject: TrialOptions['subject']
}

function columnsOf(sample: string | undefined): Column[] {
  const ours = bridge(TOPICS)
  return [
    { title: 'bridge', ack: false, subject: ours },
    { title: 'bridge, indexer acks', ack: true, subject: ours },
    ...(sample === undefined ? [] : [{ title: "vendor's sample", ack: false, subject: vendorSample(sample) }]),
  ]
}

async function measure(row: Row, { ack, subject }: Column, seed: number): Promise<Verdict | undefined> {
  if (row.ack && !ack) return undefined
  const { ordeal, load = LOAD, hec, endpoints = 1 } = row
  if (endpoints === 2 && !subject.keepsTheContract) return undefined
  const verdict = await trial({
    ...{ subject, seed, ack, replicas: REPLICAS, shards: 4, endpoints, load, ordeal, settleMs: SETTLE_MS },
    ...(hec && { hec }),
  })
  // The vendor's sample promises nothing: only its delivered events are counted.
  if (subject.keepsTheContract && verdict.violations.length > 0) throw new Error(`${row.name}: ${described(verdict)}`)
  return verdict
}

/** Counts in the order of the table's head. */
function cells(verdict: Verdict): string[] {
  const { wanted, delivered, duplicated, deadLettered, expired, missing } = verdict.counts
  return [wanted, delivered, duplicated, deadLettered, expired, missing].map(String)
}

/** A row that broke a promise is said, and left out: the others are still worth having. */
async function lineOf(row: Row, column: Column, seed: number): Promise<string | undefined> {
  try {
    const verdict = await measure(row, column, seed)
    if (!verdict) return undefined
    const line = `| ${[row.name, column.title, ...cells(verdict)].join(' | ')} |`
    process.stdout.write(`${line}\n`)
    return line
  } catch (error) {
    process.stdout.write(`${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
    return undefined
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS })
  const only = values.only ?? ['']
  const seed = Number(values.seed)
  const rows = rowsOf(seed).filter(({ name }) => only.some((text) => name.includes(text)))
  const columns = columnsOf(values.sample)
  // Three at a time: a run waits more than it works.
  const limit = pLimit(3)
  const lines = await Promise.all(
    rows.flatMap((row) => columns.map((column) => limit(() => lineOf(row, column, seed)))),
  )
  const table = [
    `Measured ${new Date().toISOString().slice(0, 10)}, seed ${seed}, on ${cpus().length} × ${cpus()[0]?.model.trim()}, ` +
      `${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}.`,
    '',
    '| fault | what went through it | wanted | delivered | duplicated | dead-lettered | expired | missing |',
    '|---|---|---|---|---|---|---|---|',
    ...lines.filter((line) => line !== undefined),
  ].join('\n')
  if (values.output === undefined) return
  const [from, to] = BETWEEN
  const page = readFileSync(values.output, 'utf8')
  if (!page.includes(from) || !page.includes(to)) throw new Error(`${values.output} has no place for a table`)
  const head = page.slice(0, page.indexOf(from) + from.length)
  writeFileSync(values.output, `${head}\n${table}\n${page.slice(page.indexOf(to))}`)
}

await main()
