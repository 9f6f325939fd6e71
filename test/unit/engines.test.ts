import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compiledSource, ENGINES } from '../../engine/build.ts'

test.each(ENGINES)(
  '$binary is what engine/$entry compiles to (npm run build:wasm)',
  {
    timeout: 120_000,
  },
  async (engine) => {
    const checkedIn = readFileSync(join(import.meta.dirname, '../..', engine.binary), 'utf8')
    expect(await compiledSource(engine)).toBe(checkedIn)
  },
)
