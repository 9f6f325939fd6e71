import { Transform } from 'node:stream'
import { escapedJson } from '../core/text.ts'

export function isTerminal(stream: NodeJS.WritableStream): boolean {
  return 'isTTY' in stream && stream.isTTY === true
}

/**
 * A stream for whole lines of JSON that others wrote. A program behind it gets their bytes. A terminal gets the same JSON
 * without control characters.
 */
export function jsonLinesTo(stream: NodeJS.WritableStream): NodeJS.WritableStream {
  if (!isTerminal(stream)) return stream
  const harmless = new Transform({
    transform(lines: Buffer, _, done) {
      done(null, lines.toString().split('\n').map(escapedJson).join('\n'))
    },
  })
  harmless.pipe(stream)
  return harmless
}
