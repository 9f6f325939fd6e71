import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BodyShare } from '../body-room.ts'
import { BodyRoom } from '../body-room.ts'
import type { ControlDoor } from '../control-door.ts'
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
import { verifyHead, verifySignature } from './signature.ts'
import type { SlsStore } from './store.ts'

const NO_PAGES = 'where no signature is asked for, web pages are not answered: the request has an Origin header'

export interface SlsHttpOptions {
  readonly store: SlsStore
  readonly faults: SlsFaults
  readonly door: ControlDoor
  /** Looked at for each request, by access key id. Without them signatures are not verified. */
  readonly credentials: ReadonlyMap<string, Credential> | undefined
  readonly maxPendingBytes: number
}

/** `code` is `ok` or the error code; requests are counted by it. */
type Answer = SlsReply & { code: string }

/** From an HTTP request to its answer: body, route, scripted faults, signature, handler, headers, counts. */
export class SlsHttp {
  readonly requests = new RequestCounts()
  readonly #store: SlsStore
  readonly #faults: SlsFaults
  readonly #credentials: ReadonlyMap<string, Credential> | undefined
  readonly #door: ControlDoor
  readonly #handlers: SlsHandlers
  readonly #room: BodyRoom
  readonly #closing = new AbortController()

  constructor({ store, faults, door, credentials, maxPendingBytes }: SlsHttpOptions) {
    this.#store = store
    this.#faults = faults
    this.#credentials = credentials
    this.#door = door
    this.#room = new BodyRoom(maxPendingBytes)
    this.#handlers = new SlsHandlers(store)
  }

  /** The listener of a node:http server. An exception other than a refusal is a bug and ends the process loudly. */
  readonly serve = (request: IncomingMessage, response: ServerResponse): void => {
    const share = this.#room.share()
    const served = this.#serve(request, response, share).finally(() => share.release())
    void served.then(() => this.#store.watch.changed())
  }

  /** Ends delays that are under way. */
  close(): void {
    this.#closing.abort()
  }

  async #serve(request: IncomingMessage, response: ServerResponse, share: BodyShare): Promise<void> {
    const isControl = request.url?.startsWith(ADMIN_PREFIX) ?? false
    const isTrusted = isControl ? this.#door.refusal(request) === undefined : this.#isSigned(request)
    const body = await bodyOf(request, isTrusted ? share : undefined)
    if (body === 'aborted') return
    if (isControl) {
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

  /** Whether its body, if it has one, may be held: whoever has no key takes no memory. */
  #isSigned({ url = '/', method = 'GET', headers }: IncomingMessage): boolean {
    const credentials = this.#credentials
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
    if (credentials === undefined) return headers.origin === undefined
    if (!hasBody) return true
    const found = refusalsOf(() =>
      verifyHead({ ...targetOf(url, headers.host), method, headers }, credentials, this.#store.now()),
    )
    return typeof found === 'string'
  }

  #call(request: IncomingMessage, body: Buffer | Unread): SlsCall | Answer {
    return refusalsOf(() => {
      const { url = '/', method = 'GET', headers } = request
      if (this.#credentials === undefined && headers.origin !== undefined)
        throw new SlsRefusal('Unauthorized', NO_PAGES, 403)
      const target = targetOf(url, headers.host)
      return callOf(target, { method, headers }, held(body))
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

  #admin(request: IncomingMessage, body: Buffer | Unread): SlsReply {
    return refusalsOf(() => {
      const refused = this.#door.refusal(request)
      if (refused !== undefined) throw new SlsRefusal('Unauthorized', refused, 403)
      const given = held(body)
      const { pathname, searchParams } = new URL(request.url as string, 'http://emulator')
      const name = pathname.slice(ADMIN_PREFIX.length)
      return adminReply(
        { store: this.#store, faults: this.#faults, requests: this.requests },
        { method: request.method ?? 'GET', name, query: searchParams, body: given },
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

type Unread = 'too_large' | 'busy'

/** Refuses a body that was not held. */
function held(body: Buffer | Unread): Buffer {
  if (body === 'too_large') throw new SlsRefusal('PostBodyTooLarge', `body must be little than ${MAX_BODY_BYTES}`)
  if (body === 'busy') throw new SlsRefusal('ServerBusy', 'the bodies of other requests take all the room')
  return body
}

/**
 * The rest of a body that is too large, and all of one without a `share`, is read and thrown away: a client must finish writing
 * before it reads.
 */
async function bodyOf(request: IncomingMessage, share: BodyShare | undefined): Promise<Buffer | Unread | 'aborted'> {
  let chunks: Buffer[] = []
  let size = 0
  let unread: Unread | undefined
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_BODY_BYTES) unread = 'too_large'
      else if (unread === undefined && share && !share.take(chunk.length)) unread = 'busy'
      if (share && unread === undefined) chunks.push(chunk)
      else chunks = []
    }
  } catch {
    // The client went away in the middle of its request, so there is no one to answer.
    return 'aborted'
  }
  return unread ?? Buffer.concat(chunks)
}
