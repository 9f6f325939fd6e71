import { uncompressSync } from 'lz4-napi'
import { BufferPool } from '../../../src/core/buffer-pool.ts'
import { Fault } from '../../../src/core/errors.ts'
import { atOnce } from '../../../src/core/turns.ts'
import { KernelBodies } from '../../../src/pipeline/wasm/bodies.ts'
import { Kernel } from '../../../src/pipeline/wasm/kernel.ts'
import { lz4Decompress } from '../../../src/sls/lz4.ts'
import { kernelOptions } from '../../unit/pipeline/encode-all.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

/** More than any input of the fuzzer can hold at 255 bytes a byte would only test the allocator. */
const LARGEST_SIZE = 1 << 17
const GUARD = 64
const CANARY = 0xa5

/** Input: the announced size as four bytes, little-endian, then the block. */
export const lz4: Target = {
  name: 'lz4',
  open() {
    const kernel = Kernel.open(kernelOptions({ maxBatchBytes: 1_000 }), 1 << 20)
    if (!kernel) throw new Error('the WebAssembly engine cannot be had here')
    return (input): string => {
      if (input.length < 4) return 'no size'
      const size = input.readUInt32LE(0) % LARGEST_SIZE
      const around = Buffer.alloc(input.length + GUARD, CANARY)
      const block = around.subarray(GUARD / 2, GUARD / 2 + input.length - 4)
      block.set(input.subarray(4))
      const before = Buffer.from(around)

      const outcome = inflated(block, size)
      const fast = inflatedByKernel(kernel, block, size)
      must(around.equals(before), 'the input is as it was')
      const expected = referenceInflated(block, size)
      must(
        (typeof outcome !== 'string') === (expected !== undefined),
        'it takes exactly the blocks that the format allows',
      )
      const foreign = foreignInflated(block, size)
      if (typeof outcome === 'string') {
        must(fast === undefined, 'the kernel takes nothing that is refused')
        // The other decoder takes no block at all for an empty one.
        must(foreign === undefined || block.length === 0, 'it takes the blocks that another decoder takes')
        return outcome
      }
      must(outcome.equals(expected as Buffer), 'the bytes are those of the format')
      must(fast === undefined || fast.equals(outcome), 'the bytes are those of the kernel')
      must(foreign === undefined || foreign.equals(outcome), 'the bytes are those of another decoder')
      return `accepted${foreign ? '' : ' alone'}${fast ? '' : ', not by the kernel'}`
    }
  },
}

/** The result if the kernel gives one. The bodies before and behind it in its memory must stay as they are. */
function inflatedByKernel(kernel: Kernel, block: Buffer, size: number): Buffer | undefined {
  const bodies = new KernelBodies(kernel, new BufferPool(0))
  const [ahead, body, behind] = [bodies.take(GUARD), bodies.take(size), bodies.take(GUARD)]
  try {
    ahead.fill(CANARY)
    behind.fill(CANARY)
    const result = atOnce(bodies.inflate(block, body)) ? Buffer.from(body) : undefined
    for (const other of [ahead, behind]) {
      must(
        other.every((byte) => byte === CANARY),
        'the kernel leaves other bodies alone',
      )
    }
    return result
  } finally {
    for (const taken of [ahead, body, behind]) bodies.give(taken)
  }
}

/** The result, or the message of the Fault. Detects writes past the given memory. */
function inflated(block: Buffer, size: number): Buffer | string {
  let memory = Buffer.alloc(0)
  try {
    const result = lz4Decompress(block, size, (bytes) => {
      memory = Buffer.alloc(bytes + GUARD, CANARY)
      return memory.subarray(GUARD / 2, GUARD / 2 + bytes)
    })
    must(result.length === size, 'as long as announced')
    return Buffer.from(result)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    must(error.kind === 'transient' && error.code === 'corrupt_lz4', 'refused as a corrupt block')
    return error.message.replace(/\d+/g, 'N')
  } finally {
    const edges = Buffer.concat([memory.subarray(0, GUARD / 2), memory.subarray(memory.length - GUARD / 2)])
    must(
      edges.every((byte) => byte === CANARY),
      'nothing is written outside',
    )
  }
}

/** The block format as its specification tells it, byte by byte and without a thought for speed. */
function referenceInflated(block: Buffer, size: number): Buffer | undefined {
  const output: number[] = []
  let at = 0
  const lengthFrom = (nibble: number): number => {
    let length = nibble
    if (nibble === 15) {
      let byte = 255
      while (byte === 255) {
        if (at >= block.length) throw new Error('cut')
        byte = block[at++] as number
        length += byte
      }
    }
    return length
  }
  try {
    for (;;) {
      const token = block[at++]
      if (token === undefined) return undefined
      const literals = lengthFrom(token >> 4)
      if (at + literals > block.length || output.length + literals > size) return undefined
      for (let index = 0; index < literals; index++) output.push(block[at++] as number)
      if (at === block.length) return output.length === size ? Buffer.from(output) : undefined
      if (at + 2 > block.length) return undefined
      const offset = block.readUInt16LE(at)
      at += 2
      if (offset === 0 || offset > output.length) return undefined
      const length = lengthFrom(token & 15) + 4
      if (output.length + length > size) return undefined
      for (let index = 0; index < length; index++) output.push(output[output.length - offset] as number)
    }
  } catch {
    return undefined
  }
}

function foreignInflated(block: Buffer, size: number): Buffer | undefined {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32LE(size)
  try {
    const result = uncompressSync(Buffer.concat([prefix, block]))
    return result.length === size ? result : undefined
  } catch {
    return undefined
  }
}
