import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { refusedControl } from '../control-door.ts'
import { answerMidway, intercept } from '../faults.ts'
import { ADMIN_PREFIX, adminReply } from './admin.ts'
import type { SlsCall, SlsReply } from './call.ts'
import { callOf, errorReply, targetOf } from './call.ts'
import type { SlsFaultAction, SlsFaults } from './faults.ts'
import { attributesOf, damaged, scriptedReply } from './faults.ts'
import { SlsHandlers } from './handlers.ts'
import { MAX_BODY_BYTES } from './put-logs.ts'
import { SlsRefusal } from './refusal.ts'
import { RequestCounts } from './requests.ts'
import type { Credential } from './signature.ts'
import { verifySignature } from './signature.ts'
import type { SlsStore } from './store.ts'

/** `code` is `ok` or the error code; requests are counted by it. */
type Answer = SlsReply & { code: string }

/** From an HTTP request to its answer: body, route, scripted faults, signature, handler, headers, counts. */
export class SlsHttp {
  readonly requests = new RequestCounts()
  readonly #store: SlsStore
  readonly #faults: SlsFaults
  readonly #credentials: ReadonlyMap<string, Credential> | undefined
  readonly #handlers: SlsHandlers
  readonly #closing = new AbortController()

  /** `credentials` are looked at for each request, by access key id; without them signatures are not verified. */
  constructor(store: SlsStore, faults: SlsFaults, credentials: ReadonlyMap<string, Credential> | undefined) {
    this.#store = store
    this.#faults = faults
    this.#credentials = credentials
    this.#handlers = new SlsHandlers(store)
  }

  /** The listener of a node:http server. An exception other than a refusal is a bug and ends the process loudly. */
  readonly serve = (request: IncomingMessage, response: ServerResponse): void => {
    void this.#serve(request, response).then(() => this.#store.watch.changed())
  }

  /** Ends delays that are under way. */
  close(): void {
    this.#closing.abort()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    if (body === 'aborted') return
    if (request.url?.startsWith(ADMIN_PREFIX)) {
      const { status, headers, body: answer } = this.#admin(request, body)
      response.writeHead(status, { ...headers, 'Content-Length': String(answer.length) }).end(answer)
      return
    }
    const call = this.#call(request, body)
    if ('code' in call) {
      this.requests.add('unknown', call.status, call.code)
      this.#send(response, call, this.#store.now())
      return
    }
    const action = this.#faults.take(attributesOf(call))
    if (action) await this.#misbehave(call, { request, response }, action)
    else this.#finish(call, response, this.#reply(call, this.#store.now()), this.#store.now())
  }

  #call(request: IncomingMessage, body: Buffer | 'too_large'): SlsCall | Answer {
    return refusalsOf(() => {
      const { url = '/', method = 'GET', headers } = request
      const target = targetOf(url, headers.host)
      if (body === 'too_large') throw new SlsRefusal('PostBodyTooLarge', `body must be little than ${MAX_BODY_BYTES}`)
      return callOf(target, { method, headers }, body)
    })
  }

  #reply(call: SlsCall, now: number): Answer {
    return refusalsOf(() => {
      if (this.#credentials) verifySignature(call, this.#credentials, now)
      return { ...this.#handlers.handle(call, now), code: 'ok' }
    })
  }

  async #misbehave(
    call: SlsCall,
    { request, response }: { request: IncomingMessage; response: ServerResponse },
    action: SlsFaultAction,
  ): Promise<void> {
    const ended = await intercept(action, request, this.#closing.signal)
    if (ended) {
      this.requests.add(call.api, 0, ended)
      return
    }
    const now = this.#store.now() + (action.clockSkewMs ?? 0)
    const scripted = scriptedReply(action, call)
    let answer: Answer = scripted ? { ...scripted, code: String(action.code ?? 'scripted') } : this.#reply(call, now)
    if (action.headers) answer = { ...answer, headers: { ...answer.headers, ...action.headers } }
    if (action.corrupt && answer.status === 200)
      answer = { ...damaged(answer, action.corrupt, call), code: answer.code }
    if (action.cut === undefined) {
      this.#finish(call, response, answer, now)
      return
    }
    this.requests.add(call.api, 0, 'cut')
    if (action.cut === 'after') response.destroy()
    else answerMidway(response, answer.status, { ...this.#headers(now), ...answer.headers }, answer.body)
  }

  #finish(call: SlsCall, response: ServerResponse, answer: Answer, now: number): void {
    this.requests.add(call.api, answer.status, answer.code)
    this.#send(response, answer, now)
  }

  #send(response: ServerResponse, { status, headers, body }: SlsReply, now: number): void {
    response.writeHead(status, { ...this.#headers(now), ...headers, 'Content-Length': String(body.length) })
    response.end(body)
  }

  #headers(now: number): Record<string, string> {
    return {
      Server: 'AliyunSLS',
      Date: new Date(now).toUTCString(),
      'Access-Control-Allow-Origin': '*',
      'x-log-time': String(Math.floor(now / 1000)),
      'x-log-requestid': randomBytes(12).toString('hex').toUpperCase(),
    }
  }

  #admin(request: IncomingMessage, body: Buffer | 'too_large'): SlsReply {
    return refusalsOf(() => {
      const refused = refusedControl(request)
      if (refused !== undefined) throw new SlsRefusal('Unauthorized', refused, 403)
      if (body === 'too_large') throw new SlsRefusal('PostBodyTooLarge', `body must be little than ${MAX_BODY_BYTES}`)
      const { pathname, searchParams } = new URL(request.url as string, 'http://emulator')
      const name = pathname.slice(ADMIN_PREFIX.length)
      return adminReply(
        { store: this.#store, faults: this.#faults, requests: this.requests },
        { method: request.method ?? 'GET', name, query: searchParams, body },
      )
    })
  }
}

function refusalsOf<T>(handle: () => T): T | Answer {
  try {
    return handle()
  } catch (error) {
    if (error instanceof SlsRefusal) return { ...errorReply(error), code: error.code }
    throw error
  }
}

/** The rest of a body that is too large is read and thrown away: a client must finish writing before it reads. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | 'too_large' | 'aborted'> {
  let chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_BODY_BYTES) chunks = []
      else chunks.push(chunk)
    }
  } catch {
    // The client went away in the middle of its request, so there is no one to answer.
    return 'aborted'
  }
  return size > MAX_BODY_BYTES ? 'too_large' : Buffer.concat(chunks)
}
