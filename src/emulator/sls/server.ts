/**
 * A local stand-in for Log Service that official clients run against unchanged: Python, Go, Java and Node SDKs, as
 * `http://<project>.<host>:<port>` or through it as their HTTP forward proxy (absolute-form targets).
 *
 * Implemented: PutLogs (lb, route by hash key, bare; raw, lz4, zstd, deflate, gzip), PullLogs (lz4, zstd, end_cursor,
 * HEAD, `*` and `* | where field = 'v'`), GetCursor, GetCursorTime, shards (list, split, merge, delete), consumer groups
 * (all calls), projects and logstores (create, get, list, update, delete), retention, read quotas, signatures V1
 * (hmac-sha1, hmac-sha256) and V4, STS tokens, scripted faults, an admin API (admin.ts).
 *
 * Not implemented: `NOT_IMPLEMENTED` below. Everything is in memory.
 *
 * This module is the package's `sls-siem-bridge/emulator/sls`. docs/emulator.md documents its exports. Members marked
 * `@internal` are left out of the published types.
 */
import { randomBytes } from 'node:crypto'
import { MAX_PENDING_BYTES } from '../body-room.ts'
import { ControlDoor } from '../control-door.ts'
import type { ListenOptions } from '../listener.ts'
import { Listener } from '../listener.ts'
import type { WaitOptions } from '../watch.ts'
import type { SlsFaultRule } from './faults.ts'
import { SlsFaults } from './faults.ts'
import type { Commit } from './group-api.ts'
import { SlsHttp } from './http.ts'
import type { Logstore, LogstoreOptions } from './logstore.ts'
import type { RequestCount } from './requests.ts'
import type { Credential } from './signature.ts'
import type { SlsState } from './state.ts'
import { SlsStore } from './store.ts'

export type { SlsFaultAction, SlsFaultRule, SlsFaults } from './faults.ts'
export type { Commit } from './group-api.ts'
export type { ExpireOptions, LogContents, LogGroupFields, Logstore, LogstoreOptions, StoredLog } from './logstore.ts'
export type { Shard } from './shard.ts'
export type { ConsumerGroupState, LogstoreState, ShardState, SlsState } from './state.ts'
export type { SlsEmulator }

export const NOT_IMPLEMENTED = [
  'queries on logs (GetLogs, GetHistograms), indexes, dashboards, alerts, machine groups, shippers, RAM policies',
  "SPL beyond `*` and `* | where field = 'value'`; consume processors",
  'PutLogs bodies in JSON, batch_group mode, the Prometheus write path, web tracking, object uploads',
  'HTTPS on the command line, CONNECT, query-string signatures; write quotas, automatic shard splits, index and storage tiers',
  'durability: everything is in memory and gone when the process ends',
]

/** Options of a logstore, given here, count for every logstore that has none of its own. */
export interface SlsEmulatorOptions extends ListenOptions, LogstoreOptions {
  /**
   * Projects made at the start, each with its logstores and their own options. Default `{ emulator: { audit: {} } }`.
   */
  projects?: Readonly<Record<string, Readonly<Record<string, LogstoreOptions>>>>
  /** Default: made up. */
  accessKeyId?: string
  accessKeySecret?: string
  /** With it every request must carry this STS token. */
  securityToken?: string
  /** More key pairs that are accepted. */
  credentials?: readonly Credential[]
  /** Verify signatures. Default true; false takes anything, unsigned requests too. */
  strictSignatures?: boolean
  /** Bytes of bodies that are not answered yet, over all connections. One that would exceed it is answered 503 ServerBusy. Default 64 MiB. */
  maxPendingBytes?: number
  /** Milliseconds since the epoch. Default: the system's clock. */
  now?: () => number
  faults?: readonly SlsFaultRule[]
  /** Seed for faults with a probability. Default 1. */
  faultSeed?: number
}

/** Rejects with the system's error (`EADDRINUSE` …) when the port can't be had. */
export async function startSlsEmulator(options: SlsEmulatorOptions = {}): Promise<SlsEmulator> {
  const emulator = new SlsEmulator(options)
  await emulator.listen()
  return emulator
}

class SlsEmulator implements AsyncDisposable {
  readonly accessKeyId: string
  readonly accessKeySecret: string
  /** Key pairs that are accepted, by access key id. They may come and go while it runs. */
  readonly credentials: Map<string, Credential>
  readonly faults: SlsFaults
  readonly #door = new ControlDoor()
  readonly #store: SlsStore
  readonly #http: SlsHttp
  readonly #listener: Listener

  /** @internal */
  constructor(options: SlsEmulatorOptions) {
    const { port, host, tls, projects = { emulator: { audit: {} } }, ...rest } = options
    const { accessKeyId, accessKeySecret, securityToken, credentials = [], strictSignatures = true, ...others } = rest
    const {
      maxPendingBytes = MAX_PENDING_BYTES,
      now = Date.now,
      faults: rules = [],
      faultSeed: seed = 1,
      ...defaults
    } = others
    this.accessKeyId = accessKeyId ?? `emulator-${randomBytes(6).toString('hex')}`
    this.accessKeySecret = accessKeySecret ?? randomBytes(18).toString('hex')
    const keyPair = { accessKeyId: this.accessKeyId, accessKeySecret: this.accessKeySecret }
    const accepted = [{ ...keyPair, ...(securityToken !== undefined && { securityToken }) }, ...credentials]
    this.credentials = new Map(accepted.map((credential) => [credential.accessKeyId, credential]))
    this.#store = new SlsStore(now, defaults)
    for (const [project, logstores] of Object.entries(projects)) {
      this.#store.createProject(project)
      for (const [name, own] of Object.entries(logstores)) this.#store.createLogstore(project, name, own)
    }
    this.faults = new SlsFaults({ rules, seed, watch: this.#store.watch })
    const accepts = strictSignatures ? this.credentials : undefined
    this.#http = new SlsHttp({
      store: this.#store,
      faults: this.faults,
      door: this.#door,
      credentials: accepts,
      maxPendingBytes,
    })
    // Longer than client pools keep theirs, so that no client writes into a connection that is just being closed.
    this.#listener = new Listener(options, { keepAliveTimeout: 120_000 }, this.#http.serve)
  }

  /** @internal */
  listen(): Promise<void> {
    return this.#listener.listen()
  }

  get port(): number {
    return this.#listener.port
  }

  /** `http://host:port`, or https: the endpoint of a client. */
  get url(): string {
    return this.#listener.url
  }

  /** Shown in the header `x-control-secret`, it opens `/_emulator/…` to other machines, too. */
  get controlSecret(): string {
    return this.#door.secret
  }

  /** Settings of a bridge that reads the logstore; without names, the first one. */
  environment(project?: string, logstore?: string) {
    const { securityToken } = this.credentials.get(this.accessKeyId) ?? {}
    const { project: SLS_PROJECT, name: SLS_LOGSTORE } = this.logstore(project, logstore)
    return {
      SLS_ENDPOINT: this.url,
      SLS_AK_ID: this.accessKeyId,
      SLS_AK_KEY: this.accessKeySecret,
      ...(securityToken !== undefined && { SLS_STS_TOKEN: securityToken }),
      ...{ SLS_PROJECT, SLS_LOGSTORE },
    }
  }

  /** A logstore by its names; without them the first. Throws when it does not exist. */
  logstore(project?: string, name?: string): Logstore {
    return this.#store.logstore(project, name)
  }

  /** Every checkpoint that was accepted, of all logstores, in order. */
  get commits(): readonly Commit[] {
    return this.#store.commits
  }

  /** Requests answered so far, counted by API, status and code. */
  requests(): RequestCount[] {
    return this.#http.requests.list()
  }

  state(): SlsState {
    return this.#store.state()
  }

  /**
   * Resolves with the first truthy value of `met`, which is asked now and after every request and write. Rejects when
   * that takes too long, and when the emulator closes.
   */
  until<T>(met: () => T, wait?: WaitOptions): Promise<NonNullable<T>> {
    return this.#store.watch.until(met, wait)
  }

  /** Stops listening, cuts every connection, and rejects every wait that is left. */
  async close(): Promise<void> {
    this.#http.close()
    this.#store.watch.close()
    await this.#listener.close(0)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
