import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Collector, temporaryFolder } from './collector.ts'
import { freePort } from './listening.ts'
import type { LogRecord } from './otlp.ts'
import { byKey, resourceLogsOf, unwrapped } from './otlp.ts'

export interface HecServerOptions {
  /** With the ack extension. */
  acks?: boolean
  /** Before compression. Default 20 MiB. */
  maxBodyBytes?: number
  tls?: { cert_file: string; key_file: string; client_ca_file?: string }
}

/** A collector that receives events with `splunkhecreceiver` and stores them with its file exporter. */
export class CollectorAsServer {
  readonly port: number
  readonly url: string
  readonly process: Collector
  readonly #file: string

  private constructor(port: number, url: string, process: Collector, file: string) {
    this.port = port
    this.url = url
    this.process = process
    this.#file = file
  }

  static async start({ acks = false, maxBodyBytes, tls }: HecServerOptions): Promise<CollectorAsServer> {
    const port = await freePort()
    const path = join(temporaryFolder(), 'received.json')
    const process = await Collector.start({
      extensions: acks ? { ack: {} } : {},
      receivers: {
        splunk_hec: {
          endpoint: `127.0.0.1:${port}`,
          ...(acks && { ack: { extension: 'ack' } }),
          ...(maxBodyBytes && { max_request_body_size: maxBodyBytes }),
          ...(tls && { tls }),
        },
      },
      exporters: { file: { path, append: true, flush_interval: '50ms' } },
    })
    return new CollectorAsServer(port, `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, process, path)
  }

  /** Current size of its file, in bytes. */
  get received(): number {
    return statSync(this.#file).size
  }

  /** The events in its file, in order of arrival. Complete after it was stopped. */
  events(): CollectedEvent[] {
    return resourceLogsOf(readFileSync(this.#file, 'utf8')).flatMap(({ resource, scopeLogs }) => {
      const metadata = byKey(resource.attributes)
      return scopeLogs.flatMap(({ logRecords }) => logRecords.map((record) => collected(metadata, record)))
    })
  }
}

/** One event as the collector parsed it. */
export interface CollectedEvent {
  nanoseconds: bigint
  /** `com.splunk.source` and similar attributes. */
  metadata: Record<string, unknown>
  event: unknown
  fields: Record<string, unknown>
}

function collected(metadata: Record<string, unknown>, { timeUnixNano, body, attributes }: LogRecord): CollectedEvent {
  return { nanoseconds: BigInt(timeUnixNano ?? 0), metadata, event: unwrapped(body), fields: byKey(attributes) }
}
