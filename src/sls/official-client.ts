import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { RequestOptions } from '@alicloud/log'
import Client from '@alicloud/log'
import { messageOf } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { beginningOf } from '../core/text.ts'
import { names } from '../net/names.ts'
import type { Proxies } from '../net/proxy.ts'
import { environmentOf, proxyFor } from '../net/proxy.ts'
import { resolveEndpoint } from './endpoint.ts'

export interface OfficialClientOptions {
  /** As in `SLS_ENDPOINT`; scheme optional (https). */
  endpoint: string
  project: string
  logstore: string
  accessKeyId: string
  accessKeySecret: Secret
  securityToken?: Secret
  userAgent: string
  timeoutMs?: number
  proxies?: Proxies
}

export interface WrittenLogs {
  topic?: string
  source?: string
  tags?: Array<Record<string, string>>
  /** `timestamp` in Unix seconds; values must be strings. */
  logs: Array<{ timestamp: number; timestampNsPart?: number; content: Record<string, string> }>
}

/** Node tells of each request here, at once when it is made. */
const REQUEST_MADE = 'http.client.request.created'
const SHOWN_TEXT_CHARS = 200
/** The project is a part of the address or of the Host header already. */
const NO_PROJECT = ''

/**
 * The vendor's own client, `@alicloud/log`, for what it does well: writing logs and reading logstore metadata. It has no
 * pull, cursor or consumer-group call, so everything else is `SlsClient`.
 *
 * The library ignores the status of an answer, and takes a proxy's page for a success. So its requests are watched here. Its
 * errors have the service's `code` and `requestid`. They do not hold the credentials.
 */
export class OfficialClient {
  readonly #client: Client
  readonly #agent: HttpAgent
  readonly #host: string
  readonly #options: OfficialClientOptions

  /** Throws a TypeError when the endpoint is not an address. */
  constructor(options: OfficialClientOptions) {
    const { origin, host, alias } = resolveEndpoint(options.endpoint, options.project)
    this.#options = options
    this.#host = host
    // Through a proxy, Node's agent refuses a Host that is not the address. So an emulator is connected to directly.
    const proxies = origin.endsWith(`//${host}`) ? options.proxies : undefined
    const proxyEnv = environmentOf(proxies ?? { except: [] })
    // The agent looks the proxy up, too. One without an address must not be sought at the alias, with its credentials.
    const isProxied = proxies !== undefined && proxyFor(origin, proxies) !== undefined
    this.#agent = new (origin.startsWith('https:') ? HttpsAgent : HttpAgent)({
      keepAlive: true,
      proxyEnv,
      lookup: names.lookupOr(isProxied ? undefined : alias),
    })
    this.#client = new Client({
      endpoint: origin,
      accessKeyId: options.accessKeyId,
      accessKeySecret: options.accessKeySecret.reveal(),
      userAgent: options.userAgent,
      ...(options.securityToken ? { securityToken: options.securityToken.reveal() } : {}),
    })
  }

  /** One PutLogs = one log group. Rejects with the service's code and message; the caller decides about writing again. */
  async write(group: WrittenLogs): Promise<void> {
    const { logstore } = this.#options
    await this.#ask((options) => this.#client.postLogStoreLogs(NO_PROJECT, logstore, group, options))
  }

  logstoreMetadata(): Promise<Record<string, unknown>> {
    const { logstore } = this.#options
    return this.#ask((options) => this.#client.getLogStore(NO_PROJECT, logstore, options))
  }

  close(): void {
    this.#agent.destroy()
  }

  async #ask<T>(call: (options: RequestOptions) => Promise<T>): Promise<T> {
    let status: number | undefined
    const watch = (message: unknown): void => {
      unsubscribe(REQUEST_MADE, watch)
      const { request } = message as { request: ClientRequest }
      request.once('response', ({ statusCode }) => {
        status = statusCode
      })
    }
    try {
      const answer = await call({
        agent: this.#agent,
        timeout: this.#options.timeoutMs ?? 30_000,
        beforeRequest: (request) => {
          // The library makes the request right after this, in the same turn.
          subscribe(REQUEST_MADE, watch)
          return { ...request, headers: { ...request.headers, host: this.#host } }
        },
      })
      // Log Service answers a write with an empty body and everything else with JSON.
      if (status === 200 && (answer === '' || typeof answer === 'object')) return answer
      throw new Error(said(status, answer))
    } catch (error) {
      throw this.#fitToShow(error instanceof SyntaxError ? new Error(said(status, error.message)) : error)
    } finally {
      unsubscribe(REQUEST_MADE, watch)
    }
  }

  /** An error answer may quote the request, whose headers hold the STS token. */
  #fitToShow(error: unknown): Error {
    const { accessKeySecret, securityToken } = this.#options
    const { code, requestid } = error as { code?: unknown; requestid?: unknown }
    const text = accessKeySecret.hiddenIn(messageOf(error))
    return Object.assign(new Error(securityToken?.hiddenIn(text) ?? text), { code, requestid })
  }
}

function said(status: number | undefined, answer: unknown): string {
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
  return `the answer does not come from Log Service (HTTP ${status}): ${beginningOf(text, SHOWN_TEXT_CHARS) || 'no text'}`
}
