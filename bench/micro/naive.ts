import protobuf from 'protobufjs'
import type { HecLayout } from '../../src/pipeline/hec-layout.ts'

// The obvious program: protobufjs and JSON.stringify. It gets duplicate keys, keys like numbers and nanoseconds wrong, and is
// here only to compare its speed.

const SCHEMA = `
  syntax = "proto2";
  message Pair { required string Key = 1; required string Value = 2; }
  message Log { required uint32 Time = 1; repeated Pair Contents = 2; optional fixed32 Time_ns = 4; }
  message LogGroup {
    repeated Log Logs = 1; optional string Topic = 3; optional string Source = 4; repeated Pair LogTags = 6;
  }
  message LogGroupList { repeated LogGroup LogGroups = 1; }
`
const LogGroupList = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('LogGroupList')

interface Pair {
  Key: string
  Value: string
}
interface Group {
  Logs: Array<{ Time: number; Time_ns: number; Contents: Pair[] }>
  Topic: string
  Source: string
  LogTags: Pair[]
}

/** One event as an object, ready for JSON.stringify. */
export type Envelope = Record<string, unknown>

export function envelopesOf({ source, sourcetype }: HecLayout, body: Buffer): Envelope[] {
  const { LogGroups } = LogGroupList.decode(body) as unknown as { LogGroups: Group[] }
  const envelopes: Envelope[] = []
  for (const [groupIndex, group] of LogGroups.entries()) {
    const common: Record<string, string> = { __topic__: group.Topic, __source__: group.Source }
    for (const tag of group.LogTags) common[`__tag__:${tag.Key}`] = tag.Value
    for (const [logIndex, log] of group.Logs.entries()) {
      const event = { ...common }
      for (const { Key, Value } of log.Contents) event[Key] = Value
      envelopes.push({
        time: log.Time + log.Time_ns / 1e9,
        host: group.Source,
        source,
        sourcetype,
        event,
        fields: { sls_event_id: `audit:0:${groupIndex}:${logIndex}` },
      })
    }
  }
  return envelopes
}

export function bytesOfEnvelopes(envelopes: readonly Envelope[]): Buffer {
  return Buffer.from(`${envelopes.map((envelope) => JSON.stringify(envelope)).join('\n')}\n`)
}
