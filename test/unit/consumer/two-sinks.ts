import { BatchMemory } from '../../../src/pipeline/batch-memory.ts'
import { Encoder } from '../../../src/pipeline/encoder.ts'
import { ReferenceEngine } from '../../../src/pipeline/reference/engine.ts'
import { TopicSelection } from '../../../src/pipeline/select.ts'
import { parseCondition } from '../../../src/routing/condition.ts'

/** Of logs of topic `audit` those for which the condition holds go to the first sink, the others to the second. */
export function twoSinks(condition: string, [first, second]: readonly [string, string], maxBatchBytes = 1): Encoder {
  const when = parseCondition(condition, { macros: new Map(), lists: new Map() })
  if ('problem' in when) throw new Error(when.problem)
  const route = (name: string, sink: string) => ({
    ...{ name, continue: false, shape: [] },
    copies: [{ destination: { sink, maxBatchBytes }, layout: { source: 's', sourcetype: 't' } }],
  })
  const memory = new BatchMemory()
  const routes = [{ ...route('some', first), when }, route('rest', second)]
  const program = {
    topics: new TopicSelection(['audit']),
    idScope: 'audit',
    reservedKeys: 'override',
    shape: [],
    routes,
  } as const
  return new Encoder({ engine: new ReferenceEngine(memory), memory, program: () => program })
}
