import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compiledSource } from '../../../engine/build.ts'

test('the kernel that is checked in is what its source compiles to (npm run build:wasm)', {
  timeout: 120_000,
}, async () => {
  const checkedIn = readFileSync(join(import.meta.dirname, '../../../src/pipeline/wasm/binary.ts'), 'utf8')
  expect(await compiledSource()).toBe(checkedIn)
})
