import { compressSync } from 'lz4-napi'
import { test } from 'vitest'
import { lz4Compress } from '../../src/sls/lz4.ts'
import { FUZZING, fuzz } from './fuzz.ts'
import { pulledBodies } from './pulled-bodies.ts'
import { lz4 } from './targets/lz4.ts'

function sized(raw: Buffer, block: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(raw.length)
  return Buffer.concat([size, block])
}

test(
  'LZ4 blocks: exactly the bytes two other decoders find, or a Fault; nothing outside is touched',
  FUZZING,
  async () => {
    const raws = [...pulledBodies(), Buffer.alloc(0), Buffer.alloc(3000, 'ab'), Buffer.from('abcdefgh'.repeat(9))]
    const seeds = raws.flatMap((raw) => [sized(raw, compressSync(raw).subarray(4)), sized(raw, lz4Compress(raw))])
    const overlaps = [1, 2, 3, 4, 5, 7, 8, 15].map((offset) =>
      Buffer.from([0x0f, offset, 0, 255, 9, 0x50, 1, 2, 3, 4, 5]),
    )
    await fuzz(lz4, seeds, [...overlaps, Buffer.alloc(300, 0xff), Buffer.of(0x1f, 1, 0), Buffer.of(0xf0, 0)])
  },
)
