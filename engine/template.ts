import {
  PART_LENGTH,
  PART_OPERAND,
  PART_SIZE,
  PART_TEXT,
  TEMPLATE_PART_COUNT,
  TEMPLATE_PARTS,
} from '../src/pipeline/wasm/memory-layout.ts'
import { copy } from './copy.ts'
import { clearHighBytes, highBytes, MAX_ESCAPED, sawHighBytes, writeEscaped } from './escape.ts'
import { beginElements, foundStart, foundStop, nextElement } from './json-path.ts'
import { PLACE, word } from './layout.ts'
import { find, from, isList, isReshaped, to } from './operands.ts'
import { isUnsure } from './tests.ts'
import { isUtf8 } from './utf8.ts'

/** Bytes written too many. */
const SLACK: usize = 32

/**
 * Writes the template's text inside a JSON string, with the values of the log that was read, and returns the new position. 0
 * when `room` bytes may be too few, or when only the host knows the text.
 */
export function fill(start: usize, template: usize, room: usize): usize {
  let out = start
  const stop = start + room
  let part = word(template, TEMPLATE_PARTS)
  for (let left = word(template, TEMPLATE_PART_COUNT); left > 0; left--) {
    const operand = word(part, PART_OPERAND)
    if (operand === 0) {
      const length = word(part, PART_LENGTH)
      if (out + length + SLACK > stop) return 0
      out = copy(out, word(part, PART_TEXT), length)
    } else if (find(operand)) {
      if (isReshaped) return 0
      out = isList ? writeList(out, stop) : writeValue(out, from, to, stop)
      if (out === 0) return 0
    }
    part += PLACE * PART_SIZE
  }
  return isUnsure() ? 0 : out
}

/** The elements with commas between. */
function writeList(start: usize, stop: usize): usize {
  let out = start
  let isFirst = true
  beginElements(from, to)
  while (nextElement()) {
    if (!isFirst) store<u8>(out++, 0x2c)
    isFirst = false
    out = writeValue(out, foundStart, foundStop, stop)
    if (out === 0) return 0
  }
  return out
}

/** Writes a text, or returns 0. Bytes of two values may make a character together that neither has alone, so each is checked. */
export function writeValue(start: usize, from: usize, to: usize, stop: usize): usize {
  if (start + MAX_ESCAPED * (to - from) + SLACK > stop) return 0
  const high = highBytes
  clearHighBytes()
  const out = writeEscaped(start, from, to)
  if (highBytes && !isUtf8(from, to)) return 0
  if (high) sawHighBytes()
  return out
}
