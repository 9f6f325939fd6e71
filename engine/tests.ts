import {
  NODE_LENGTH,
  NODE_OP,
  NODE_OPERAND,
  NODE_TEXT,
  OP_CONTAINS,
  OP_ENDS,
  OP_EQUAL,
  OP_EXISTS,
  OP_IN,
  OP_STARTS,
  OP_UNEQUAL,
} from '../src/pipeline/wasm/memory-layout.ts'
import { same } from './copy.ts'
import { word } from './layout.ts'
import { find, from, to } from './operands.ts'

/** Whether the comparison at this node holds for the log that was read, or for the group if its operand is of the group. */
export function holds(node: usize): bool {
  if (!find(word(node, NODE_OPERAND))) return false
  const op = word(node, NODE_OP)
  const text = word(node, NODE_TEXT)
  const length = word(node, NODE_LENGTH)
  const size = to - from
  if (op === OP_EQUAL) return size === length && same(from, text, length)
  if (op === OP_UNEQUAL) return size !== length || !same(from, text, length)
  if (op === OP_IN) return isAmong(text, length)
  if (op === OP_CONTAINS) return contains(from, to, text, length)
  if (op === OP_STARTS) return size >= length && same(from, text, length)
  if (op === OP_ENDS) return size >= length && same(to - length, text, length)
  return op === OP_EXISTS
}

/** Whether the value is one of `count` texts, each behind its length. */
function isAmong(texts: usize, count: usize): bool {
  const size = to - from
  let text = texts
  for (let index: usize = 0; index < count; index++) {
    const length = <usize>load<u32>(text)
    if (length === size && same(from, text + 4, length)) return true
    text += 4 + length
  }
  return false
}

/** Compares the first and the last byte of the text at sixteen places at once, and the text where both are there. */
function contains(start: usize, end: usize, text: usize, length: usize): bool {
  if (length === 0) return true
  if (end - start < length) return false
  const first = i8x16.splat(load<i8>(text))
  const final = i8x16.splat(load<i8>(text + length - 1))
  // The last place where the text can begin.
  const stop = end - length
  for (let at = start; at <= stop; at += 16) {
    let marks = i8x16.bitmask(v128.and(i8x16.eq(v128.load(at), first), i8x16.eq(v128.load(at + length - 1), final)))
    while (marks !== 0) {
      const place = at + <usize>ctz(marks)
      if (place > stop) return false
      if (same(place, text, length)) return true
      marks &= marks - 1
    }
  }
  return false
}
