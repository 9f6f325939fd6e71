import type { Scalar } from 'yaml'

/**
 * Where the character at `offset` of a scalar's value stands in the text of the file, both counted in UTF-16 units. YAML
 * folds lines, removes indentation and unescapes, so this walks along the value and the file together.
 */
export function scalarOffset(file: string, { range, source: value = '', type }: Scalar, offset: number): number {
  const start = range?.[0] ?? 0
  if (type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED') return inBlock(file, start, value, offset)
  const quoted = type === 'QUOTE_SINGLE' || type === 'QUOTE_DOUBLE'
  let at = quoted ? start + 1 : start
  for (let done = 0; ; ) {
    if (type === 'QUOTE_DOUBLE') at = pastContinuations(file, at)
    const { length, taken } = flowPiece(file, at, type)
    if (done + length > offset) return at
    // Behind the last character: the closing quote.
    if (done >= value.length) return at
    done += length
    at += taken
  }
}

/** One piece of a flow scalar: `taken` characters of the file that stand for `length` characters of the value. */
function flowPiece(file: string, at: number, type: Scalar['type']): { length: number; taken: number } {
  const fold = match(FOLD, file, at)
  if (fold !== '') return { length: Math.max(1, newlines(fold) - 1), taken: fold.length }
  if (type === 'QUOTE_SINGLE' && file.startsWith("''", at)) return { length: 1, taken: 2 }
  if (type !== 'QUOTE_DOUBLE' || file[at] !== '\\') return { length: 1, taken: 1 }
  const sign = match(ESCAPE, file, at)
  return {
    length: sign.startsWith('\\U') && Number.parseInt(sign.slice(2), 16) > 0xffff ? 2 : 1,
    taken: sign.length,
  }
}

/** Line ends of a flow scalar, with the blanks around them. One becomes a blank, n become n − 1. */
const FOLD = /[ \t]*(?:\r?\n[ \t]*)+/y
const ESCAPE = /\\(?:x[\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|U[\dA-Fa-f]{8}|[\s\S])/y
/** A line end that is escaped stands for nothing. */
const CONTINUATION = /\\[ \t]*\r?\n[ \t]*/y

function pastContinuations(file: string, at: number): number {
  for (let end = at; ; ) {
    const { length } = match(CONTINUATION, file, end)
    if (length === 0) return end
    end += length
  }
}

function inBlock(file: string, start: number, value: string, offset: number): number {
  let at = file.indexOf('\n', start) + 1
  const [leading = ''] = /^(?:[ \t]*\r?\n)*/.exec(value) ?? []
  // The indentation of the block is what the first line with text has more in the file than in the value.
  const blank = match(BLANK_LINES, file, at)
  const indent = spaces(file, at + blank.length) - spaces(value, leading.length)
  const skipIndent = () => {
    at += Math.min(indent, spaces(file, at))
  }
  skipIndent()
  for (let done = 0; done < offset && at < file.length; ) {
    if (match(LINE_END, file, at) === '') {
      done += 1
      at += 1
      continue
    }
    const before = at
    for (let end = match(LINE_END, file, at); end !== ''; end = match(LINE_END, file, at)) {
      at += end.length
      skipIndent()
    }
    // A folded line end is a blank. Several, and those of a literal block, are line ends in the value, too.
    const { length } = match(NEWLINES, value, done)
    done += Math.max(1, length)
    if (done > offset) return before
  }
  return at
}

const BLANK_LINES = /(?:[ \t]*\r?\n)*/y
const LINE_END = /\r?\n/y
const NEWLINES = /\n+/y

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

const spaces = (text: string, at: number) => match(/ */y, text, at).length
const newlines = (text: string) => text.split('\n').length - 1
