import type { Config, SourceConfig } from '../../config/model.ts'
import { regionOf } from '../../config/region.ts'
import { Fault, messageOf } from '../../core/errors.ts'
import { Connections } from '../../net/connections.ts'
import type { ListedGroup, Shard, SlsClient } from '../../sls/client.ts'
import type { CredentialSource } from '../../sls/credentials.ts'
import { faultOfTransport, RAM_ACTIONS, serverTime } from '../../sls/errors.ts'
import { OfficialClient } from '../../sls/official-client.ts'
import { USER_AGENT } from '../../version.ts'
import type { Blamed, Check, Finding } from './finding.ts'
import { ok, skip, warn } from './finding.ts'

/** Consumer groups per logstore. The documented limit was 5, 10 and 20, and is 30; the vendor raises it on request. */
const GROUP_QUOTA = 30
const SKEW_WARN_SECONDS = 60
const SKEW_LIMIT_SECONDS = 15 * 60
const TIMEOUT_MS = 10_000

/** One logstore. */
export interface LogstoreEnd {
  readonly sls: SourceConfig & { readonly logstore: string }
  readonly proxies: Config['proxies']
  /** Its settings are keys of the configuration file, and not variables. */
  readonly inFile: boolean
}

export interface SlsAsked {
  readonly config: LogstoreEnd
  readonly client: SlsClient
  readonly credentials: CredentialSource
}

export function slsChecks({ config, client, credentials }: SlsAsked): Check[] {
  const { sls } = config
  const shards = remembered((signal) => client.listShards(signal))
  const greeting = remembered((signal) => greet(config, signal))
  const groups = remembered((signal) => client.listConsumerGroups(signal))
  return [
    { about: 'SLS address', opens: 'sls', run: async (signal) => ok(`${(await greeting(signal)).host} answers`) },
    { about: 'SLS clock', behind: 'sls', opens: 'sls-time', run: async (signal) => clockSkew(await greeting(signal)) },
    { about: 'SLS signature', run: async () => signature(config) },
    {
      about: 'SLS credentials',
      behind: 'sls-time',
      opens: 'sls-access',
      run: async (signal) => shardsFound(await shards(signal)),
      blames: blamedForAccess,
    },
    { about: 'SLS logstore', behind: 'sls-access', run: () => logstore(config, credentials) },
    {
      about: 'SLS consumer group',
      behind: 'sls-access',
      run: async (signal) => groupFound(config, await groups(signal)),
    },
    {
      about: 'SLS consumer name',
      behind: 'sls-access',
      run: async (signal) => {
        const exists = (await groups(signal)).some(({ name }) => name === sls.consumerGroup)
        return exists ? consumerName(config, client, signal) : skip('not in use: the group does not exist yet')
      },
    },
    {
      about: 'SLS read permission',
      behind: 'sls-access',
      opens: 'sls-read',
      run: async (signal) => readPermission(client, await shards(signal), signal),
    },
    {
      about: 'SLS query',
      behind: 'sls-read',
      opens: 'sls-query',
      run: async (signal) => {
        const setting = config.inFile ? 'query' : 'SLS_QUERY'
        if (sls.query === undefined) return skip(`the source has no ${setting}`)
        await pullOne(client, await shards(signal), sls.query, signal)
        return ok(`Log Service accepts ${setting}`)
      },
    },
    {
      about: 'SLS write permission',
      behind: 'sls-access',
      run: async (signal) => writePermission(config, await groups(signal).catch(() => [])),
    },
  ]
}

/** Asks once and remembers the answer. A failure is not remembered. */
function remembered<T>(ask: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let known: { value: T } | undefined
  return async (signal) => {
    known ??= { value: await ask(signal) }
    return known.value
  }
}

/** The first signed request fails for other reasons than the keys, too. */
function blamedForAccess({ code }: Fault): Blamed | undefined {
  if (/^Project/.test(code)) return { about: 'SLS project' }
  if (/^Log[Ss]tore/.test(code)) return { about: 'SLS logstore' }
  if (!/^(corrupt_response|http_\d+|timeout|e[a-z_]+|und_err_\w+)$/.test(code)) return undefined
  const advice = 'What answers there is not Log Service: check SLS_ENDPOINT, and proxies on the way.'
  return { about: 'SLS address', advice }
}

interface Greeting {
  readonly host: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Ours, in milliseconds, when the answer came. */
  readonly at: number
}

/** An unsigned request. The service refuses it, and the refusal carries the service's time. */
async function greet({ sls, proxies }: LogstoreEnd, signal: AbortSignal): Promise<Greeting> {
  const { endpoint, project, logstore } = sls
  const connect = { timeoutMs: TIMEOUT_MS, proxies }
  const connections = new Connections(endpoint, { connect, headersTimeout: TIMEOUT_MS })
  const { host } = new URL(endpoint)
  const asked = connections.request({ method: 'GET', path: '/', signal })
  const { headers, body } = await asked.catch(async (error) => {
    await connections.end()
    const fault = faultOfTransport({ api: 'ListShards', host, project, logstore }, error)
    if (!(fault instanceof Fault) || fault.kind === 'configuration') throw fault
    throw new Fault('transient', fault.message, {
      code: 'unreachable',
      cause: error,
      advice: adviceOfNetwork(host, fault.advice),
    })
  })
  // The headers are enough, and the body may have no end.
  body.on('error', () => {}).destroy()
  const at = Date.now()
  await connections.end()
  return { host, headers, at }
}

function adviceOfNetwork(host: string, advice?: string): string {
  if (/-intranet\./.test(host)) {
    const elsewhere = host.replace('-intranet.', '.')
    return `The -intranet endpoint answers only inside a VPC of its region. Elsewhere, SLS_ENDPOINT is ${elsewhere}.`
  }
  return advice ?? 'Check SLS_ENDPOINT, DNS and the network of this machine. Inside a VPC use the -intranet endpoint.'
}

function clockSkew({ headers, at }: Greeting): Finding {
  const theirs = serverTime((name) => headers[name]?.toString())
  if (theirs === undefined) return warn('the service does not tell its time')
  const skew = Math.round((at - theirs) / 1000)
  const said = `the clock of this machine is ${Math.abs(skew)} s ${skew < 0 ? 'behind' : 'ahead'}`
  const advice = 'SLS refuses requests whose time is more than 15 minutes off. Set the clock (NTP).'
  if (Math.abs(skew) > SKEW_LIMIT_SECONDS) throw new Fault('configuration', said, { code: 'clock_skew', advice })
  return Math.abs(skew) > SKEW_WARN_SECONDS ? warn(said, advice) : ok(said)
}

function signature({ sls, inFile }: LogstoreEnd): Finding {
  if (sls.region !== undefined) return ok(`V4 (HMAC-SHA256) for ${sls.region}`)
  const region = regionOf(sls.endpoint)
  const v1 = 'V1 (HMAC-SHA1, and MD5 of bodies)'
  if (region === undefined) return ok(`${v1}, because the region is not known; with it, V4 signs with SHA-256`)
  const setting = inFile ? `region: ${region}` : `SLS_REGION=${region}`
  return warn(`${v1}, although the endpoint tells the region`, `Set ${setting}: V4 signs with SHA-256.`)
}

function shardsFound(shards: readonly Shard[]): Finding {
  if (shards.some(({ status }) => status === undefined)) {
    return warn(
      `accepted; ${shards.length} shards, and Log Service does not tell which of them are read-only`,
      'With SLS_IN_ORDER=true the new shards of a split may have to wait until their parent gets its last checkpoint.',
    )
  }
  const readonly = shards.filter(({ status }) => status === 'readonly').length
  if (shards.length === readonly) {
    const found = shards.length === 0 ? 'the logstore has no shards' : 'all shards are read-only'
    return warn(
      `accepted; ${found}`,
      'No new log can be written to it. Check that SLS_LOGSTORE is the logstore of your logs.',
    )
  }
  return ok(`accepted; ${shards.length} shards${readonly > 0 ? `, ${readonly} of them read-only` : ''}`)
}

async function logstore({ sls, proxies }: LogstoreEnd, credentials: CredentialSource): Promise<Finding> {
  const { endpoint, project, logstore: name } = sls
  const client = new OfficialClient({
    ...{ endpoint, project, logstore: name },
    ...(await credentials.get()),
    userAgent: USER_AGENT,
    timeoutMs: TIMEOUT_MS,
    proxies,
  })
  try {
    const { ttl } = await client.logstoreMetadata()
    if (ttl === undefined) return skip('retention not known: Log Service does not tell it')
    if (typeof ttl !== 'number') throw new Error('the answer does not come from Log Service')
    return ok(`logs are kept for ${ttl} days. A bridge that stops for longer loses logs`)
  } catch (error) {
    const { code } = error as { code?: unknown }
    // A replica never asks this, so a missing right must not keep it from starting.
    if (wasRefused(error))
      return skip(`retention not known: ${messageOf(error)}. Only this check needs log:GetLogStore`)
    throw new Fault('transient', messageOf(error), { code: typeof code === 'string' ? code : 'logstore' })
  } finally {
    client.close()
  }
}

/** Whether the error is a lasting answer of the service. The vendor's client gives network errors no request id. */
function wasRefused(error: unknown): boolean {
  const { code, requestid } = error as { code?: unknown; requestid?: unknown }
  return (
    requestid !== undefined && !/^(ServerBusy|InternalServerError|RequestTimeout|\w*Exceed(ed)?)$/.test(String(code))
  )
}

function groupFound({ sls }: LogstoreEnd, groups: readonly ListedGroup[]): Finding {
  const ours = groups.find(({ name }) => name === sls.consumerGroup)
  if (!ours) {
    if (groups.length < GROUP_QUOTA) {
      return ok(`${sls.consumerGroup} will be created (${groups.length} exist, the usual quota is ${GROUP_QUOTA})`)
    }
    return warn(
      `${sls.consumerGroup} does not exist, and ${groups.length} other groups do`,
      `A logstore has room for ${GROUP_QUOTA}, unless its quota was raised. Then delete one that is not used, in the console under the logstore.`,
    )
  }
  const timeout = sls.groupTimeoutMs / 1000
  const changes = [
    ...(ours.timeoutSeconds === timeout ? [] : [`timeout from ${ours.timeoutSeconds ?? 'unknown'} to ${timeout} s`]),
    ...(ours.inOrder === sls.inOrder ? [] : [`order from ${ours.inOrder ?? 'unknown'} to ${sls.inOrder}`]),
  ]
  if (changes.length === 0) return ok(`${sls.consumerGroup} exists, timeout ${timeout} s`)
  return warn(
    `${sls.consumerGroup} exists; a replica will change its ${changes.join(' and its ')}`,
    'Give all replicas of a group the same SLS_HEARTBEAT_SECONDS and SLS_IN_ORDER.',
  )
}

/** A recent commit under our name shows a replica with this name. The service tells each consumer only its own shards. */
async function consumerName({ sls }: LogstoreEnd, client: SlsClient, signal: AbortSignal): Promise<Finding> {
  const checkpoints = await client.getCheckpoints(sls.consumerGroup, undefined, signal)
  const own = checkpoints.filter(({ consumer }) => consumer === sls.consumer)
  const ageSeconds = Math.round(Date.now() / 1000 - Math.max(0, ...own.map(({ updateTime }) => updateTime / 1e6)))
  if (ageSeconds * 1000 > sls.groupTimeoutMs)
    return ok(
      `no commit under ${sls.consumer} in the last ${sls.groupTimeoutMs / 1000} s; an idle replica commits nothing`,
    )
  return warn(
    `${sls.consumer} committed ${Math.max(0, ageSeconds)} s ago`,
    'This is fine if it was this replica before a restart. If another replica runs under this name, both read the same shards. Set SLS_CONSUMER.',
  )
}

async function readPermission(client: SlsClient, shards: readonly Shard[], signal: AbortSignal): Promise<Finding> {
  const shard = shards[0]?.shardId ?? 0
  const cursor = await pullOne(client, shards, undefined, signal)
  const end = await client.getCursor(shard, 'end', signal)
  if (cursor === end) return ok(`logs can be pulled; shard ${shard} holds none yet`)
  const hours = (await client.getGroupAge(shard, cursor, signal)) / 3600
  const age = hours < 48 ? `${hours.toFixed(1)} hours` : `${Math.round(hours / 24)} days`
  return ok(`logs can be pulled; the oldest of shard ${shard} came ${age} ago`)
}

/** Returns the cursor it pulled from. */
async function pullOne(
  client: SlsClient,
  shards: readonly Shard[],
  query: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const shard = shards[0]?.shardId ?? 0
  const cursor = await client.getCursor(shard, 'begin', signal)
  const pull = await client.pull(shard, cursor, { count: 1, signal, ...(query === undefined ? {} : { query }) })
  pull.discard()
  return cursor
}

/** A trial would join the group, or move a checkpoint. */
function writePermission({ sls }: LogstoreEnd, groups: readonly ListedGroup[]): Finding {
  const exists = groups.some(({ name }) => name === sls.consumerGroup)
  const actions = [
    ...(exists ? [] : [RAM_ACTIONS.CreateConsumerGroup]),
    RAM_ACTIONS.UpdateConsumerGroup,
    RAM_ACTIONS.ConsumerGroupHeartBeat,
    RAM_ACTIONS.ConsumerGroupUpdateCheckPoint,
  ]
  return skip(`not tried, because a trial changes the group. The policy must grant ${actions.join(', ')}`)
}
