/** A proxy between one member of a consumer group and the service. It records requests and can hold them back. */
import type { IncomingMessage } from 'node:http'
import type { Detour } from './proxies.ts'
import { startHttpProxy } from './proxies.ts'

export type Call =
  | { api: 'pull'; shard: number }
  | { api: 'commit'; shard: number; checkpoint: string; force: boolean }
  | { api: 'heartbeat'; reported: number[] }
  | { api: 'other' }

export type Commit = Extract<Call, { api: 'commit' }> & { status: number }

export class MemberLine {
  /** Every commit that the service answered. */
  readonly commits: Commit[] = []
  heartbeats = 0
  readonly #holds = new Set<Hold>()
  readonly #asked: (call: Call) => void
  #detour: Detour | undefined

  /** Calls `asked` with each request at its arrival, held back or not. */
  constructor(asked: (call: Call) => void) {
    this.#asked = asked
  }

  async open(to: number): Promise<number> {
    this.#detour = await startHttpProxy(
      to,
      async (request, body) => {
        const call = callOf(request, body)
        this.#asked(call)
        for (const hold of this.#holds) await hold.keep(call)
      },
      (request, body, answer) => {
        const call = callOf(request, body)
        if (call.api === 'commit') this.commits.push({ ...call, status: answer.statusCode as number })
        if (call.api === 'heartbeat' && answer.statusCode === 200) this.heartbeats++
      },
    )
    return this.#detour.port
  }

  /** Holds requests back from the service. */
  holdRequests(keeps: (call: Call) => boolean): Hold {
    const hold = new Hold(keeps)
    this.#holds.add(hold)
    return hold
  }

  async close(): Promise<void> {
    await this.#detour?.close()
  }
}

export class Hold {
  /** Number of requests held back so far. */
  readonly kept: Call[] = []
  readonly #keeps: (call: Call) => boolean
  readonly #released = Promise.withResolvers<void>()
  #over = false

  constructor(keeps: (call: Call) => boolean) {
    this.#keeps = keeps
  }

  async keep(call: Call): Promise<void> {
    if (this.#over || !this.#keeps(call)) return
    this.kept.push(call)
    await this.#released.promise
  }

  release(): void {
    this.#over = true
    this.#released.resolve()
  }
}

function callOf({ url = '' }: IncomingMessage, body: Buffer): Call {
  const { pathname, searchParams } = new URL(url, 'http://service')
  const type = searchParams.get('type') ?? ''
  if (type === 'heartbeat' || type === 'checkpoint') {
    const given = JSON.parse(body.toString())
    if (type === 'heartbeat') return { api: 'heartbeat', reported: given }
    // Python spells it `True`.
    return { api: 'commit', ...given, force: /true/i.test(`${searchParams.get('forceSuccess')}`) }
  }
  const shard = Number(/\/shards\/(\d+)$/.exec(pathname)?.[1])
  return type === 'log' || type === 'logs' ? { api: 'pull', shard } : { api: 'other' }
}
