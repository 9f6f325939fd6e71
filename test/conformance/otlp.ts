/** The part of OTLP's JSON log records that is read here. */
interface ResourceLogs {
  resource: { attributes?: Attribute[] }
  scopeLogs: Array<{ logRecords: LogRecord[] }>
}
export interface LogRecord {
  timeUnixNano: string
  body: Value
  attributes?: Attribute[]
}
interface Attribute {
  key: string
  value: Value
}
interface Value {
  stringValue?: string
  intValue?: string
  kvlistValue?: { values?: Attribute[] }
}

/** The output of a collector's file exporter. */
export function resourceLogsOf(text: string): ResourceLogs[] {
  const lines = text.split('\n').filter(Boolean)
  return lines.flatMap((line) => (JSON.parse(line) as { resourceLogs: ResourceLogs[] }).resourceLogs)
}

export function byKey(attributes: Attribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, unwrapped(value)]))
}

export function unwrapped(value: Value): unknown {
  if (value.stringValue !== undefined) return value.stringValue
  if (value.intValue !== undefined) return value.intValue
  if (value.kvlistValue) return byKey(value.kvlistValue.values)
  throw new Error(`no text and no object: ${JSON.stringify(value)}`)
}
