import { brotliDecompressSync, zstdDecompressSync } from 'node:zlib'
import { Fault } from '../../../src/core/errors.ts'
import { countLogGroups } from '../../../src/sls/log-group.ts'
import { lz4Decompress } from '../../../src/sls/lz4.ts'
import { clientOf, scriptedServer } from '../../unit/sls/scripted-server.ts'
import type { Target } from '../fuzz.ts'
import { must } from '../fuzz.ts'

export const COMPRESSIONS = ['lz4', 'zstd', '', 'LZ4', 'br'] as const
const CODES = /^(corrupt_(response|lz4|zstd|log_group))$/
const HEAD_BYTES = 7

/** Input: index of the compression, raw size (4 bytes, little-endian), number of groups (2 bytes), then the body as sent. */
export const pull: Target = {
  name: 'pull',
  async open() {
    let answer: { headers: Record<string, string>; body: Buffer }
    const { port } = await scriptedServer((response) => response.writeHead(200, answer.headers).end(answer.body))
    const client = clientOf(port)
    return async (input) => {
      if (input.length < HEAD_BYTES) return 'no head'
      const compression = COMPRESSIONS[(input[0] as number) % COMPRESSIONS.length] as string
      const rawSize = input.readUInt32LE(1)
      const count = input.readUInt16LE(5)
      const body = input.subarray(HEAD_BYTES)
      const headers = {
        'x-log-cursor': 'bmV4dA==',
        'x-log-count': String(count),
        'x-log-bodyrawsize': String(rawSize),
        ...(compression && { 'x-log-compresstype': compression }),
      }
      answer = { headers, body }
      try {
        const answered = await client.pull(0, 'Y3Vy', { count: 1000 })
        const raw = await answered.read()
        must(raw.length === rawSize && answered.rawSize === rawSize, 'as long as announced')
        must(countLogGroups(raw) === count && answered.groupCount === count, 'as many groups as announced')
        if (rawSize > 0) must(raw.equals(inflated(compression, body, rawSize)), 'the bytes are those that were sent')
        return `read ${compression}`
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        must(error.kind === 'transient' && CODES.test(error.code), `refused as a corrupt answer, not as ${error.code}`)
        return `${error.code} ${compression}`
      }
    }
  },
}

/** By Node's own decoders, without a limit; LZ4 has a target of its own. */
function inflated(compression: string, body: Buffer, size: number): Buffer {
  if (compression === 'zstd') return zstdDecompressSync(body)
  if (compression === 'br') return brotliDecompressSync(body)
  return compression === '' ? body : lz4Decompress(body, size)
}
