import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'

const inflate = promisify(gunzip)

/** `too_large`: more than the cap, of which the rest was not read. `corrupt`: announced as gzip and not gzip. */
export type Body = Buffer | 'too_large' | 'unsupported_encoding' | 'corrupt' | 'aborted'

/** Reads and inflates a request body. The cap is on uncompressed bytes; compression does not buy room. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Body> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding !== 'identity' && encoding !== '' && encoding !== 'gzip') return 'unsupported_encoding'
  const body = await collect(request, maxBytes)
  if (encoding !== 'gzip' || typeof body === 'string' || body.length === 0) return body
  try {
    return await inflate(body, { maxOutputLength: Math.min(maxBytes, 0x7fffffff), chunkSize: 256 * 1024 })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'corrupt'
  }
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Buffer | 'too_large' | 'aborted'> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve('too_large')
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBytes) resolve('too_large')
      else chunks.push(chunk)
    })
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
    request.on('error', () => resolve('aborted'))
    request.on('close', () => resolve('aborted'))
  })
}
