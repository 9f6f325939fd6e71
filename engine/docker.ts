import {
  ATTR_LENGTH,
  ATTR_OPERAND,
  ATTR_SIZE,
  ATTR_TEXT,
  DOCKER_ATTR_COUNT,
  DOCKER_ATTRS,
  DOCKER_FORMAT,
  DOCKER_IS_JSON,
  DOCKER_IS_RAW,
  DOCKER_SOURCE,
  DOCKER_TAG,
  DOCKER_TAG_COUNT,
  TAG_LENGTH,
  TAG_OPERAND,
  TAG_SIZE,
  TAG_TEXT,
} from '../src/pipeline/wasm/memory-layout.ts'
import { copy } from './copy.ts'
import { embedAny } from './embed.ts'
import { writeEscaped } from './escape.ts'
import { PLACE, word } from './layout.ts'
import { hasHighByte } from './line.ts'
import { find, from, isList, isReshaped, to } from './operands.ts'
import { writeValue } from './template.ts'

// The event that Docker's splunk driver makes of a line, as src/pipeline/reference/docker.ts makes it. Wherever it is not surely
// the same, the host makes it.

const QUOTE: u8 = 0x22
const COMMA: u8 = 0x2c
const BLANK: u8 = 0x20
const CLOSE: u8 = 0x7d

const LINE: usize = memory.data<u8>([0x7b, 0x22, 0x6c, 0x69, 0x6e, 0x65, 0x22, 0x3a], 16) // {"line":
const SOURCE: usize = memory.data<u8>([0x2c, 0x22, 0x73, 0x6f, 0x75, 0x72, 0x63, 0x65, 0x22, 0x3a, 0x22], 16) // ,"source":"
const TAG: usize = memory.data<u8>([0x22, 0x2c, 0x22, 0x74, 0x61, 0x67, 0x22, 0x3a, 0x22], 16) // ","tag":"
const ATTRS: usize = memory.data<u8>([0x22, 0x2c, 0x22, 0x61, 0x74, 0x74, 0x72, 0x73, 0x22, 0x3a, 0x7b], 16) // ","attrs":{

/** Bytes that may be written besides the line and the texts that are known before the log. */
let spare: usize = 0

/** Writes the event of the line `[lineStart, lineStop)` and returns the new position; 0 when the host must. */
export function writeDocker(start: usize, docker: usize, lineStart: usize, lineStop: usize, room: usize): usize {
  spare = room
  return word(docker, DOCKER_FORMAT) === DOCKER_IS_RAW
    ? writeText(start, docker, lineStart, lineStop)
    : writeObject(start, docker, lineStart, lineStop)
}

/** `"tag name=value the line"` */
function writeText(start: usize, docker: usize, lineStart: usize, lineStop: usize): usize {
  store<u8>(start, QUOTE)
  let out = writeTag(start + 1, docker)
  if (out === 0) return 0
  if (out > start + 1) store<u8>(out++, BLANK)
  let attr = word(docker, DOCKER_ATTRS)
  for (let left = word(docker, DOCKER_ATTR_COUNT); left > 0; left--) {
    if (find(word(attr, ATTR_OPERAND))) {
      out = writeFound(copy(out, word(attr, ATTR_TEXT), word(attr, ATTR_LENGTH)), to)
      if (out === 0) return 0
      store<u8>(out++, BLANK)
    }
    attr += PLACE * ATTR_SIZE
  }
  out = writeEscaped(out, lineStart, lineStop)
  store<u8>(out, QUOTE)
  return out + 1
}

/** `{"line":…,"source":"stdout","tag":"…","attrs":{…}}` */
function writeObject(start: usize, docker: usize, lineStart: usize, lineStop: usize): usize {
  let out = copy(start, LINE, 8)
  let end: usize = 0
  if (word(docker, DOCKER_FORMAT) === DOCKER_IS_JSON) end = embedAny(out, lineStart, lineStop)
  if (end === 0) {
    store<u8>(out, QUOTE)
    end = writeEscaped(out + 1, lineStart, lineStop)
    store<u8>(end++, QUOTE)
  }
  out = copy(end, SOURCE, 11)
  if (find(word(docker, DOCKER_SOURCE))) out = writeFound(out, to)
  if (out === 0) return 0
  const tag = copy(out, TAG, 9)
  const tagEnd = writeTag(tag, docker)
  if (tagEnd === 0) return 0
  if (tagEnd > tag) out = tagEnd
  let isFirst = true
  let attr = word(docker, DOCKER_ATTRS)
  for (let left = word(docker, DOCKER_ATTR_COUNT); left > 0; left--) {
    if (find(word(attr, ATTR_OPERAND))) {
      if (isFirst) out = copy(out, ATTRS, 11)
      else {
        store<u8>(out, QUOTE)
        store<u8>(out + 1, COMMA)
        out += 2
      }
      isFirst = false
      out = writeFound(copy(out, word(attr, ATTR_TEXT), word(attr, ATTR_LENGTH)), to)
      if (out === 0) return 0
    }
    attr += PLACE * ATTR_SIZE
  }
  store<u8>(out++, QUOTE)
  if (!isFirst) store<u8>(out++, CLOSE)
  store<u8>(out++, CLOSE)
  return out
}

/** Returns the same position for an empty tag. */
function writeTag(start: usize, docker: usize): usize {
  let out = start
  let part = word(docker, DOCKER_TAG)
  for (let left = word(docker, DOCKER_TAG_COUNT); left > 0; left--) {
    const operand = word(part, TAG_OPERAND)
    const length = word(part, TAG_LENGTH)
    if (operand === 0) out = copy(out, word(part, TAG_TEXT), length)
    else if (find(operand)) {
      const isCut = to - from > length
      // A character is cut in a way that only the host knows.
      if (isCut && hasHighByte(from, from + length)) return 0
      out = writeFound(out, isCut ? from + length : to)
      if (out === 0) return 0
    }
    part += PLACE * TAG_SIZE
  }
  return out
}

/** Writes what `find` found, up to `stop`. */
function writeFound(out: usize, stop: usize): usize {
  if (isReshaped || isList) return 0
  const end = writeValue(out, from, stop, out + spare)
  if (end !== 0) spare -= end - out
  return end
}
