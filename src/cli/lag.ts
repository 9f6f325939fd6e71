import type { LimitFunction } from 'p-limit'
import pLimit from 'p-limit'
import type { Config } from '../config/model.ts'
import { Fault } from '../core/errors.ts'
import { NO_TELEMETRY } from '../core/telemetry.ts'
import { credentialSources, logstoresOf, slsClient } from '../parts.ts'
import type { ShardStatus, SlsClient } from '../sls/client.ts'
import { cursorNumber } from '../sls/cursor.ts'
import { shardsOfGroup } from '../sls/group-shards.ts'
import { command, EXIT, endOf, flag, withAdvice } from './command.ts'
import { configurationOf } from './configuration.ts'
import { sleepUnlessEnded } from './sleep.ts'

const HELP = `Show for every shard how far the consumer group is behind. SLS itself is asked.

usage: sls-siem-bridge lag [--config FILE] [--watch] [--json]

  --config FILE   the configuration file (default: BRIDGE_CONFIG; without one, the environment)
  --watch         repeat every 2 seconds until stopped
  --json          one JSON object per shard and line; with several logstores also with source, project, logstore and group
  --help

Reads the SLS_… settings (environment or .env) or the sources of the configuration file; needs no SIEM settings and no
running replica. Exit code 1 if a logstore could not be asked; the others are shown.

OWNER is the consumer that committed last. The service tells only the holder of a shard that it holds it.
LAG is the age, by the service's receive time, of the first log group after the checkpoint. GROUPS counts the log groups
after the checkpoint.
`

const WATCH_MS = 2_000
const SHARDS_AT_A_TIME = 8
const GROUP_COLUMN: [title: string, key: keyof Place] = ['GROUP', 'group']

/** A logstore and its consumer group. */
interface Place {
  readonly source: string
  readonly project: string
  readonly logstore: string
  readonly group: string
}

interface ShardLag {
  shard: number
  /** `null` if the service does not tell. */
  status: ShardStatus | null
  /** The consumer that committed last, `''` if none has. */
  owner: string
  checkpoint: string
  /** Seconds; 0 when caught up. */
  lagSeconds: number
  /** Log groups after the checkpoint; `null` if the cursors are not numbers. */
  groupsBehind: number | null
  state: 'caught up' | 'behind' | 'finished' | 'not started' | 'expired'
}

type Row = ShardLag & { readonly place: Place }

export const lagCommand = command({
  name: 'lag',
  help: HELP,
  configured: true,
  options: { watch: flag, json: flag },
  async run({ watch, json }, io) {
    const { config } = await configurationOf(io, ['service'])
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
        for (const { place, fault } of faults) {
          const where = members.length > 1 ? `${place.project}/${place.logstore}: ` : ''
          io.stderr.write(`sls-siem-bridge lag: ${where}${withAdvice(fault)}\n`)
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
  readonly client: SlsClient
}

function membersOf(config: Config): Member[] {
  const credentials = credentialSources(NO_TELEMETRY)
  return logstoresOf(config).map(({ source, ref }) => {
    const parts = { source, logstore: ref.logstore, proxies: config.proxies, telemetry: NO_TELEMETRY }
    return {
      place: { ...ref, group: source.consumerGroup },
      client: slsClient({ ...parts, credentials: credentials(source) }),
    }
  })
}

interface Lags {
  readonly rows: Row[]
  /** Of logstores that could not be asked. */
  readonly faults: Array<{ readonly place: Place; readonly fault: Fault }>
}

async function lagOfAll(members: readonly Member[], signal: AbortSignal): Promise<Lags> {
  const aFewAtATime = pLimit(SHARDS_AT_A_TIME)
  const lags: Lags = { rows: [], faults: [] }
  const asked = members.map(({ place, client }) => lagOfGroup(client, place, aFewAtATime, signal))
  for (const [index, outcome] of (await Promise.allSettled(asked)).entries()) {
    if (outcome.status === 'fulfilled') lags.rows.push(...outcome.value)
    else if (outcome.reason instanceof Fault) {
      lags.faults.push({ place: (members[index] as Member).place, fault: outcome.reason })
    } else if (!signal.aborted) throw outcome.reason
  }
  return lags
}

async function lagOfGroup(
  client: SlsClient,
  place: Place,
  aFewAtATime: LimitFunction,
  signal: AbortSignal,
): Promise<Row[]> {
  const shards = await shardsOfGroup(client, place.group, signal)
  return aFewAtATime.map(shards, async ({ shard, status = null, consumer, checkpoint }) => ({
    place,
    shard,
    status,
    owner: consumer,
    checkpoint,
    ...(await behind(client, { shard, status, checkpoint }, signal)),
  }))
}

async function behind(
  client: SlsClient,
  { shard, status, checkpoint }: Pick<ShardLag, 'shard' | 'status' | 'checkpoint'>,
  signal: AbortSignal,
): Promise<Pick<ShardLag, 'lagSeconds' | 'groupsBehind' | 'state'>> {
  const [begin, end] = await Promise.all([
    client.getCursor(shard, 'begin', signal),
    client.getCursor(shard, 'end', signal),
  ])
  const from = checkpoint === '' ? begin : checkpoint
  if (from === end) {
    return {
      lagSeconds: 0,
      groupsBehind: 0,
      state: status === 'readonly' && checkpoint !== '' ? 'finished' : 'caught up',
    }
  }
  const first = cursorNumber(from)
  const oldest = cursorNumber(begin)
  const last = cursorNumber(end)
  const expired = first !== undefined && oldest !== undefined && first < oldest
  const groupsBehind = first === undefined || last === undefined ? null : Number(last - first)
  // Everything unread has expired: no log waits, and the end has no time to ask for.
  if (expired && begin === end) return { lagSeconds: 0, groupsBehind, state: 'expired' }
  const receivedAt = await client.getCursorTime(shard, expired ? begin : from, signal)
  return {
    lagSeconds: Math.max(0, Math.round(Date.now() / 1000 - receivedAt)),
    groupsBehind,
    state: expired ? 'expired' : checkpoint === '' ? 'not started' : 'behind',
  }
}

/** Rows of a single logstore do not repeat its name. */
function asJson(rows: readonly Row[], members: readonly Member[]): string {
  return rows
    .map(({ place, ...row }) => (members.length > 1 ? { ...place, ...row } : row))
    .map((row) => `${JSON.stringify(row)}\n`)
    .join('')
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
    row.owner || '-',
    `${row.lagSeconds} s`,
    row.groupsBehind === null ? '?' : String(row.groupsBehind),
    row.state,
    row.checkpoint || '-',
  ])
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return `${[header, ...cells].map(line).join('\n')}\n`
}
