import { SampleLogs } from '../../src/emulator/sample-logs.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../src/sls/log-group.ts'
import * as wire from '../unit/pipeline/wire.ts'

/** Bodies of pulls to start from: logs as audit products write them, and the odd but legal corners of the wire format. */
export function pulledBodies(): Buffer[] {
  const samples = new SampleLogs(7)
  const audit = (['audit', 'kubernetes', 'access'] as const).map((kind) => {
    const { topic, source, tags, logs } = samples.group(kind, 3, 1_790_000_000_000)
    return encodeLogGroup({
      topic,
      source,
      tags: (tags ?? []).flatMap((tag) => Object.entries(tag)),
      logs: logs.map(({ timestamp, timestampNsPart, content }) => ({
        time: timestamp,
        ...(timestampNsPart !== undefined && { timeNs: timestampNsPart }),
        contents: Object.entries(content),
      })),
    })
  })
  const { content, group, list, log, source, tag, time, timeNs, topic } = wire
  return [
    encodeLogGroupList(audit),
    encodeLogGroupList(audit.slice(0, 1)),
    list(
      group(log(time(1), content('a', 'b'), content('a', 'c'), timeNs(5)), log(time(2), content('a', 'b')), topic('t')),
      group(log(content('', '')), log(), source('s'), tag('k', 'v'), tag('k', 'w')),
    ),
    list(
      group(
        wire.varintField(7, 2n ** 63n),
        log(wire.fixed64Field(9), content('k'.repeat(129), Buffer.from('ff00c0af', 'hex'))),
        wire.groupField(15, wire.varintField(1, 1), wire.groupField(2)),
        log(wire.bytesField(2, Buffer.concat([Buffer.of(0x0a), wire.longVarint(1, 5), Buffer.from('k')]))),
      ),
      wire.bytesField(536_870_911, 'x'),
    ),
  ]
}
