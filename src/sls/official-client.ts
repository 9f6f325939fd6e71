import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import { isIP } from 'node:net'
import Client from '@alicloud/log'
import type { Secret } from '../core/secret.ts'

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
}

export interface WrittenLogs {
  topic?: string
  source?: string
  tags?: Array<Record<string, string>>
  /** `timestamp` in Unix seconds; values must be strings. */
  logs: Array<{ timestamp: number; timestampNsPart?: number; content: Record<string, string> }>
}

/**
 * The vendor's own client, `@alicloud/log`, for what it does well: writing logs and reading logstore metadata. (It has no
 * pull, cursor or consumer-group call, so everything else is `SlsClient`.) It always connects to `<project>.<endpoint>`;
 * for an emulator on an IP address or localhost that name has no address, so the agent resolves it to the endpoint itself.
 */
export class OfficialClient {
  readonly #client: Client
  readonly #agent: HttpAgent
  readonly #options: OfficialClientOptions

  constructor(options: OfficialClientOptions) {
    const url = new URL(options.endpoint.includes('://') ? options.endpoint : `https://${options.endpoint}`)
    const secure = url.protocol === 'https:'
    const AgentOfScheme = secure ? HttpsAgent : HttpAgent
    const direct = isIP(url.hostname) !== 0 || url.hostname === 'localhost'
    const address = url.hostname === 'localhost' ? '127.0.0.1' : url.hostname
    this.#options = options
    this.#agent = new AgentOfScheme({ keepAlive: true, ...(direct ? { lookup: always(address) } : {}) })
    this.#client = new Client({
      endpoint: `${secure ? 'https' : 'http'}://${url.host}`,
      accessKeyId: options.accessKeyId,
      accessKeySecret: options.accessKeySecret.reveal(),
      userAgent: options.userAgent,
      ...(options.securityToken ? { securityToken: options.securityToken.reveal() } : {}),
    })
  }

  /** One PutLogs = one log group. Rejects with the service's code and message; the caller decides about writing again. */
  async write(group: WrittenLogs): Promise<void> {
    const { project, logstore } = this.#options
    await this.#client.postLogStoreLogs(project, logstore, group, this.#requestOptions())
  }

  logstoreMetadata(): Promise<Record<string, unknown>> {
    const { project, logstore } = this.#options
    return this.#client.getLogStore(project, logstore, this.#requestOptions())
  }

  close(): void {
    this.#agent.destroy()
  }

  #requestOptions(): { agent: HttpAgent; timeout: number } {
    return { agent: this.#agent, timeout: this.#options.timeoutMs ?? 30_000 }
  }
}

function always(address: string): LookupFunction {
  return (_hostname, options, found) => {
    if (options.all) found(null, [{ address, family: isIP(address) }])
    else found(null, address, isIP(address))
  }
}
