import fc from 'fast-check'
import { compressSync } from 'lz4-napi'
import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../../src/core/buffer-pool.ts'
import { atOnce } from '../../../src/core/turns.ts'
import { SampleLogs, seededRandom } from '../../../src/emulator/sample-logs.ts'
import { Encoder } from '../../../src/pipeline/encoder.ts'
import { KernelBodies } from '../../../src/pipeline/wasm/bodies.ts'
import { WasmEngine } from '../../../src/pipeline/wasm/engine.ts'
import { Kernel } from '../../../src/pipeline/wasm/kernel.ts'
import { Slots } from '../../../src/pipeline/wasm/slots.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../../src/sls/log-group.ts'
import { lz4Compress, lz4Decompress, PIECE_BYTES } from '../../../src/sls/lz4.ts'
import { kernelOptions, position, programOf } from './encode-all.ts'

function open(bodyBytes = 1 << 20) {
  const kernel = Kernel.open(kernelOptions(), bodyBytes) as Kernel
  return { kernel, bodies: new KernelBodies(kernel, new BufferPool(0)) }
}

const blockOf = (body: Buffer): Buffer => compressSync(body).subarray(4)

describe('inflating in the kernel', () => {
  const { kernel, bodies } = open(8 << 20)
  const CANARY = 0xa5

  /** The body, inflated between canaries that must not change; `undefined` when the block was refused. */
  function inflated(block: Uint8Array, size: number): Buffer | undefined {
    const before = bodies.take(256)
    const body = bodies.take(size)
    const after = bodies.take(256)
    const source = Buffer.from(block)
    before.fill(CANARY)
    after.fill(CANARY)
    try {
      const done = atOnce(bodies.inflate(source, body))
      expect(before.every((byte) => byte === CANARY) && after.every((byte) => byte === CANARY)).toBe(true)
      expect(source.equals(block)).toBe(true)
      return done ? Buffer.from(body) : undefined
    } finally {
      for (const one of [before, body, after]) bodies.give(one)
    }
  }

  function reference(block: Uint8Array, size: number): Buffer | undefined {
    try {
      return lz4Decompress(block, size)
    } catch {
      return undefined
    }
  }

  function agree(block: Uint8Array, size: number): boolean {
    const expected = reference(block, size)
    const found = inflated(block, size)
    // The kernel may try a size that is impossible.
    expect(found === undefined).toBe(expected === undefined)
    expect(found?.equals(expected as Buffer) ?? true).toBe(true)
    return expected !== undefined
  }

  test('gives what any encoder put in, for every distance a match can have', () => {
    const samples = new SampleLogs(5)
    const texts = (['audit', 'kubernetes', 'access'] as const).map((kind) =>
      Buffer.from(JSON.stringify(samples.group(kind, 40))),
    )
    const repeated = Array.from({ length: 80 }, (_, period) =>
      Buffer.concat(
        Array.from({ length: 30 }, () =>
          Buffer.from('0123456789abcdefghijklmnopqrstuvwxyz'.repeat(3).slice(0, period + 1)),
        ),
      ),
    )
    const random = seededRandom(1)
    const noise = Buffer.from(Array.from({ length: 70_000 }, () => Math.floor(random() * 256)))
    for (const body of [...texts, ...repeated, noise, Buffer.alloc(100_000), Buffer.from('x'), Buffer.alloc(0)]) {
      for (const block of [blockOf(body), lz4Compress(body)]) {
        if (block.length > 0) expect(inflated(block, body.length)?.equals(body)).toBe(true)
      }
    }
  })

  test('takes exactly the announced size and the whole block', () => {
    const body = Buffer.from('abcdefgh'.repeat(100))
    const block = blockOf(body)
    expect(agree(block, body.length)).toBe(true)
    for (const size of [0, 1, body.length - 1, body.length + 1, 100_000]) expect(agree(block, size)).toBe(false)
    for (let length = 0; length < block.length; length++)
      expect(agree(block.subarray(0, length), body.length)).toBe(false)
    expect(agree(Buffer.concat([block, block]), body.length)).toBe(false)
  })

  test('refuses lengths without end', () => {
    for (const start of ['f0', 'ff', '1f61', '1f610100', '1f61ffff', '0f0000']) {
      const block = Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(2_000_000, 0xff)])
      expect(agree(block, 1_000)).toBe(false)
    }
  })

  test('agrees with the other engine about anything, and touches nothing around it', () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x0f, 0x1f, 0xf0, 0xff)))
    const texts = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc
        .array(fc.constantFrom('abc', 'abcdefghijklmnopq', 'x', '0123'), { maxLength: 60 })
        .map((parts) => parts.join('')),
    )
    let taken = 0
    let refused = 0
    const property = fc.property(
      texts,
      fc.array(change, { maxLength: 3 }),
      fc.integer({ min: -3, max: 3 }),
      (text, changes, more) => {
        const body = Buffer.from(text)
        const block = lz4Compress(body)
        for (const [at, byte] of changes) block[at % block.length] = byte
        if (agree(block, Math.max(0, body.length + (changes.length > 0 ? more : 0)))) taken++
        else refused++
      },
    )
    fc.assert(property, { numRuns: 1_000_000, interruptAfterTimeLimit: 1_500 })
    expect(Math.min(taken, refused)).toBeGreaterThan(5)
  })

  test('pauses, and lets others use the kernel meanwhile', () => {
    const roomy = open(64 << 20)
    const engine = new WasmEngine(roomy.kernel)
    const texts = [25, 50, 75].map((groups, seed) => {
      const logs = new SampleLogs(seed).group('audit', 500).logs
      const group = encodeLogGroup({
        logs: logs.map(({ timestamp, content }) => ({
          time: Math.floor(timestamp / 1000),
          contents: Object.entries(content),
        })),
      })
      return encodeLogGroupList(Array.from({ length: groups }, () => group))
    })
    const running = texts.map((text) => {
      const body = roomy.bodies.take(text.length)
      return { text, body, pieces: roomy.bodies.inflate(blockOf(text), body) }
    })
    const encodings = []
    let pauses = 0
    let steps = 0
    while (running.length > 0) {
      for (const one of [...running]) {
        const { done, value } = one.pieces.next()
        if (!done) {
          pauses++
          for (const encoding of encodings) if (!encoding.next().done) steps++
          continue
        }
        expect(value && one.body.equals(one.text)).toBe(true)
        encodings.push(
          new Encoder({ engine, memory: roomy.kernel.options.memory, program: () => programOf() }).encode(
            one.body,
            position,
          ),
        )
        running.splice(running.indexOf(one), 1)
      }
    }
    expect(Math.min(...texts.map(({ length }) => length))).toBeGreaterThan(3 * PIECE_BYTES)
    expect(Math.min(pauses, steps)).toBeGreaterThan(5)
  })

  test('gives its memory back when it is abandoned half way', () => {
    const { bodies: fresh } = open(16 << 20)
    const text = Buffer.from('0123456789abcdef'.repeat(400_000))
    const body = fresh.take(text.length)
    const behind = fresh.take(1)
    fresh.give(behind)
    const pieces = fresh.inflate(blockOf(text), body)
    expect(pieces.next().done).toBe(false)
    pieces.return(false)
    expect(fresh.take(1).byteOffset).toBe(behind.byteOffset)
  })

  test('leaves bodies outside its memory, and blocks without room, to the other engine', () => {
    const body = Buffer.alloc(1000, 'x')
    expect(atOnce(bodies.inflate(blockOf(body), Buffer.alloc(1000)))).toBe(false)
    const small = open()
    const most = small.bodies.take(1_000_000)
    expect(small.kernel.holds(most)).toBe(true)
    expect(atOnce(small.bodies.inflate(Buffer.alloc(500_000), most))).toBe(false)
  })

  test('is tried first, and the other engine words the fault', () => {
    const body = Buffer.from('abcdefgh'.repeat(100))
    const take = (size: number): Buffer => bodies.take(size)
    const good = lz4Decompress(blockOf(body), body.length, take, bodies.inflate)
    expect(kernel.holds(good)).toBe(true)
    expect(good.equals(body)).toBe(true)
    bodies.give(good)
    expect(() => lz4Decompress(Buffer.of(0x10), 1, take, bodies.inflate)).toThrow(
      expect.objectContaining({ code: 'corrupt_lz4', message: expect.stringContaining('literals run past the end') }),
    )
  })
})

describe('memory for bodies', () => {
  test('is used again from the start once it is given back', () => {
    const { bodies } = open()
    const [first, second, third] = [bodies.take(1000), bodies.take(1000), bodies.take(1000)]
    bodies.give(second)
    expect(bodies.take(900).byteOffset).toBe(second.byteOffset)
    bodies.give(first)
    bodies.give(third)
    expect(bodies.take(1000).byteOffset).toBe(first.byteOffset)
  })

  test('comes from elsewhere when there is not enough, and goes back there', () => {
    const { bodies, kernel } = open()
    const own = bodies.take(900_000)
    const other = bodies.take(900_000)
    expect([own, other].map((body) => kernel.holds(body))).toEqual([true, false])
    expect([own, other].map((body) => body.length)).toEqual([900_000, 900_000])
    bodies.give(other)
    bodies.give(own)
    expect(kernel.holds(bodies.take(900_000))).toBe(true)
  })

  test('is never given out twice', () => {
    const action = fc.record({ size: fc.nat(4_000), give: fc.option(fc.nat(), { freq: 2 }) })
    const property = fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const slots = new Slots(64, 20_000)
      const taken: Array<{ at: number; size: number }> = []
      for (const { size, give } of actions) {
        if (give !== null && taken.length > 0) {
          const [gone] = taken.splice(give % taken.length, 1)
          slots.give((gone as { at: number }).at)
        }
        const at = slots.take(size)
        if (at === undefined) continue
        // The kernel may write a little past the end of each.
        expect(at >= 64 && at + size + 16 <= 20_000).toBe(true)
        for (const other of taken) expect(at >= other.at + other.size + 16 || at + size + 16 <= other.at).toBe(true)
        taken.push({ at, size })
      }
      for (const { at } of taken) slots.give(at)
      expect(slots.take(19_000)).toBe(64)
    })
    fc.assert(property, { numRuns: 300 })
  })
})
