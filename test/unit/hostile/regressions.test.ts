import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Target } from '../../hostile/fuzz.ts'
import { adminRequests } from '../../hostile/targets/admin-requests.ts'
import { deadLetters } from '../../hostile/targets/dead-letter.ts'
import { dotenv } from '../../hostile/targets/dotenv.ts'
import { environment } from '../../hostile/targets/environment.ts'
import { hecAnswers } from '../../hostile/targets/hec-answers.ts'
import { hecDelivery } from '../../hostile/targets/hec-delivery.ts'
import { logGroups } from '../../hostile/targets/log-groups.ts'
import { lz4 } from '../../hostile/targets/lz4.ts'
import { pull } from '../../hostile/targets/pull.ts'
import { slsAnswers } from '../../hostile/targets/sls-answers.ts'

/** Inputs that once broke a property of test/hostile, as small as they could be made; one file each. */
const FIXTURES = join(import.meta.dirname, '../../fixtures/hostile')
const TARGETS: Target[] = [
  ...[adminRequests, deadLetters, dotenv, environment, hecAnswers, hecDelivery, logGroups, lz4, pull, slsAnswers],
]

const files = TARGETS.flatMap((target) => {
  const folder = join(FIXTURES, target.name)
  return existsSync(folder) ? readdirSync(folder).map((file) => [target.name, file, target] as const) : []
})

test.each(files)('%s: %s', async (name, file, target) => {
  const check = await target.open()
  await check(readFileSync(join(FIXTURES, name, file)))
})

test('every folder of fixtures belongs to a target', () => {
  expect(TARGETS.map(({ name }) => name)).toEqual(expect.arrayContaining(readdirSync(FIXTURES)))
})
