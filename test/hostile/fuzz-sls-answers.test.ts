import { test } from 'vitest'
import { FUZZING, fuzz } from './fuzz.ts'
import { CALLS, STATUSES, slsAnswers } from './targets/sls-answers.ts'

const SHARD = {
  shardID: 0,
  status: 'readonly',
  inclusiveBeginKey: '00',
  exclusiveEndKey: 'ff',
  createTime: 1_700_000_000,
}
const ANSWERS: Record<string, unknown> = {
  heartbeat: [0, 1, 2],
  getCursor: { cursor: 'MTQ0NzI5OTYwNjg5NjYzMjM1Ng==' },
  getCursorTime: { cursor_time: 1_700_000_000 },
  getCheckpoints: [{ shard: 0, checkpoint: 'MTQ0', updateTime: 1_700_000_000_000_000, consumer: 'c' }],
  listShards: [SHARD, { ...SHARD, shardID: 1, status: 'readwrite' }],
  listConsumerGroups: [{ name: 'cg', timeout: 60, order: false }],
  updateCheckpoint: '',
}
const ERRORS = [
  { errorCode: 'ConsumerNotMatch', errorMessage: 'not yours' },
  { errorCode: 'InvalidCursor', errorMessage: 'Invalid cursor in logstore' },
  { errorCode: 'X', errorMessage: 'x'.repeat(300) },
]

/** Odd JSON, also as written by hand. */
const WORDS = [
  ...['null', 'true', '-1', '-0', '1e999', '-1e999', '1e-400', '9007199254740993', '9'.repeat(400), 'NaN', 'Infinity'],
  ...['""', '"\\ud800"', '"\\u0000"', '"\\r\\n\\u001b[31m"', '"\\u202e"', '"toString"', `"${'A'.repeat(9_000)}"`],
  ...['{}', '[]', '[[]]', '{"__proto__":{"shard":0,"checkpoint":"x"}}', '"__proto__":', '"constructor":', ',', ':'],
  ...['['.repeat(3_000), `${'['.repeat(3_000)}${']'.repeat(3_000)}`, '{"a":'.repeat(2_000)],
  ...['"cursor":"b"', '"checkpoint":"x",', '"errorCode":"a b"', '"errorCode":"ServerBusy"', '<html>', '\ufeff'],
]

test(
  'JSON answers of Log Service: values the consumer can use, or a Fault; whatever was believed can be sent back',
  FUZZING,
  async () => {
    const sent = (call: number, status: number, body: unknown): Buffer =>
      Buffer.concat([Buffer.of(call, status), Buffer.from(body === '' ? '' : JSON.stringify(body))])
    const seeds = CALLS.flatMap(([name], call) => [
      sent(call, 0, ANSWERS[name]),
      ...ERRORS.map((error, index) => sent(call, (call + index) % STATUSES.length, error)),
    ])
    await fuzz(slsAnswers, seeds, WORDS)
  },
)
