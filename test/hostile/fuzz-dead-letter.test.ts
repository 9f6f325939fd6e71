import { test } from 'vitest'
import { FUZZING, fuzz } from './fuzz.ts'
import { deadLetters, LETTER } from './targets/dead-letter.ts'

const WORDS = [
  ...['null', '{}', '[]', '"x"', '-1', '1e999', '"\\u001b[2J"', '"\\n"', '\r', '\u2028', ',"event":', '}', '\0'],
  ...['"reason":null', '"origin":null', '"origin":[]', '"shard":"x"', '"status":1.5', '"__proto__":1,'],
]

test('dead letters: each line is a letter or told to be damaged, and none takes another along', FUZZING, async () => {
  const [head = '', event = ''] = LETTER.split(',"event":{"time"')
  const lines = [LETTER.trim(), `${LETTER}${LETTER}`, `${head},"event":null}`, `{"time"${event}`, '{"event":1}']
  await fuzz(
    deadLetters,
    lines.map((line) => Buffer.from(line)),
    WORDS,
  )
})
