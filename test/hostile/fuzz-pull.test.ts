import { zstdCompressSync } from 'node:zlib'
import { test } from 'vitest'
import { countLogGroups } from '../../src/sls/log-group.ts'
import { lz4Compress } from '../../src/sls/lz4.ts'
import { FUZZING, fuzz } from './fuzz.ts'
import { pulledBodies } from './pulled-bodies.ts'
import { COMPRESSIONS, pull } from './targets/pull.ts'

const compress = {
  lz4: lz4Compress,
  LZ4: lz4Compress,
  zstd: zstdCompressSync,
  '': (raw: Buffer) => raw,
  br: (raw: Buffer) => raw,
}

function sent(raw: Buffer, compression: (typeof COMPRESSIONS)[number]): Buffer {
  const head = Buffer.alloc(7)
  head[0] = COMPRESSIONS.indexOf(compression)
  head.writeUInt32LE(raw.length, 1)
  head.writeUInt16LE(countLogGroups(raw), 5)
  return Buffer.concat([head, compress[compression](raw)])
}

test('pulls in every compression: exactly the announced bytes, or a Fault', FUZZING, async () => {
  const raws = [...pulledBodies(), Buffer.alloc(0)]
  const seeds = raws.flatMap((raw) => COMPRESSIONS.map((compression) => sent(raw, compression)))
  const zstdHeads = ['28b52ffd', '28b52ffd04', '28b52ffda0', '502a4d18', 'ffffff7f'].map((hex) =>
    Buffer.from(hex, 'hex'),
  )
  await fuzz(pull, seeds, [...zstdHeads, Buffer.alloc(4, 0xff), Buffer.of(0, 0, 0, 4)])
})
