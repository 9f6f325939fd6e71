import {
  NODE_LENGTH,
  NODE_OP,
  NODE_OPERAND,
  NODE_TEXT,
  OP_AT_LEAST,
  OP_AT_MOST,
  OP_CONTAINS,
  OP_ENDS,
  OP_EQUAL,
  OP_EXISTS,
  OP_HOST,
  OP_ICONTAINS,
  OP_IN,
  OP_INTERSECTS,
  OP_LESS,
  OP_MORE,
  OP_STARTS,
  OP_UNEQUAL,
  OP_UNKNOWN,
} from '../src/pipeline/wasm/memory-layout.ts'
import { same } from './copy.ts'
import { clearDecimal, compareDecimal, decimalIsUnsure, readDecimal } from './decimal.ts'
import { beginElements, beUnsure, forgetTexts, foundStart, foundStop, jsonIsUnsure, nextElement } from './json-path.ts'
import { word } from './layout.ts'
import { find, from, isList, isReshaped, to } from './operands.ts'

/** For the next log or group. */
export function beginTests(): void {
  forgetTexts()
  clearDecimal()
}

/** Whether the outcome of a test since `beginTests` is unknown: only the host can tell. */
export function isUnsure(): bool {
  return jsonIsUnsure || decimalIsUnsure
}

/** Whether the comparison at this node holds for the log that was read, or for the group if its operand is of the group. */
export function holds(node: usize): bool {
  const op = word(node, NODE_OP)
  if (op === OP_UNKNOWN) beUnsure()
  if (op === OP_UNKNOWN || !find(word(node, NODE_OPERAND))) return false
  const text = word(node, NODE_TEXT)
  const length = word(node, NODE_LENGTH)
  if (op === OP_EXISTS) return true
  if (isReshaped || op === OP_HOST) {
    beUnsure()
    return false
  }
  if (isList) return holdsForList(op, text, length)
  if (op === OP_UNEQUAL) return !test(OP_EQUAL, from, to, text, length)
  return test(op, from, to, text, length)
}

function holdsForList(op: usize, text: usize, length: usize): bool {
  let some = false
  beginElements(from, to)
  while (nextElement()) {
    const passes = test(op === OP_UNEQUAL ? OP_EQUAL : op, foundStart, foundStop, text, length)
    if (op === OP_IN) {
      if (!passes) return false
      some = true
    } else if (passes) return op !== OP_UNEQUAL
  }
  return op === OP_IN ? some : op === OP_UNEQUAL
}

function test(op: usize, start: usize, end: usize, text: usize, length: usize): bool {
  const size = end - start
  if (op === OP_EQUAL) return size === length && same(start, text, length)
  if (op === OP_IN || op === OP_INTERSECTS) return isAmong(start, size, text, length)
  if (op === OP_CONTAINS) return contains(start, end, text, length)
  if (op === OP_STARTS) return size >= length && same(start, text, length)
  if (op === OP_ENDS) return size >= length && same(end - length, text, length)
  if (op === OP_ICONTAINS) return containsAnyCase(start, end, text, length)
  if (!readDecimal(start, end)) return false
  const order = compareDecimal(text)
  if (op === OP_LESS) return order < 0
  if (op === OP_AT_MOST) return order <= 0
  if (op === OP_MORE) return order > 0
  return op === OP_AT_LEAST && order >= 0
}

/** Whether the value is one of `count` texts, each behind its length. */
function isAmong(start: usize, size: usize, texts: usize, count: usize): bool {
  let text = texts
  for (let index: usize = 0; index < count; index++) {
    const length = <usize>load<u32>(text)
    if (length === size && same(start, text + 4, length)) return true
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

/** The same for a text in small letters, and a value whose letters of ASCII count as small. */
function containsAnyCase(start: usize, end: usize, text: usize, length: usize): bool {
  if (length === 0) return true
  if (end - start < length) return false
  const first = i8x16.splat(load<i8>(text))
  const final = i8x16.splat(load<i8>(text + length - 1))
  const stop = end - length
  for (let at = start; at <= stop; at += 16) {
    let marks = i8x16.bitmask(
      v128.and(i8x16.eq(small(v128.load(at)), first), i8x16.eq(small(v128.load(at + length - 1)), final)),
    )
    while (marks !== 0) {
      const place = at + <usize>ctz(marks)
      if (place > stop) return false
      if (sameAnyCase(place, text, length)) return true
      marks &= marks - 1
    }
  }
  return false
}

function sameAnyCase(one: usize, smallOther: usize, length: usize): bool {
  for (let index: usize = 0; index < length; index += 16) {
    const equal = i8x16.bitmask(i8x16.eq(small(v128.load(one + index)), v128.load(smallOther + index)))
    const left = length - index
    if ((~equal & (left >= 16 ? 0xffff : (1 << (<i32>left)) - 1)) !== 0) return false
  }
  return true
}

function small(bytes: v128): v128 {
  const isLarge = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x41)), i8x16.splat(26))
  return v128.or(bytes, v128.and(isLarge, i8x16.splat(0x20)))
}
