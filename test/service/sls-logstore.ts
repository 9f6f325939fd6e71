import { zstdDecompressSync } from 'node:zlib'
import type { LogGroupInput } from '../../src/sls/log-group.ts'
import { encodeLogGroup, splitLogGroupList } from '../../src/sls/log-group.ts'
import { lz4Decompress } from '../../src/sls/lz4.ts'
import type { SlsAnswer, SlsRequest, SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

/** A real service needs up to a minute until all its front ends know a new logstore or group. */
const SPREAD_SECONDS = 90

/** Uses hash keys, so that the first shard is never empty. */
const toFirstShard = ({ path }: { path: string }) => ({ path: `${path}/shards/route`, query: { key: '0'.repeat(32) } })

export interface Read {
  groups: Buffer[]
  /** Cursors from the start to the one after the last pull. */
  cursors: string[]
}

/** A logstore that this run created. */
export class TestLogstore {
  readonly name: string
  readonly sls: SlsService
  #groups = 0

  static async create(sls: SlsService, suffix: string, shards: number): Promise<TestLogstore> {
    const logstore = new TestLogstore(sls, await sls.createLogstore(suffix, shards))
    const listed = await sls.until(
      () => logstore.shards(),
      (list) => list.length === shards,
      SPREAD_SECONDS,
    )
    if (listed.length !== shards) throw new Error(`${logstore.name} has ${listed.length} shards, not ${shards}`)
    const written = await sls.until(
      () => logstore.put(logGroup('ready'), toFirstShard(logstore)),
      (answer) => answer.status === 200,
      SPREAD_SECONDS,
    )
    if (written.status !== 200) throw new Error(`cannot write into ${logstore.name}: ${said(written)}`)
    return logstore
  }

  private constructor(sls: SlsService, name: string) {
    this.sls = sls
    this.name = name
  }

  get path(): string {
    return `/logstores/${this.name}`
  }

  async shards(): Promise<
    Array<{ shardID: number; status: string; inclusiveBeginKey: string; exclusiveEndKey: string }>
  > {
    const answer = await this.sls.call({ path: `${this.path}/shards` })
    return answer.status === 200 ? answer.json() : []
  }

  put(body: Buffer, rest: Partial<SlsRequest> = {}): Promise<SlsAnswer> {
    return this.sls.call({ method: 'POST', path: `${this.path}/shards/lb`, body, ...rest })
  }

  at(shard: number, query: Record<string, string>, rest: Partial<SlsRequest> = {}): Promise<SlsAnswer> {
    return this.sls.call({ path: `${this.path}/shards/${shard}`, query, ...rest })
  }

  async cursor(from: string, shard = 0): Promise<string> {
    const answer = await this.at(shard, { type: 'cursor', from })
    if (answer.status !== 200) throw new Error(`no cursor ${from} of shard ${shard}: ${said(answer)}`)
    return answer.json<{ cursor: string }>().cursor
  }

  /** The end of shard 0 once it is stable: logs of an earlier fact may become visible late. */
  async end(): Promise<string> {
    let before = ''
    const look = async () => {
      const now = await this.cursor('end')
      const still = now === before
      before = now
      return still
    }
    await this.sls.until(look, Boolean)
    return before
  }

  pull(cursor: string, query: Record<string, string> = {}, rest: Partial<SlsRequest> = {}): Promise<SlsAnswer> {
    const headers = { accept: 'application/x-protobuf', 'accept-encoding': 'lz4', ...rest.headers }
    return this.at(0, { type: 'log', cursor, count: '1000', ...query }, { ...rest, headers })
  }

  /** Pulls shard 0 until `groups` have arrived, or no more arrive. */
  async read(from: string, groups: number): Promise<Read> {
    const read: Read = { groups: [], cursors: [from] }
    await this.sls.until(
      async () => {
        const answer = await this.pull(read.cursors.at(-1) as string)
        if (answer.status !== 200) throw new Error(`pull failed: ${said(answer)}`)
        read.groups.push(...groupsOf(answer))
        read.cursors.push(answer.header('x-log-cursor') as string)
      },
      () => read.groups.length >= groups,
    )
    return read
  }

  /** Writes the bodies, one request each. Returns the cursor of the first once all can be read. */
  async written(...bodies: Buffer[]): Promise<string> {
    const from = await this.end()
    for (const body of bodies) {
      const answer = await this.put(body)
      if (answer.status !== 200) throw new Error(`PutLogs failed: ${said(answer)}`)
    }
    await this.read(from, bodies.length)
    return from
  }

  /** A consumer group that is deleted afterwards: the service allows only a few. */
  async withGroup<T>(use: (group: TestGroup) => Promise<T>, settings: Record<string, unknown> = {}): Promise<T> {
    const group = await this.createGroup(settings)
    try {
      return await use(group)
    } finally {
      await group.call({ method: 'DELETE' })
    }
  }

  async createGroup(settings: Record<string, unknown> = {}): Promise<TestGroup> {
    const group = new TestGroup(this, `conformance-${++this.#groups}`)
    const body = { consumerGroup: group.name, timeout: GROUP_TIMEOUT, order: false, ...settings }
    const answer = await this.sls.call({ method: 'POST', path: `${this.path}/consumergroups`, body })
    if (answer.status !== 200) throw new Error(`cannot create consumer group ${group.name}: ${said(answer)}`)
    const known = (seen: SlsAnswer) => seen.status === 200
    await this.sls.until(() => group.call({ method: 'GET' }), known, SPREAD_SECONDS)
    return group
  }
}

/** Seconds. */
export const GROUP_TIMEOUT = 20

export class TestGroup {
  readonly logstore: TestLogstore
  readonly name: string

  constructor(logstore: TestLogstore, name: string) {
    this.logstore = logstore
    this.name = name
  }

  call(rest: Partial<SlsRequest>): Promise<SlsAnswer> {
    return this.logstore.sls.call({ path: `${this.logstore.path}/consumergroups/${this.name}`, ...rest })
  }

  beat(consumer: string, reported: unknown): Promise<SlsAnswer> {
    return this.call({ method: 'POST', query: { type: 'heartbeat', consumer }, body: reported })
  }

  commit(shard: number, checkpoint: string, query: Record<string, string>): Promise<SlsAnswer> {
    return this.call({ method: 'POST', query: { type: 'checkpoint', ...query }, body: { shard, checkpoint } })
  }

  checkpoints(query: Record<string, string> = {}): Promise<SlsAnswer> {
    return this.call({ query })
  }
}

export function logGroup(text: string, rest: Partial<LogGroupInput> = {}): Buffer {
  const time = Math.floor(Date.now() / 1000)
  return encodeLogGroup({
    topic: 'conformance',
    source: '10.0.0.1',
    logs: [{ time, contents: [['text', text]] }],
    ...rest,
  })
}

/** The groups of a pull with any compression. */
export function groupsOf(answer: SlsAnswer): Buffer[] {
  const size = Number(answer.header('x-log-bodyrawsize'))
  if (size === 0) return []
  const type = answer.header('x-log-compresstype')
  if (type === 'lz4') return splitLogGroupList(lz4Decompress(answer.body, size))
  return splitLogGroupList(type === 'zstd' ? zstdDecompressSync(answer.body) : answer.body)
}
