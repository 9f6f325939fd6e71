import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { onTestFinished } from 'vitest'
import { Happenings } from './happenings.ts'

/** The credentials of one answer. */
export interface GivenKeys {
  accessKeyId: string
  accessKeySecret: string
  securityToken: string
  expiresAt: number
}

export interface SeenRequest {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}

/** `answers`; `hangs`: takes requests and says nothing; else that status and body. */
export type Behaviour = 'answers' | 'hangs' | { status: number; body: string }

export interface EndpointOptions {
  /** How long credentials are good for; an hour unless told. */
  lifeMs?: number
  /** Told of all new ones before they are given away. */
  onGiven?: (keys: GivenKeys) => void
  /** Makes it HTTPS. */
  tls?: { key: string; cert: string }
}

const ROLE = 'audit-role'
const METADATA_TOKEN = 'metadata-token'

/**
 * Stands in for the sources of Alibaba credentials, and gives new ones with every request: the metadata server of an ECS
 * instance (token, role name, credentials), the Security Token Service (`AssumeRoleWithOIDC`), and a credentials URI
 * (any other path).
 */
export class CredentialEndpoint {
  readonly given: GivenKeys[] = []
  readonly seen: SeenRequest[] = []
  behaviour: Behaviour = 'answers'
  lifeMs: number
  /** IMDSv2 alone, both, or IMDSv1 alone. With IMDSv1, a request for a token is refused, or never answered. */
  metadataTokens: 'required' | 'supported' | 'unknown' | 'swallowed' = 'required'
  readonly #onGiven: (keys: GivenKeys) => void
  readonly #server: Server & { closeAllConnections(): void }
  readonly #scheme: string
  readonly #asked = new Happenings()
  #port = 0

  private constructor({ lifeMs = 3_600_000, onGiven = () => {}, tls }: EndpointOptions) {
    this.lifeMs = lifeMs
    this.#onGiven = onGiven
    this.#scheme = tls ? 'https' : 'http'
    const listener: RequestListener = (request, response) => void this.#serve(request, response)
    this.#server = tls ? createTlsServer(tls, listener) : createServer(listener)
  }

  static async start(options: EndpointOptions = {}): Promise<CredentialEndpoint> {
    const endpoint = new CredentialEndpoint(options)
    await endpoint.up()
    onTestFinished(() => endpoint.down())
    return endpoint
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}/credentials`
  }

  /** On the port it had before, if it had one. */
  async up(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Connections are refused from here on. */
  async down(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** So many requests have come. */
  async asked(times: number): Promise<void> {
    await this.#asked.until(() => this.seen.length >= times)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request) body += chunk
    const { method = '', url: path = '', headers } = request
    this.seen.push({ method, path, headers, body })
    this.#asked.notify()
    if (this.behaviour === 'hangs' || (this.metadataTokens === 'swallowed' && method === 'PUT')) return
    const { status, body: answer } =
      this.behaviour === 'answers' ? this.#answer(method, path, headers, body) : this.behaviour
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(answer)
  }

  #answer(method: string, path: string, headers: IncomingHttpHeaders, body: string): { status: number; body: string } {
    const ok = (text: string) => ({ status: 200, body: text })
    if (path.startsWith('/latest/')) {
      const ttl = Number(headers['x-aliyun-ecs-metadata-token-ttl-seconds'])
      if (path === '/latest/api/token') {
        return method === 'PUT' && ttl > 0 && this.metadataTokens !== 'unknown'
          ? ok(METADATA_TOKEN)
          : { status: 404, body: '' }
      }
      if (this.metadataTokens === 'required' && headers['x-aliyun-ecs-metadata-token'] !== METADATA_TOKEN)
        return { status: 403, body: '' }
      const folder = '/latest/meta-data/ram/security-credentials/'
      if (path === folder) return ok(ROLE)
      return path === folder + ROLE
        ? ok(JSON.stringify({ Code: 'Success', ...this.#keys() }))
        : { status: 404, body: '' }
    }
    if (body.includes('OIDCToken=')) return ok(JSON.stringify({ RequestId: 'R', Credentials: this.#keys() }))
    return ok(JSON.stringify({ Code: 'Success', ...this.#keys() }))
  }

  #keys(): Record<string, string> {
    const unique = randomBytes(8).toString('hex')
    const keys = {
      accessKeyId: `STS.${unique}`,
      accessKeySecret: `secret-${unique}`,
      securityToken: `token-${unique}/+==`,
      expiresAt: Math.floor((Date.now() + this.lifeMs) / 1000) * 1000,
    }
    this.given.push(keys)
    this.#onGiven(keys)
    return {
      AccessKeyId: keys.accessKeyId,
      AccessKeySecret: keys.accessKeySecret,
      SecurityToken: keys.securityToken,
      // As the services write it: whole seconds.
      Expiration: new Date(keys.expiresAt).toISOString().replace('.000Z', 'Z'),
    }
  }
}
