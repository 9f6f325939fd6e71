import { test } from 'vitest'
import { FUZZING, fuzz } from './fuzz.ts'
import { HEC_BODIES, HEC_WORDS } from './hec-words.ts'
import { hecAnswers, STATUSES } from './targets/hec-answers.ts'
import { hecDelivery } from './targets/hec-delivery.ts'

const RETRY_AFTER = ['', '5', '-1', '1e9', '9'.repeat(30), 'Wed, 25 Nov 2026 00:00:05 GMT', 'soon', 'Wed, 99 Nov']

test(
  'answers of HEC: delivered, blamed and waited for as the one table says, whatever they hold',
  FUZZING,
  async () => {
    const seeds = HEC_BODIES.flatMap((body, index) =>
      [0, 2, 4, 13, index % STATUSES.length].map((status) => {
        const wait = RETRY_AFTER[index % RETRY_AFTER.length] as string
        return Buffer.concat([Buffer.of(status, wait.length), Buffer.from(`${wait}${body}`)])
      }),
    )
    await fuzz(hecAnswers, seeds, [...HEC_WORDS, ...RETRY_AFTER])
  },
)

test(
  'deliveries through hostile answers: no event is delivered or buried but on the word of HEC',
  FUZZING,
  async () => {
    const seeds = HEC_BODIES.flatMap((body, index) =>
      [0, 2, 13, index % STATUSES.length].map((status) =>
        Buffer.concat([Buffer.of(status, index % 2, 1 + (index % 7)), Buffer.from(body)]),
      ),
    )
    await fuzz(hecDelivery, seeds, HEC_WORDS)
  },
)
