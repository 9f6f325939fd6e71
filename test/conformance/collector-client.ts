import { Collector } from './collector.ts'
import { freePort } from './listening.ts'

/** A value in the JSON encoding of OTLP. */
type OtlpValue =
  | { stringValue: string }
  | { boolValue: boolean }
  | { intValue: string }
  | { doubleValue: number }
  | { arrayValue: { values: OtlpValue[] } }
  | { kvlistValue: { values: OtlpAttribute[] } }

export interface OtlpAttribute {
  key: string
  value: OtlpValue
}

export interface OtlpLog {
  timeUnixNano?: string
  severityNumber?: number
  severityText?: string
  traceId?: string
  spanId?: string
  body?: OtlpValue
  attributes?: OtlpAttribute[]
}

/** A collector that sends its input with `splunkhecexporter`. */
export class CollectorAsClient {
  readonly process: Collector
  readonly #url: string

  private constructor(process: Collector, url: string) {
    this.process = process
    this.#url = url
  }

  /** `exporter`: settings of the exporter, its endpoint and token among them. */
  static async start(exporter: object): Promise<CollectorAsClient> {
    const endpoint = `127.0.0.1:${await freePort()}`
    const process = await Collector.start({
      receivers: { otlp: { protocols: { http: { endpoint } } } },
      exporters: { splunk_hec: exporter },
    })
    return new CollectorAsClient(process, `http://${endpoint}/v1/logs`)
  }

  async send(resource: OtlpAttribute[], logRecords: OtlpLog[]): Promise<void> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceLogs: [{ resource: { attributes: resource }, scopeLogs: [{ logRecords }] }] }),
    })
    if (!response.ok) throw new Error(`the collector answered ${response.status}: ${await response.text()}`)
  }
}
