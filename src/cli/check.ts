import { randomUUID } from 'node:crypto'
import { mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { request } from 'undici'
import { hecConnection, slsClient } from '../bridge.ts'
import type { Config } from '../config/load.ts'
import { systemClock } from '../core/clock.ts'
import { Fault, messageOf } from '../core/errors.ts'
import { NO_TELEMETRY } from '../core/telemetry.ts'
import { postTestEvent, preflight } from '../sinks/splunk-hec/probe.ts'
import type { SlsClient } from '../sls/client.ts'
import { OfficialClient } from '../sls/official-client.ts'
import type { CommandIo } from './command.ts'
import { EXIT } from './command.ts'
import { configurationOf } from './configuration.ts'
import { USER_AGENT } from './version.ts'

const HELP = `Validate the configuration and try both ends. Ingests nothing and commits nothing; makes DEAD_LETTER_DIR if it is missing.

usage: sls-siem-bridge check [--send-test-event]

  --send-test-event   also post one marked event, the only way to learn whether the token may write to the index
  --help

One line per check, and what to do about each failure. Exit code 0: ready to run; 1: a check failed; 2: the configuration
itself is wrong.
`

/** The documented limit has been 5, 10, 20 and is 30 consumer groups per logstore. */
const GROUP_QUOTA = 30
const SKEW_WARN_SECONDS = 60
const UNREACHABLE = 'unreachable'
const SKEW_LIMIT_SECONDS = 15 * 60

/** A check says what it found, or throws what is wrong. */
interface Check {
  readonly about: string
  readonly run: () => Promise<string>
}

export async function checkCommand(argv: string[], io: CommandIo): Promise<number> {
  let options: { help: boolean; 'send-test-event': boolean }
  try {
    const boolean = { type: 'boolean', default: false } as const
    options = parseArgs({ args: argv, options: { help: boolean, 'send-test-event': boolean } }).values
  } catch (error) {
    io.stderr.write(`sls-siem-bridge check: ${messageOf(error)} (see --help)\n`)
    return EXIT.usage
  }
  if (options.help) {
    io.stdout.write(HELP)
    return EXIT.done
  }
  const configuration = configurationOf(io)
  if (!configuration) return EXIT.usage
  const { config, warnings } = configuration
  const print = (verdict: string, about: string, found: string): void => {
    io.stdout.write(`${verdict.padEnd(4)}  ${about.padEnd(22)} ${found}\n`)
  }
  print('ok', 'configuration', `${config.sls.project}/${config.sls.logstore} → ${config.hec.urls.join(', ')}`)
  for (const warning of warnings) print('warn', 'configuration', warning)
  const client = slsClient(config, NO_TELEMETRY, USER_AGENT)
  const checks = [
    ...slsChecks(config, client, io.signal),
    ...hecChecks(config, options['send-test-event'], io.signal),
    deadLetterCheck(config),
  ]
  let failed = 0
  let slsUnreachable = false
  for (const { about, run } of checks) {
    // The other questions to SLS would only fail again, with less to the point.
    if (slsUnreachable && about.startsWith('SLS')) continue
    try {
      print('ok', about, await run())
    } catch (error) {
      if (io.signal.aborted) break
      failed++
      slsUnreachable ||= error instanceof Fault && error.code === UNREACHABLE
      print('FAIL', about, messageOf(error))
      if (error instanceof Fault && error.advice) io.stdout.write(`${' '.repeat(29)}→ ${error.advice}\n`)
    }
  }
  await client.close()
  return failed === 0 && !io.signal.aborted ? EXIT.done : EXIT.failed
}

function slsChecks(config: Config, client: SlsClient, signal: AbortSignal): Check[] {
  const { sls } = config
  return [
    { about: 'SLS clock', run: () => clockSkew(sls.endpoint, signal) },
    {
      about: 'SLS credentials',
      run: async () => {
        const shards = await client.listShards(signal)
        const readonly = shards.filter((shard) => shard.status === 'readonly').length
        return `accepted; ${shards.length} shards${readonly > 0 ? `, ${readonly} of them read-only` : ''}`
      },
    },
    { about: 'SLS logstore', run: () => logstore(config) },
    { about: 'SLS consumer group', run: () => consumerGroup(config, client, signal) },
    {
      about: 'SLS read permission',
      run: async () => {
        const shard = (await client.listShards(signal))[0]?.shardId ?? 0
        const cursor = await client.getCursor(shard, 'begin', signal)
        const pull = await client.pull(shard, cursor, { count: 1, signal, ...(sls.query && { query: sls.query }) })
        pull.discard()
        return sls.query ? 'logs can be pulled with SLS_QUERY' : 'logs can be pulled'
      },
    },
  ]
}

/** Compares clocks by an unsigned request: its refusal carries the service's time, whatever is wrong with the rest. */
async function clockSkew(endpoint: string, signal: AbortSignal): Promise<string> {
  const { headers, body } = await request(endpoint, { signal, headersTimeout: 10_000 }).catch((error) => {
    throw new Fault('transient', `cannot reach ${endpoint}: ${messageOf(error)}`, {
      code: UNREACHABLE,
      advice: 'Check SLS_ENDPOINT, DNS, and that this machine may reach it (inside a VPC use the -intranet endpoint).',
    })
  })
  await body.dump()
  const logTime = Number(headers['x-log-time'])
  const date = Date.parse(String(headers['date']))
  const theirs = logTime > 0 ? logTime * 1000 : date
  if (Number.isNaN(theirs)) return 'the service does not tell its time'
  const skew = Math.round((Date.now() - theirs) / 1000)
  const said = `this machine is ${Math.abs(skew)} s ${skew < 0 ? 'behind' : 'ahead'}`
  if (Math.abs(skew) > SKEW_LIMIT_SECONDS) {
    const advice = 'SLS refuses requests that are more than 15 minutes off: set the clock (NTP).'
    throw new Fault('configuration', said, { code: 'clock_skew', advice })
  }
  return Math.abs(skew) > SKEW_WARN_SECONDS ? `${said}: mend it before it reaches 15 minutes` : said
}

async function logstore({ sls }: Config): Promise<string> {
  const client = new OfficialClient({
    ...sls,
    ...(sls.stsToken && { securityToken: sls.stsToken }),
    userAgent: USER_AGENT,
    timeoutMs: 10_000,
  })
  try {
    const { ttl } = await client.logstoreMetadata()
    return `kept for ${ttl} days: a bridge that stands still longer than that loses logs`
  } catch (error) {
    const advice = 'Check SLS_PROJECT and SLS_LOGSTORE, and grant log:GetLogStore (only this check needs it).'
    throw new Fault('configuration', messageOf(error), { code: 'logstore', advice })
  } finally {
    client.close()
  }
}

async function consumerGroup({ sls }: Config, client: SlsClient, signal: AbortSignal): Promise<string> {
  const groups = await client.listConsumerGroups(signal)
  const ours = groups.find((group) => group.name === sls.consumerGroup)
  if (ours) {
    const order = ours.inOrder === sls.inOrder ? '' : ' (its order will be changed as SLS_IN_ORDER says)'
    return `${sls.consumerGroup} exists, timeout ${ours.timeoutSeconds} s${order}`
  }
  if (groups.length >= GROUP_QUOTA) {
    const advice = `A logstore takes at most ${GROUP_QUOTA}: delete one that nobody uses, in the console under the logstore.`
    throw new Fault('configuration', `${sls.consumerGroup} is not there and ${groups.length} others are`, {
      code: 'ConsumerGroupQuotaExceed',
      advice,
    })
  }
  return `${sls.consumerGroup} will be created (${groups.length} of at most ${GROUP_QUOTA} exist)`
}

function hecChecks(config: Config, sendTestEvent: boolean, signal: AbortSignal): Check[] {
  const connection = hecConnection(config, NO_TELEMETRY, USER_AGENT)
  return config.hec.urls.flatMap((url) => {
    const reach: Check = {
      about: 'HEC token',
      run: async () => {
        const { ack, gzip } = await preflight(url, connection, signal)
        if (config.hec.ack === true && !ack) {
          throw new Fault('configuration', `${url}: the token has indexer acknowledgement off`, {
            code: '14',
            advice: 'Turn it on for the token, or set SPLUNK_HEC_ACK=auto.',
          })
        }
        const compression = config.hec.gzip && !gzip ? '; takes no gzip, so bodies will be sent plain' : ''
        return `${url}: accepted, indexer acknowledgement ${ack ? 'on' : 'off'}${compression}`
      },
    }
    const event: Check = {
      about: 'HEC test event',
      run: () => postTestEvent(url, connection, testEvent(config), signal),
    }
    return sendTestEvent ? [reach, event] : [reach]
  })
}

function testEvent({ hec, sls }: Config): Buffer {
  const { index, sourcetype, source } = hec
  const event = { message: 'sls-siem-bridge check: this token may write here', group: sls.consumerGroup }
  const fields = { sls_event_id: `check:${randomUUID()}` }
  const time = Math.floor(systemClock.wall() / 1000)
  return Buffer.from(`${JSON.stringify({ time, source, sourcetype, ...(index && { index }), event, fields })}\n`)
}

function deadLetterCheck({ deadLetterDir }: Config): Check {
  return {
    about: 'dead letter',
    run: async () => {
      const path = join(deadLetterDir, `.check-${randomUUID()}`)
      try {
        await mkdir(deadLetterDir, { recursive: true })
        const file = await open(path, 'wx', 0o600)
        await file.write('check\n')
        await file.sync()
        await file.close()
        await unlink(path)
        return `${deadLetterDir} is writable`
      } catch (error) {
        const advice = 'Set DEAD_LETTER_DIR to a folder this user may write, on a disk with room.'
        throw new Fault('configuration', messageOf(error), { code: 'dead_letter', advice })
      }
    },
  }
}
