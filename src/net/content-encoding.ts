import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import { Fault } from '../core/errors.ts'
import { beginningOf } from '../core/text.ts'

/** What gateways compress with although we ask for `identity`. */
const DECODERS: Readonly<Record<string, (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
}
const SHOWN_CHARACTERS = 50

/** Whether `encoding`, the value of `Content-Encoding`, changes the body. */
export function isEncoded(encoding: string | undefined): encoding is string {
  return encoding !== undefined && !/^\s*(identity)?\s*$/i.test(encoding)
}

/**
 * The body of `origin`'s answer as it was before something on the way compressed it unasked; at most `limit` bytes.
 * Throws a configuration Fault `content_encoding` for a compression that we do not know, and for a body that is not valid.
 */
export async function decoded(body: Buffer, encoding: string, limit: number, origin: string): Promise<Buffer> {
  const name = encoding.trim().toLowerCase()
  const decode = Object.hasOwn(DECODERS, name) ? DECODERS[name] : undefined
  // An answer without a body may carry the header all the same.
  if (body.length === 0) return body
  try {
    if (decode) return await decode(body, { maxOutputLength: limit })
  } catch (error) {
    throw unusable(origin, `not valid, or longer than ${limit} bytes`, encoding, error)
  }
  throw unusable(origin, 'not known here', encoding)
}

function unusable(origin: string, why: string, encoding: string, cause?: unknown): Fault {
  const named = beginningOf(encoding, SHOWN_CHARACTERS)
  const message = `${origin}: the answer is compressed (Content-Encoding: ${named}) although we ask for none, and is ${why}`
  const advice = 'Turn compression of answers off in the gateway or proxy on the way.'
  return new Fault('configuration', message, { code: 'content_encoding', advice, cause })
}
