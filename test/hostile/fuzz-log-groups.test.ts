import fc from 'fast-check'
import { test } from 'vitest'
import { bodies } from '../unit/pipeline/bodies.ts'
import { FUZZING, fuzz } from './fuzz.ts'
import { pulledBodies } from './pulled-bodies.ts'
import { logGroups } from './targets/log-groups.ts'

test(
  'log groups: events as the contract has them, or the whole body is refused before a batch leaves',
  FUZZING,
  async () => {
    const seeds = [...pulledBodies(), ...fc.sample(bodies, { seed: 1, numRuns: 200 })]
    const words = [
      '0a',
      '12',
      '1a',
      '22',
      '25',
      '32',
      '08',
      '0b',
      '0c',
      '7b',
      '7c',
      'ffffffff0f',
      '8080808080808080808000',
    ]
    await fuzz(
      logGroups,
      seeds,
      words.map((hex) => Buffer.from(hex, 'hex')),
    )
  },
)
