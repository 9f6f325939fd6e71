import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compiledSource, ENGINES } from '../../engine/build.ts'
import { KERNEL } from '../../src/pipeline/wasm/binary.ts'

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

test('about half of the functions of the kernel are small, or V8 compiles none of them into others', () => {
  const sizes = functionSizes(Buffer.from(KERNEL, 'base64'))
  expect(sizes.length).toBeGreaterThan(20)
  expect(sizes.filter((size) => size < 50).length / sizes.length).toBeGreaterThan(0.45)
})

/** Bytes of each function of a WebAssembly module. */
function functionSizes(module: Buffer): number[] {
  let at = 8
  const number = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const CODE = 10
  for (;;) {
    const section = module[at++]
    const end = number() + at
    if (section === CODE) break
    at = end
  }
  return Array.from({ length: number() }, () => {
    const size = number()
    at += size
    return size
  })
}
