import pLimit from 'p-limit'
import type { Single } from '../config/single.ts'
import { Fault } from '../core/errors.ts'
import { NO_TELEMETRY } from '../core/telemetry.ts'
import { slsClient } from '../parts.ts'
import type { ShardStatus, SlsClient } from '../sls/client.ts'
import { cursorNumber } from '../sls/cursor.ts'
import { shardsOfGroup } from '../sls/group-shards.ts'
import { command, EXIT, flag, withAdvice } from './command.ts'
import { singleConfigurationOf } from './configuration.ts'
import { sleepUnlessEnded } from './sleep.ts'

const HELP = `Show for every shard how far the consumer group is behind. SLS itself is asked.

usage: sls-siem-bridge lag [--watch] [--json]

  --watch   repeat every 2 seconds until stopped
  --json    one JSON object per shard and line
  --help

Reads the SLS_… settings (environment or .env); needs no SIEM settings and no running replica.

OWNER is the consumer that committed last. The service tells only the holder of a shard that it holds it.
LAG is the age, by the service's receive time, of the first log group after the checkpoint. GROUPS counts the log groups
after the checkpoint.
`

const WATCH_MS = 2_000
const SHARDS_AT_A_TIME = 8

interface ShardLagRow {
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

export const lagCommand = command({
  name: 'lag',
  help: HELP,
  configured: true,
  options: { watch: flag, json: flag },
  async run({ watch, json }, io) {
    const { config } = await singleConfigurationOf(io, [])
    const { sls, proxies } = config
    const client = slsClient({ source: sls, logstore: sls.logstore, proxies, telemetry: NO_TELEMETRY })
    try {
      do {
        try {
          const rows = await lagOfGroup(client, config, io.signal)
          io.stdout.write(json ? asJson(rows) : watch ? `${new Date().toISOString()}\n${table(rows)}\n` : table(rows))
        } catch (error) {
          if (io.signal.aborted) return EXIT.done
          // A user who watches wants to see the end of the fault too.
          if (!watch || !(error instanceof Fault)) throw error
          io.stderr.write(`sls-siem-bridge lag: ${withAdvice(error)}\n`)
        }
      } while (watch && (await sleepUnlessEnded(WATCH_MS, io.signal)))
      return EXIT.done
    } finally {
      await client.close()
    }
  },
})

async function lagOfGroup(client: SlsClient, { sls }: Single, signal: AbortSignal): Promise<ShardLagRow[]> {
  const shards = await shardsOfGroup(client, sls.consumerGroup, signal)
  const aFewAtATime = pLimit(SHARDS_AT_A_TIME)
  return aFewAtATime.map(shards, async ({ shard, status = null, consumer, checkpoint }) => ({
    shard,
    status,
    owner: consumer,
    checkpoint,
    ...(await behind(client, { shard, status, checkpoint }, signal)),
  }))
}

async function behind(
  client: SlsClient,
  { shard, status, checkpoint }: Pick<ShardLagRow, 'shard' | 'status' | 'checkpoint'>,
  signal: AbortSignal,
): Promise<Pick<ShardLagRow, 'lagSeconds' | 'groupsBehind' | 'state'>> {
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
  const receivedAt = await client.getCursorTime(shard, expired ? begin : from, signal)
  return {
    lagSeconds: Math.max(0, Math.round(Date.now() / 1000 - receivedAt)),
    groupsBehind: first === undefined || last === undefined ? null : Number(last - first),
    state: expired ? 'expired' : checkpoint === '' ? 'not started' : 'behind',
  }
}

function asJson(rows: ShardLagRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
}

function table(rows: ShardLagRow[]): string {
  const header = ['SHARD', 'STATUS', 'OWNER', 'LAG', 'GROUPS', 'STATE', 'CHECKPOINT']
  const cells = rows.map((row) => [
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
