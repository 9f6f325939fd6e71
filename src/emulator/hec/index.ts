import { once } from 'node:events'
import { FileOutput } from '../file-output.ts'
import type { AckRecord } from './acks.ts'
import { IdCounter } from './ids.ts'
import type { Lines } from './lines.ts'

/** An envelope as it was indexed: the sender's, with the defaults of request and token applied. */
export interface HecEnvelope {
  time: number | string
  host: string
  source: string
  sourcetype: string
  index: string
  event?: unknown
  fields?: Record<string, unknown>
}

/** The answer that a request got. Empty until the answer leaves; an answer that never leaves keeps it empty. */
export interface HecAnswer {
  status?: number
  code?: number
  /** The connection was cut by a scripted fault: nothing of the answer arrived whole. */
  cut?: boolean
}

/** The request that brought an event. */
export interface IndexedRequest {
  readonly path: string
  /** Name of the token, not its value. */
  readonly token: string
  readonly receivedAtMs: number
  readonly answer: HecAnswer
  /** Only when the answer carried an ack id. The indexed prefix of a refused request has none. */
  ack?: AckRecord
}

interface Block {
  readonly lines: Lines
  readonly request: IndexedRequest
  readonly first: number
}

/** A kept event. Text and envelope are read from the request's bytes when asked for. */
export class IndexedEvent {
  readonly seq: number
  readonly request: IndexedRequest
  readonly #block: Block

  constructor(seq: number, block: Block) {
    this.seq = seq
    this.request = block.request
    this.#block = block
  }

  /** The JSON text, exactly as it is written to the output, without its line end. */
  get line(): string {
    const { lines, first } = this.#block
    const i = this.seq - first
    return lines.bytes.toString('utf8', i === 0 ? 0 : lines.ends[i - 1], (lines.ends[i] as number) - 1)
  }

  get envelope(): HecEnvelope {
    return JSON.parse(this.line) as HecEnvelope
  }
}

export interface HecIndexOptions {
  /** A file to append to, or a stream to write to: one envelope a line, in the order indexed. */
  output?: string | NodeJS.WritableStream
  /** Keep the events in memory. Default true. */
  keep?: boolean
  /** Forget kept events that were received longer ago than this. Default: never. */
  keepMs?: number
  /** Gets the events of each request when they are indexed, before the request is answered. */
  onIndexed?: (events: IndexedEvent[]) => void
  /** The output can't be written; from then on nothing is indexed and every request is answered with code 8. */
  onOutputFailed?: (error: Error) => void
}

/** The indexed events, in order: in the output, in memory, as counts, and told to the callback. */
export class HecIndex {
  readonly ids = new IdCounter()
  events = 0
  bytes = 0
  readonly kept: boolean
  readonly #keepMs: number
  readonly #blocks: Block[] = []
  readonly #onIndexed: HecIndexOptions['onIndexed']
  readonly #onOutputFailed: HecIndexOptions['onOutputFailed']
  readonly #file: FileOutput | undefined
  readonly #stream: NodeJS.WritableStream | undefined
  #drained: Promise<unknown> | undefined
  /** Why nothing can be indexed any more. */
  failure: Error | undefined

  /** Throws when the output file can't be opened. */
  constructor({ output, keep = true, keepMs = Infinity, onIndexed, onOutputFailed }: HecIndexOptions) {
    this.kept = keep
    this.#keepMs = keepMs
    this.#onIndexed = onIndexed
    this.#onOutputFailed = onOutputFailed
    if (typeof output === 'string') this.#file = new FileOutput(output)
    else this.#stream = output
    this.#stream?.on('error', this.#fail)
  }

  /**
   * Resolves when a slow output stream takes more again. Throws when the output failed, now or before; then the events
   * are not indexed (though a full disk may have taken part of their bytes).
   */
  async append(lines: Lines, request: IndexedRequest): Promise<void> {
    if (this.failure) throw this.failure
    try {
      this.#file?.write(lines.bytes)
    } catch (error) {
      this.#fail(error as Error)
      throw error
    }
    const block: Block = { lines, request, first: this.events }
    this.events += lines.ends.length
    this.bytes += lines.bytes.length
    for (let i = 0; i < lines.ids.length; i += 2) {
      const [start, end] = [lines.ids[i] as number, lines.ids[i + 1] as number]
      if (end > start) this.ids.add(lines.bytes, start, end)
    }
    if (this.kept) {
      this.#forget(request.receivedAtMs - this.#keepMs)
      this.#blocks.push(block)
    }
    this.#onIndexed?.(eventsOf(block, 0))
    if (this.#stream && !this.#stream.write(lines.bytes)) await this.#drain(this.#stream)
  }

  /** Only counts, for benchmarks. */
  count(events: number, bytes: number): void {
    this.events += events
    this.bytes += bytes
  }

  /** Kept events from sequence number `seq` on. */
  since(seq: number): IndexedEvent[] {
    const firstBlock = this.#blocks.findIndex((block) => block.first + block.lines.ends.length > seq)
    if (firstBlock === -1) return []
    return this.#blocks.slice(firstBlock).flatMap((block) => eventsOf(block, seq))
  }

  /** Forgets events and counts; the output stays as it is. */
  clear(): void {
    this.#blocks.length = 0
    this.ids.clear()
    this.events = this.bytes = 0
  }

  /** Waits until the output has everything. */
  async close(): Promise<void> {
    this.#file?.close()
    const stream = this.#stream
    if (stream && !this.failure) await new Promise<void>((resolve) => stream.write('', () => resolve()))
    stream?.off('error', this.#fail)
    this.failure ??= new Error('the receiver is closed')
  }

  #forget(before: number): void {
    const young = this.#blocks.findIndex(({ request }) => request.receivedAtMs >= before)
    if (young !== 0) this.#blocks.splice(0, young === -1 ? this.#blocks.length : young)
  }

  /** One listener, however many requests wait. */
  async #drain(stream: NodeJS.WritableStream): Promise<void> {
    this.#drained ??= once(stream, 'drain').finally(() => {
      this.#drained = undefined
    })
    await this.#drained
  }

  readonly #fail = (error: Error): void => {
    if (this.failure) return
    this.failure = error
    this.#onOutputFailed?.(error)
  }
}

function eventsOf(block: Block, since: number): IndexedEvent[] {
  const events: IndexedEvent[] = []
  for (let i = Math.max(0, since - block.first); i < block.lines.ends.length; i += 1) {
    events.push(new IndexedEvent(block.first + i, block))
  }
  return events
}
