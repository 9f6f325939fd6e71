import { expect, test } from 'vitest'
import { BatchMemory } from '../../../src/pipeline/batch-memory.ts'
import { ReferenceEngine } from '../../../src/pipeline/reference/engine.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import { parseCondition } from '../../../src/routing/condition.ts'
import { position, programOf } from './encode-all.ts'
import { content, group, list, log, tag, time, topic } from './wire.ts'

const logs = (count: number) => Array.from({ length: count }, () => log(time(1), content('k', 'v')))
const BODY = list(
  group(topic('a'), ...logs(3)),
  group(topic('b'), ...logs(2)),
  group(topic('a'), tag('env', 'test'), ...logs(4)),
  group(...logs(1)),
)

test('logs are counted by topic, and those as dropped whose group is not read', () => {
  const when = parseCondition('__tag__:env = test', { macros: new Map(), lists: new Map() })
  if ('problem' in when) throw new Error(when.problem)
  const plain = programOf()
  const program = {
    ...plain,
    topics: new TopicSelection(['a', '']),
    routes: [{ name: 'no tests', when, drop: 'test', continue: false, shape: [], copies: [] }, ...plain.routes],
  }
  const topics = new ReferenceEngine(new BatchMemory()).topics(BODY, position, program)
  expect([...topics]).toEqual([
    ['a', { logs: 7, dropped: 4 }],
    ['b', { logs: 2, dropped: 2 }],
    ['', { logs: 1, dropped: 0 }],
  ])
})
