import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { BodyShare } from '../body-room.ts'

const CHUNK_BYTES = 256 * 1024

/**
 * `too_large`: more than the cap, of which the rest was not read. `busy`: other bodies take the room. `corrupt`: announced as
 * gzip and not gzip.
 */
export type Body = Buffer | 'too_large' | 'busy' | 'unsupported_encoding' | 'corrupt' | 'aborted'

/** Reads and inflates a request body. The cap is on uncompressed bytes; compression does not buy room. */
export async function readBody(request: IncomingMessage, maxBytes: number, share?: BodyShare): Promise<Body> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding !== 'identity' && encoding !== '' && encoding !== 'gzip') return 'unsupported_encoding'
  // An announced size is known before the first byte is held.
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return 'too_large'
  return collect(request, encoding === 'gzip', { maxBytes, share })
}

function collect(
  request: IncomingMessage,
  isGzip: boolean,
  { maxBytes, share }: { maxBytes: number; share: BodyShare | undefined },
): Promise<Body> {
  const gunzip = isGzip ? createGunzip({ chunkSize: CHUNK_BYTES }) : undefined
  const plain: Readable = gunzip ?? request
  return new Promise((resolve) => {
    let chunks: Buffer[] = []
    let [sent, length] = [0, 0]
    const end = (body: Body): void => {
      resolve(body)
      plain.off('data', take)
      chunks = []
      if (!gunzip) return
      request.unpipe(gunzip)
      gunzip.destroy()
    }
    const take = (chunk: Buffer): void => {
      length += chunk.length
      if (length > maxBytes) end('too_large')
      else if (share && !share.take(chunk.length)) end('busy')
      else chunks.push(chunk)
    }
    plain.on('data', take)
    plain.on('end', () => end(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length)))
    request.on('error', () => end('aborted'))
    request.on('close', () => request.complete || end('aborted'))
    if (!gunzip) return
    gunzip.on('error', () => end('corrupt'))
    request.on('data', (chunk: Buffer) => {
      sent += chunk.length
      if (sent > maxBytes) end('too_large')
    })
    // An empty body is empty, whatever it is announced as.
    request.on('end', () => sent === 0 && end(Buffer.alloc(0)))
    request.pipe(gunzip)
  })
}
