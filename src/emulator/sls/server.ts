/**
 * A local stand-in for Log Service that official clients run against unchanged: Python, Go, Java and Node SDKs, as
 * `http://<project>.<host>:<port>` or through it as their HTTP forward proxy (absolute-form targets).
 *
 * Implemented: PutLogs (lb, route by hash key, bare; raw, lz4, zstd, deflate, gzip), PullLogs (lz4, zstd, end_cursor,
 * HEAD, `*` and `* | where field = 'v'`), GetCursor, GetCursorTime, shards (list, split, merge, delete), consumer groups
 * (all calls), projects and logstores (create, get, list, update, delete), retention, read quotas, signatures V1
 * (hmac-sha1, hmac-sha256) and V4, STS tokens, scripted faults, an admin API (see sls-admin.ts).
 *
 * Not implemented: `NOT_IMPLEMENTED` below. Everything is in memory.
 */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TlsOptions } from 'node:tls'
import type { FaultScript } from '../faults.ts'
import type { Administered } from './admin.ts'
import type { SlsFaultAction, SlsFaultRule } from './faults.ts'
import { slsFaults } from './faults.ts'
import type { Commit } from './group-api.ts'
import type { HandlerOptions } from './handlers.ts'
import { SlsHandlers } from './handlers.ts'
import { SlsHttp } from './http.ts'
import type { RequestCount } from './requests.ts'
import type { Credential } from './signature.ts'
import type { SlsState } from './state.ts'
import { stateOf } from './state.ts'
import type { SlsStoreOptions } from './store.ts'
import { SlsStore } from './store.ts'

export const NOT_IMPLEMENTED = [
  'queries on logs (GetLogs, GetHistograms), indexes, dashboards, alerts, machine groups, shippers, RAM policies',
  "SPL beyond `*` and `* | where field = 'value'`; consume processors",
  'PutLogs bodies in JSON, batch_group mode, the Prometheus write path, web tracking, object uploads',
  'HTTPS on the command line, CONNECT, query-string signatures; write quotas, automatic shard splits, index and storage tiers',
  'durability: everything is in memory and gone when the process ends',
]

export interface SlsEmulatorOptions extends HandlerOptions, Omit<SlsStoreOptions, 'now'> {
  /** Default 0: a free port. */
  port?: number
  /** Default 127.0.0.1. */
  host?: string
  /** Made at the start. Defaults `emulator`, `audit`, 2 shards. */
  project?: string
  logstore?: string
  shards?: number
  /** Default: made up. */
  accessKeyId?: string
  accessKeySecret?: string
  /** With it every request must carry this STS token. */
  securityToken?: string
  /** More key pairs that are accepted. */
  credentials?: readonly Credential[]
  /** With it HTTPS is spoken. */
  tls?: TlsOptions
  /** Milliseconds since the epoch; default the system's clock. */
  now?: () => number
  /** Verify signatures. Default true; false takes anything, unsigned requests too. */
  strictSignatures?: boolean
  faults?: readonly SlsFaultRule[]
  /** Seed for faults with a probability. */
  faultSeed?: number
}

export interface SlsEmulator extends Administered {
  /** `http://host:port`, or https. */
  readonly url: string
  readonly port: number
  readonly accessKeyId: string
  readonly accessKeySecret: string
  /** What is accepted, by access key id: keys may come and go while it runs. */
  readonly credentials: Map<string, Credential>
  readonly store: SlsStore
  readonly faults: FaultScript<SlsFaultAction>
  /** Every accepted checkpoint, in order. */
  readonly commits: readonly Commit[]
  now(): number
  state(): SlsState
  requests(): RequestCount[]
  /** Stops listening and cuts every connection. */
  close(): Promise<void>
}

/** Rejects with the system's error (`EADDRINUSE` …) when the port cannot be had. */
export async function startSlsEmulator(options: SlsEmulatorOptions = {}): Promise<SlsEmulator> {
  const emulator = new EmulatorProcess(options)
  await emulator.listen(options.port ?? 0)
  return emulator
}

class EmulatorProcess implements SlsEmulator {
  readonly project: string
  readonly logstore: string
  readonly accessKeyId: string
  readonly accessKeySecret: string
  readonly credentials: Map<string, Credential>
  readonly store: SlsStore
  readonly faults: FaultScript<SlsFaultAction>
  readonly commits: Commit[] = []
  readonly now: () => number
  readonly #http: SlsHttp
  readonly #server: Server
  readonly #host: string
  readonly #scheme: string
  #port = 0

  constructor(options: SlsEmulatorOptions) {
    this.now = options.now ?? Date.now
    this.project = options.project ?? 'emulator'
    this.logstore = options.logstore ?? 'audit'
    this.accessKeyId = options.accessKeyId ?? `emulator-${randomBytes(6).toString('hex')}`
    this.accessKeySecret = options.accessKeySecret ?? randomBytes(18).toString('hex')
    this.#host = options.host ?? '127.0.0.1'
    this.faults = slsFaults({
      ...(options.faultSeed !== undefined && { seed: options.faultSeed }),
      ...(options.faults && { rules: options.faults }),
    })
    this.store = new SlsStore({ ...options, now: this.now })
    this.store.createProject(this.project)
    this.store.createLogstore(this.project, this.logstore, { shards: options.shards ?? 2 })
    const accepted = [credentialOf(this, options.securityToken), ...(options.credentials ?? [])]
    this.credentials = new Map(accepted.map((credential) => [credential.accessKeyId, credential]))
    this.#http = new SlsHttp(this, {
      credentials: this.credentials,
      strictSignatures: options.strictSignatures ?? true,
      handlers: new SlsHandlers(this.store, options, (commit) => this.commits.push(commit)),
    })
    // Longer than client pools keep theirs, so that nobody writes into a connection that is just being closed.
    const http = { keepAliveTimeout: 120_000 }
    const { tls } = options
    this.#server = tls ? createTlsServer({ ...tls, ...http }, this.#http.serve) : createServer(http, this.#http.serve)
    this.#scheme = tls ? 'https' : 'http'
  }

  /** Known once it listens; stays known afterwards. */
  get port(): number {
    return this.#port
  }

  get url(): string {
    const host = ['0.0.0.0', '::'].includes(this.#host) ? '127.0.0.1' : this.#host
    return `${this.#scheme}://${host.includes(':') ? `[${host}]` : host}:${this.port}`
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, this.#host, () => {
        this.#server.off('error', reject)
        this.#port = (this.#server.address() as AddressInfo).port
        resolve()
      })
    })
  }

  state(): SlsState {
    return stateOf(this.store, this.now())
  }

  requests(): RequestCount[] {
    return this.#http.counts.list()
  }

  close(): Promise<void> {
    this.#http.close()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}

function credentialOf(keys: { accessKeyId: string; accessKeySecret: string }, securityToken?: string): Credential {
  const { accessKeyId, accessKeySecret } = keys
  return { accessKeyId, accessKeySecret, ...(securityToken !== undefined && { securityToken }) }
}
