import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request as httpRequest } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import { TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'

/** A request as it stood on the wire. */
export interface FrontRequest {
  readonly method: string
  /** As sent, query included. */
  readonly target: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Name of the call: `apiOf` of the server behind. */
  readonly api: string
}

/** The true answer, with `Content-Length`, ready to be sent or to be spoilt first. */
export interface TrueAnswer {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: Buffer
  readonly bytes: Buffer
}

export interface Met {
  /** Raw: whatever is written goes out as it is. */
  readonly socket: Socket
  readonly request: FrontRequest
  /** The answer of the server behind. Each call asks again. */
  trueAnswer(): Promise<TrueAnswer>
}

/** Takes the place of the answer. When it is done the connection goes on with the next request, if it still stands. */
export type Behaviour = (met: Met) => unknown

export interface Rule {
  /** Calls that meet it. */
  readonly of: (request: FrontRequest) => boolean
  readonly behave: Behaviour
  /** As soon as the head of a request is there: its body is neither waited for nor read. */
  readonly beforeBody?: boolean
}

export interface FrontOptions {
  readonly to: string
  readonly apiOf: (method: string, target: URL, body: Buffer) => string
  /** Speaks TLS while sane, and plain HTTP while a rule is set. */
  readonly tls?: { key: string; cert: string }
}

/**
 * Stands before a real server on raw sockets and passes everything on, byte for byte; or, while a rule is set, answers as no
 * honest server would. When it becomes sane again, it cuts the connections that it still holds, like a replaced server.
 */
export class HostileFront {
  readonly #options: FrontOptions
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  readonly #sockets = new Set<Socket>()
  readonly #watchers = new Set<() => void>()
  #rule: Rule | undefined
  #met = 0

  private constructor(options: FrontOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true }, (socket) => void this.#serve(socket))
  }

  static async start(options: FrontOptions): Promise<HostileFront> {
    const front = new HostileFront(options)
    front.#server.listen(0, '127.0.0.1')
    await once(front.#server, 'listening')
    onTestFinished(() => front.#close())
    return front
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo
    // A name, since certificates know names; Node takes none that ends in a number.
    return this.#options.tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`
  }

  /** From now on; connections that stand are cut, so that the next request meets it. */
  hostile(rule: Rule): void {
    this.#rule = rule
    this.#cut()
  }

  sane(): void {
    this.#rule = undefined
    this.#cut()
  }

  /** How often rules were met. */
  get metSoFar(): number {
    return this.#met
  }

  /** Resolves once the rule has been met so often. */
  async met(times: number): Promise<void> {
    while (this.#met < times) {
      await new Promise<void>((resolve) => {
        const look = (): void => {
          this.#watchers.delete(look)
          resolve()
        }
        this.#watchers.add(look)
      })
    }
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #close(): Promise<void> {
    this.#cut()
    this.#agent.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(plain: Socket): Promise<void> {
    const { tls } = this.#options
    const socket = tls && !this.#rule ? new TLSSocket(plain, { isServer: true, ...tls }) : plain
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {}) // these tests expect clients to cut connections
    if (tls && this.#rule) return await this.#refuseTls(socket)
    const incoming = new Incoming(socket)
    try {
      while (!socket.destroyed) {
        const head = await incoming.head()
        if (!head) return
        const early = this.#requestOf(head, Buffer.alloc(0))
        const rule = this.#rule
        if (rule?.beforeBody && rule.of(early)) await this.#answer(rule, socket, early)
        else {
          const request = this.#requestOf(head, await incoming.bytes(Number(head.headers['content-length'] ?? 0)))
          const met = this.#rule?.of(request) ? this.#rule : undefined
          await (met ? this.#answer(met, socket, request) : this.#pass(socket, request))
        }
      }
    } catch (error) {
      if (!socket.destroyed) throw error
    }
  }

  /** As a plain HTTP server does that is sent a ClientHello. */
  async #refuseTls(socket: Socket): Promise<void> {
    await once(socket, 'data')
    this.#count()
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
  }

  #count(): void {
    this.#met++
    for (const look of this.#watchers) look()
  }

  async #answer(rule: Rule, socket: Socket, request: FrontRequest): Promise<void> {
    this.#count()
    await rule.behave({ socket, request, trueAnswer: () => this.#ask(request) })
  }

  async #pass(socket: Socket, request: FrontRequest): Promise<void> {
    const { bytes } = await this.#ask(request)
    if (!socket.destroyed) socket.write(bytes)
  }

  #requestOf({ method, target, headers }: Head, body: Buffer): FrontRequest {
    const url = new URL(target, this.#options.to)
    return { method, target, headers, body, api: this.#options.apiOf(method, url, body) }
  }

  async #ask({ method, target, headers, body }: FrontRequest): Promise<TrueAnswer> {
    const { hostname, port } = new URL(this.#options.to)
    const request = httpRequest({ hostname, port, method, path: target, headers, agent: this.#agent })
    request.end(body)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    return answerOf(response.statusCode as number, pairsOf(response.rawHeaders), Buffer.concat(chunks))
  }
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length'])

function pairsOf(raw: readonly string[]): Array<[string, string]> {
  const pairs: Array<[string, string]> = []
  for (let index = 0; index < raw.length; index += 2) pairs.push([raw[index] as string, raw[index + 1] as string])
  return pairs.filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()))
}

/** An answer in one piece, with its length. */
export function answerOf(
  status: number,
  headers: ReadonlyArray<readonly [string, string]>,
  body: Buffer | string,
): TrueAnswer {
  const bytes = Buffer.from(body as string)
  const lines = [...headers, ['Content-Length', bytes.length]].map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `HTTP/1.1 ${status} Status\r\n${lines.join('')}\r\n`
  return { status, headers, body: bytes, bytes: Buffer.concat([Buffer.from(head, 'latin1'), bytes]) }
}

interface Head {
  method: string
  target: string
  headers: Record<string, string>
}

/** Requests read off a socket one after the other. */
class Incoming {
  readonly #socket: Socket
  #buffered = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#buffered = Buffer.concat([this.#buffered, chunk])
    })
  }

  /** `undefined` when the client has gone, or sends no valid request. */
  async head(): Promise<Head | undefined> {
    let end = this.#buffered.indexOf('\r\n\r\n')
    while (end < 0) {
      if (!(await this.#more())) return undefined
      end = this.#buffered.indexOf('\r\n\r\n')
    }
    const [requestLine = '', ...lines] = this.#buffered.subarray(0, end).toString('latin1').split('\r\n')
    this.#buffered = this.#buffered.subarray(end + 4)
    const [, method, target] = /^([A-Z]+) (\/[\x21-\x7e]*) HTTP\/1\.1$/.exec(requestLine) ?? []
    if (method === undefined || target === undefined) {
      this.#socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
      return undefined
    }
    const headers = lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ])
    return { method, target, headers: Object.fromEntries(headers) }
  }

  async bytes(length: number): Promise<Buffer> {
    while (this.#buffered.length < length) if (!(await this.#more())) throw new Error('the client has gone')
    const bytes = this.#buffered.subarray(0, length)
    this.#buffered = this.#buffered.subarray(length)
    return bytes
  }

  async #more(): Promise<boolean> {
    const socket = this.#socket
    if (socket.destroyed || socket.readableEnded) return false
    const ended = new AbortController()
    const { signal } = ended
    const events = ['data', 'end', 'close'].map((event) => once(socket, event, { signal }).then(() => event))
    for (const event of events) event.catch(() => {})
    const first = await Promise.race(events)
    ended.abort()
    return first === 'data'
  }
}
