import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { Secret } from '../../src/core/secret.ts'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import { startSlsEmulator } from '../../src/emulator/sls/server.ts'
import { resolveEndpoint } from '../../src/sls/endpoint.ts'
import type { Credentials } from '../../src/sls/signature.ts'
import { percentEncode, signV1, signV4 } from '../../src/sls/signature.ts'
import type { SlsAccess, Subject } from './subject.ts'

export interface SlsRequest {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  /** Decoded. */
  path: string
  query?: Readonly<Record<string, string>>
  /** Overrides the default headers; `undefined` removes a header. */
  headers?: Readonly<Record<string, string | undefined>>
  /** Everything except bytes is sent as JSON. */
  body?: unknown
  /** Default: the bridge's signature with this access. */
  sign?: 'v1' | 'v1-sha256' | { region: string }
  credentials?: Partial<Credentials>
  project?: string
  /** Added to the date of the signature. */
  skewMs?: number
  /** Changes headers after signing. */
  tamper?: (headers: Record<string, string>) => void
}

export interface SlsAnswer {
  status: number
  /** `ok`, the service's error code, or `no code`. */
  code: string
  header: (name: string) => string | undefined
  body: Buffer
  json: <T>() => T
}

/** Temporary refusals, which are retried a little later. */
const LATER = new Set(['ReadQuotaExceed', 'WriteQuotaExceed', 'ShardReadQuotaExceed', 'ShardWriteQuotaExceed'])
const ATTEMPTS = 8

/** The tested Log Service, our emulator or the real one. It changes only what it created itself. */
export class SlsService {
  /** Prefix of the names of everything it creates. */
  readonly prefix: string
  readonly access: SlsAccess
  readonly subject: Subject
  /** Set if the emulator is tested: for actions that only its owner can do. */
  readonly emulator: SlsEmulator | undefined
  readonly #agent = new Agent()
  readonly #created = new Set<string>()
  readonly #clock: { aheadMs: number }

  static async start(subject: Subject): Promise<SlsService> {
    const clock = { aheadMs: 0 }
    if (subject.sls) return new SlsService(subject, subject.sls, undefined, clock)
    const emulator = await startSlsEmulator({
      projects: { conformance: { audit: {} } },
      now: () => Date.now() + clock.aheadMs,
    })
    const { url: endpoint, accessKeyId, accessKeySecret } = emulator
    const { project } = emulator.logstore()
    const credentials = { accessKeyId, accessKeySecret: new Secret(accessKeySecret) }
    const access = { endpoint, project, credentials, region: undefined, oldLogstore: undefined }
    return new SlsService(subject, access, emulator, clock)
  }

  private constructor(
    subject: Subject,
    access: SlsAccess,
    emulator: SlsEmulator | undefined,
    clock: { aheadMs: number },
  ) {
    this.subject = subject
    this.access = access
    this.emulator = emulator
    this.#clock = clock
    this.prefix = `sls-siem-bridge-conformance-${Date.now().toString(36)}`
  }

  get judged(): string {
    return this.emulator ? 'our SLS emulator' : `Log Service at ${this.access.endpoint}, project ${this.access.project}`
  }

  /** Whether a costly test may run; always true for the emulator. */
  allows(what: 'large' | 'quota'): boolean {
    return this.emulator !== undefined || this.subject[what]
  }

  now(): number {
    return Date.now() + this.#clock.aheadMs
  }

  /** Lets time pass: turns the emulator's clock, or waits for the real service. */
  async pass(ms: number): Promise<void> {
    if (this.emulator) this.#clock.aheadMs += ms
    else await sleep(ms)
  }

  /** Observes every second until `done`. Returns the last observation, even if not done. */
  async until<T>(look: () => Promise<T>, done: (seen: T) => boolean, seconds = 30): Promise<T> {
    const deadline = this.now() + seconds * 1000
    for (;;) {
      const seen = await look()
      if (done(seen) || this.now() >= deadline) return seen
      await this.pass(1000)
    }
  }

  async call(given: SlsRequest): Promise<SlsAnswer> {
    this.#assertOwn(given)
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#exchange(given)
      this.#forgetRefused(given, answer)
      const temporary = answer.status >= 500 || LATER.has(answer.code)
      if (!temporary || attempt === ATTEMPTS) return answer
      await this.pass(1000 * attempt)
    }
  }

  /** Creates an empty logstore with a retention of one day. This run deletes it. */
  async createLogstore(suffix: string, shards: number): Promise<string> {
    const name = `${this.prefix}-${suffix}`
    const body = { logstoreName: name, ttl: 1, shardCount: shards, autoSplit: false }
    const answer = await this.call({ method: 'POST', path: '/logstores', body })
    // Only this run uses the name, so it exists already only if the first attempt got no answer.
    if (answer.status === 200 || answer.code === 'LogStoreAlreadyExist') return name
    throw new Error(`cannot create logstore ${name}: ${said(answer)}`)
  }

  /** Deletes everything it created. Throws the names that it could not delete. */
  async close(): Promise<void> {
    const left: string[] = []
    for (const name of this.#created) {
      const answer = await this.call({ method: 'DELETE', path: `/logstores/${name}` }).catch(() => undefined)
      if (answer?.status !== 200 && answer?.code !== 'LogStoreNotExist')
        left.push(`${name} (${answer ? said(answer) : 'no answer'})`)
    }
    await this.#agent.close()
    await this.emulator?.close()
    if (left.length > 0) throw new Error(`delete these logstores yourself: ${left.join(', ')}`)
  }

  #assertOwn({ method = 'GET', path, body, project }: SlsRequest): void {
    if (method === 'GET' || method === 'HEAD') return
    const named = path === '/logstores' ? (body as { logstoreName?: unknown }).logstoreName : path.split('/')[2]
    const ours = path.startsWith('/logstores') && typeof named === 'string' && named.startsWith(`${this.prefix}-`)
    if (!ours || project !== undefined) throw new Error(`${method} ${path} would change what this run has not created`)
    // Recorded before the request, because the answer may get lost.
    if (path === '/logstores') this.#created.add(named)
  }

  /** A permanently refused logstore was not created. Its name may be invalid even for a delete request. */
  #forgetRefused({ method, path, body }: SlsRequest, { status, code }: SlsAnswer): void {
    if (method !== 'POST' || path !== '/logstores' || status < 400 || status >= 500) return
    if (code !== 'LogStoreAlreadyExist') this.#created.delete((body as { logstoreName: string }).logstoreName)
  }

  async #exchange(given: SlsRequest): Promise<SlsAnswer> {
    const { method = 'GET', path, project = this.access.project } = given
    const { origin } = resolveEndpoint(this.access.endpoint, this.access.project)
    const { host } = resolveEndpoint(this.access.endpoint, project)
    const query = Object.entries(given.query ?? {})
    const raw = Buffer.isBuffer(given.body)
    const bytes =
      given.body === undefined ? undefined : raw ? (given.body as Buffer) : Buffer.from(JSON.stringify(given.body))
    const headers = {
      host,
      'user-agent': 'sls-siem-bridge-conformance',
      'x-log-apiversion': '0.6.0',
      'x-log-bodyrawsize': String(bytes?.length ?? 0),
      ...(bytes && { 'content-type': raw ? 'application/x-protobuf' : 'application/json' }),
      ...given.headers,
    }
    const sent = this.#signed(given, { method, path, query, headers: present(headers), body: bytes })
    given.tamper?.(sent)
    const search = query.map(([name, value]) => `${name}=${percentEncode(value)}`).join('&')
    const encoded = path.split('/').map(percentEncode).join('/')
    const response = await request(`${origin}${encoded}${search && `?${search}`}`, {
      ...{ method, headers: sent, body: bytes ?? null, dispatcher: this.#agent },
    })
    const body = Buffer.from(await response.body.arrayBuffer())
    const header = (name: string) => response.headers[name]?.toString()
    const json = <T>() => JSON.parse(body.toString()) as T
    const status = response.statusCode
    return { status, header, body, json, code: status === 200 ? 'ok' : codeOf(body) }
  }

  #signed(given: SlsRequest, unsigned: Parameters<typeof signV1>[0]): Record<string, string> {
    const date = new Date(this.now() + (given.skewMs ?? 0))
    const credentials = { ...this.access.credentials, ...given.credentials }
    const { region } = this.access
    const sign = given.sign ?? (region === undefined ? 'v1' : { region })
    if (typeof sign !== 'string') return signV4(unsigned, credentials, date, sign.region)
    return signV1(unsigned, credentials, date, sign === 'v1' ? 'hmac-sha1' : 'hmac-sha256')
  }
}

/** `200`, or status and code of a refusal. */
export function said({ status, code }: SlsAnswer): string {
  return status === 200 ? '200' : `${status} ${code}`
}

/** Runs `make` only at the first call, for results that several facts use. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

function present(headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

function codeOf(body: Buffer): string {
  try {
    const { errorCode } = JSON.parse(body.toString())
    return typeof errorCode === 'string' ? errorCode : 'no code'
  } catch {
    return 'no code'
  }
}
