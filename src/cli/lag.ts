import type { LimitFunction } from 'p-limit'
import pLimit from 'p-limit'
import type { Config } from '../config/model.ts'
import { Fault } from '../core/errors.ts'
import type { StartPosition } from '../core/start-position.ts'
import { NO_TELEMETRY } from '../core/telemetry.ts'
import { escapedJson, isPrintable, onOneLine } from '../core/text.ts'
import { credentialSources, logstoresOf, slsClient } from '../parts.ts'
import type { ShardStatus, SlsClient } from '../sls/client.ts'
import { shardsOfGroup } from '../sls/group-shards.ts'
import { command, EXIT, endOf, flag, withAdvice } from './command.ts'
import { configurationOf, WITHOUT_FILE } from './configuration.ts'
import type { ShardPosition } from './lag/shard-position.ts'
import { positionOf } from './lag/shard-position.ts'
import { within } from './lag/within.ts'
import { sleepUnlessEnded } from './sleep.ts'

const HELP = `Show for every shard how far the consumer group is behind. SLS itself is asked.

usage: sls-siem-bridge lag [--config FILE] [--watch] [--json]

  --config FILE   the configuration file (default: BRIDGE_CONFIG; without one, the environment)
  --watch         repeat every 2 seconds until stopped
  --json          one JSON object per shard and line; with several logstores also with source, project, logstore and group
  --help

Reads the SLS_… settings (environment or .env) or the sources of the configuration file; needs no SIEM settings and no
running replica. Exit code 1 if a logstore or a shard could not be asked; the others are shown.

OWNER   the consumer that committed last. The service tells only the holder of a shard that it holds it
LAG     age of the first log group after the checkpoint, by the service's receive time and clock
GROUPS  log groups after the checkpoint
STATE   caught up, or finished (a read-only shard that was read to its end)
        behind, or not started (no checkpoint yet): logs wait
        empty: no log, and no checkpoint yet
        before the start: no checkpoint yet, and every log came before SLS_START. They are not delivered
        expired: logs at the checkpoint are no longer retained; LAG is the age of the oldest log that is
        deleted: the service has removed the shard
        unknown: the service does not tell, or not within 5 s. Standard error says why; LAG and GROUPS are "?", in JSON null
`

const WATCH_MS = 2_000
const SHARDS_AT_A_TIME = 32
/** For the list of shards. */
const LIST_MS = 10_000
const GROUP_COLUMN: [title: string, key: keyof Place] = ['GROUP', 'group']

/** A logstore and its consumer group. */
interface Place {
  readonly source: string
  readonly project: string
  readonly logstore: string
  readonly group: string
}

interface Row extends ShardPosition {
  readonly place: Place
  readonly shard: number
  /** `null` if the service does not tell. */
  readonly status: ShardStatus | null
  /** The consumer that committed last, `''` if none has. */
  readonly owner: string
  readonly checkpoint: string
}

export const lagCommand = command({
  name: 'lag',
  help: HELP,
  configured: true,
  options: { watch: flag, json: flag },
  async run({ watch, json }, io) {
    const { config } = await configurationOf(io, ['service'], WITHOUT_FILE)
    const members = membersOf(config)
    const end = endOf(io)
    try {
      do {
        const { rows, faults } = await lagOfAll(members, io.signal)
        if (io.signal.aborted) return EXIT.done
        if (rows.length > 0) {
          const shown = json ? asJson(rows, members) : table(rows, members)
          io.stdout.write(watch && !json ? `${new Date().toISOString()}\n${shown}\n` : shown)
        }
        for (const { place, shards, fault } of faults) {
          const where = members.length > 1 ? `${place.project}/${place.logstore}: ` : ''
          const which = shards === undefined ? '' : `shard ${shards.join(', ')}: `
          io.stderr.write(`sls-siem-bridge lag: ${where}${which}${withAdvice(fault)}\n`)
        }
        // A user who watches wants to see the end of the fault too.
        if (!watch) return faults.length === 0 ? EXIT.done : EXIT.failed
      } while (await sleepUnlessEnded(WATCH_MS, end))
      return EXIT.done
    } finally {
      await Promise.all(members.map(({ client }) => client.close()))
    }
  },
})

interface Member {
  readonly place: Place
  readonly start: StartPosition
  readonly client: SlsClient
}

function membersOf(config: Config): Member[] {
  const credentials = credentialSources(NO_TELEMETRY)
  return logstoresOf(config).map(({ source, ref }) => {
    const parts = { source, logstore: ref.logstore, proxies: config.proxies, telemetry: NO_TELEMETRY }
    return {
      place: { ...ref, group: source.consumerGroup },
      start: source.start,
      client: slsClient({ ...parts, credentials: credentials(source) }),
    }
  })
}

interface Lags {
  readonly rows: Row[]
  /** Of logstores that could not be asked, or of some of their shards. */
  readonly faults: Array<{ readonly place: Place; readonly shards?: readonly number[]; readonly fault: Fault }>
}

async function lagOfAll(members: readonly Member[], signal: AbortSignal): Promise<Lags> {
  const aFewAtATime = pLimit(SHARDS_AT_A_TIME)
  const lags: Lags = { rows: [], faults: [] }
  const asked = members.map((member) => lagOfGroup(member, aFewAtATime, signal))
  for (const [index, outcome] of (await Promise.allSettled(asked)).entries()) {
    if (outcome.status === 'fulfilled') {
      lags.rows.push(...outcome.value)
      lags.faults.push(...faultsOf(outcome.value))
    } else if (outcome.reason instanceof Fault) {
      lags.faults.push({ place: (members[index] as Member).place, fault: outcome.reason })
    } else if (!signal.aborted) throw outcome.reason
  }
  return lags
}

async function lagOfGroup(
  { client, place, start }: Member,
  aFewAtATime: LimitFunction,
  signal: AbortSignal,
): Promise<Row[]> {
  const shards = await within(LIST_MS, signal, (until) => shardsOfGroup(client, place.group, until))
  return aFewAtATime.map(shards, async (shard) => ({
    place,
    shard: shard.shard,
    status: shard.status ?? null,
    owner: shard.consumer,
    checkpoint: shard.checkpoint,
    ...(await positionOf({ client, shard, start }, signal)),
  }))
}

/** Shards that the service refuses with the same code are told together. */
function faultsOf(rows: readonly Row[]): Lags['faults'] {
  const byCode = Map.groupBy(
    rows.filter(({ fault }) => fault !== undefined),
    ({ fault }) => fault?.code,
  )
  return [...byCode.values()].map((alike) => {
    const [{ place, fault }] = alike as [Row]
    return { place, shards: alike.map(({ shard }) => shard), fault: fault as Fault }
  })
}

/** Rows of a single logstore do not repeat its name. */
function asJson(rows: readonly Row[], members: readonly Member[]): string {
  return rows
    .map(({ place, fault, ...row }) => ({
      ...(members.length > 1 && place),
      ...row,
      ...(fault && { problem: fault.message }),
    }))
    .map((row) => `${escapedJson(JSON.stringify(row))}\n`)
    .join('')
}

/** A server's text in one cell of a table: blanks in it would pass for the borders of others. */
function asCell(text: string): string {
  return isPrintable(text) ? text : JSON.stringify(onOneLine(text))
}

function table(rows: readonly Row[], members: readonly Member[]): string {
  const groups = new Set(members.map(({ place }) => place.group))
  const places: Array<[title: string, key: keyof Place]> =
    members.length === 1
      ? []
      : [['PROJECT', 'project'], ['LOGSTORE', 'logstore'], ...(groups.size > 1 ? [GROUP_COLUMN] : [])]
  const header = [...places.map(([title]) => title), 'SHARD', 'STATUS', 'OWNER', 'LAG', 'GROUPS', 'STATE', 'CHECKPOINT']
  const cells = rows.map((row) => [
    ...places.map(([, key]) => row.place[key]),
    String(row.shard),
    row.status ?? '-',
    row.owner === '' ? '-' : asCell(row.owner),
    row.lagSeconds === null ? '?' : `${row.lagSeconds} s`,
    row.groupsBehind === null ? '?' : String(row.groupsBehind),
    row.state,
    row.checkpoint === '' ? '-' : asCell(row.checkpoint),
  ])
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return `${[header, ...cells].map(line).join('\n')}\n`
}
