import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Certificates } from './certificates.ts'
import { Collector, temporaryFolder } from './collector.ts'
import { freePort } from './listening.ts'
import { byKey, resourceLogsOf } from './otlp.ts'

/** One message as the collector parsed it. */
export interface CollectedMessage {
  nanoseconds: bigint
  attributes: Record<string, unknown>
}

export interface SyslogServerOptions {
  /** Messages in CEF or LEEF are parsed into the attribute `parsed`. */
  format: 'json' | 'cef' | 'leef'
  certificates?: Certificates
}

/** A collector that receives RFC 5424 with octet counts by its `syslogreceiver`, and stores messages with its file exporter. */
export class CollectorAsSyslog {
  readonly url: string
  readonly process: Collector
  readonly #file: string

  private constructor(url: string, process: Collector, file: string) {
    this.url = url
    this.process = process
    this.#file = file
  }

  static async start({ format, certificates }: SyslogServerOptions): Promise<CollectorAsSyslog> {
    const port = await freePort()
    const path = join(temporaryFolder(), 'received.json')
    const { cert: cert_file, key: key_file } = certificates?.server ?? {}
    const statement = `set(attributes["parsed"], Parse${format.toUpperCase()}(attributes["message"]))`
    const process = await Collector.start({
      receivers: {
        syslog: {
          ...{ protocol: 'rfc5424', enable_octet_counting: true, max_octets: 65_536 },
          tcp: { listen_address: `127.0.0.1:${port}`, ...(certificates && { tls: { cert_file, key_file } }) },
        },
      },
      processors:
        format === 'json'
          ? {}
          : { transform: { error_mode: 'propagate', log_statements: [{ context: 'log', statements: [statement] }] } },
      exporters: { file: { path, append: true, flush_interval: '50ms' } },
    })
    return new CollectorAsSyslog(`${certificates ? 'tls' : 'tcp'}://127.0.0.1:${port}`, process, path)
  }

  /** Complete after it was stopped. */
  messages(): CollectedMessage[] {
    const scopes = resourceLogsOf(readFileSync(this.#file, 'utf8')).flatMap(({ scopeLogs }) => scopeLogs)
    return scopes.flatMap(({ logRecords }) =>
      logRecords.map(({ timeUnixNano, attributes }) => {
        return { nanoseconds: BigInt(timeUnixNano ?? 0), attributes: byKey(attributes) }
      }),
    )
  }
}
