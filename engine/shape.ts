import {
  ACTION_IS_JSON,
  ACTION_KIND,
  ACTION_PIECE,
  ACTION_PIECE_LENGTH,
  ACTION_SIZE,
  ACTION_SKIPS,
  ACTION_TEXT,
  ACTION_TEXT_LENGTH,
  ACTION_WRITES_TEMPLATE,
  ACTION_WRITES_TEXT,
  ADD_KEY,
  ADD_SIZE,
  ADD_TEMPLATE,
  ADD_TEXT,
  ADD_TEXT_LENGTH,
  CONFLICT_ONE,
  CONFLICT_OTHER,
  CONFLICT_SIZE,
  DOCKER_FORMAT,
  DOCKER_IS_RAW,
  DOCKER_KEY,
  KEY_COUNT,
  NO_KEY,
  SHAPE_ACTIONS,
  SHAPE_ADD_COUNT,
  SHAPE_ADDS,
  SHAPE_CONFLICT_COUNT,
  SHAPE_CONFLICTS,
  SHAPE_DOCKER,
  SHAPE_OTHERS,
  SHAPE_RAW_IS_JSON,
  SHAPE_RAW_KEY,
} from '../src/pipeline/wasm/memory-layout.ts'
import { copy } from './copy.ts'
import { writeDocker } from './docker.ts'
import { embed } from './embed.ts'
import { writeEscaped } from './escape.ts'
import {
  firstKey,
  hasKey,
  keyPiece,
  keyPieceLength,
  nextKey,
  numberOfKey,
  programKey,
  valueStart,
  valueStop,
} from './keys.ts'
import { PLACE, program, word } from './layout.ts'
import { fill } from './template.ts'

// Members of an event whose shape differs from the log's: values embedded as JSON, contents left out, called otherwise, or
// added.

const QUOTE: u8 = 0x22

/** Whether the member that was written last ends in a string, so that its quote is still to come. */
export let endsInString: bool = true

/** Writes the contents of the log that was read, and returns the new position; 0 when the host must write them. */
export function writeShaped(start: usize, shape: usize): usize {
  if (hasConflict(shape)) return 0
  endsInString = true
  const keys = program(KEY_COUNT)
  const actions = word(shape, SHAPE_ACTIONS)
  let out = start
  for (let entry = firstKey(); entry !== 0; entry = nextKey(entry)) {
    const number = numberOfKey(entry)
    const action = number < keys ? actions + number * PLACE * ACTION_SIZE : word(shape, SHAPE_OTHERS)
    const kind = word(action, ACTION_KIND)
    if (kind === ACTION_SKIPS) continue
    const isCalledOtherwise = word(action, ACTION_PIECE) !== 0
    const piece = isCalledOtherwise ? word(action, ACTION_PIECE) : keyPiece(entry)
    const length = isCalledOtherwise ? word(action, ACTION_PIECE_LENGTH) : keyPieceLength(entry)
    out = writePiece(out, piece, length)
    endsInString = true
    if (kind === ACTION_WRITES_TEXT) {
      out = copy(out, word(action, ACTION_TEXT), word(action, ACTION_TEXT_LENGTH))
      continue
    }
    if (kind === ACTION_WRITES_TEMPLATE) {
      out = writeTemplate(out, word(action, ACTION_TEXT))
      if (out === 0) return 0
      continue
    }
    if (kind === ACTION_IS_JSON) {
      // In place of the quote that ends the piece.
      const end = embed(out - 1, valueStart(entry), valueStop(entry))
      if (end !== 0) {
        out = end
        endsInString = false
        continue
      }
      store<u8>(out - 1, QUOTE)
    }
    out = writeEscaped(out, valueStart(entry), valueStop(entry))
  }
  return writeAdded(out, shape)
}

/** A piece begins with the quote of the value before it. */
function writePiece(out: usize, piece: usize, length: usize): usize {
  const skipped: usize = endsInString ? 0 : 1
  return copy(out, piece + skipped, length - skipped)
}

function writeAdded(start: usize, shape: usize): usize {
  let out = start
  let add = word(shape, SHAPE_ADDS)
  for (let left = word(shape, SHAPE_ADD_COUNT); left > 0; left--) {
    const key = word(add, ADD_KEY)
    if (key === NO_KEY || !hasKey(programKey(key))) {
      out = writePiece(out, word(add, ADD_TEXT), word(add, ADD_TEXT_LENGTH))
      endsInString = true
      const template = word(add, ADD_TEMPLATE)
      if (template !== 0) out = writeTemplate(out, template)
      if (out === 0) return 0
    }
    add += PLACE * ADD_SIZE
  }
  return out
}

/** Bytes that templates may write besides all that an event is sure to have room for. */
let spare: usize = 0

export function setSpare(bytes: usize): void {
  spare = bytes
}

function writeTemplate(out: usize, template: usize): usize {
  const end = fill(out, template, spare)
  if (end !== 0) spare -= end - out
  return end
}

// The place that `findRaw` found.
export const NOT_RAW: u32 = 0
const RAW: u32 = 1
export const RAW_IS_UNSURE: u32 = 2

let rawStart: usize = 0
let rawStop: usize = 0

/** Finds the value that is the whole event. RAW_IS_UNSURE where the host must write the event. */
export function findRaw(shape: usize): u32 {
  const docker = word(shape, SHAPE_DOCKER)
  const key = docker === 0 ? word(shape, SHAPE_RAW_KEY) : word(docker, DOCKER_KEY)
  if (key === NO_KEY) return NOT_RAW
  if (hasConflict(shape)) return RAW_IS_UNSURE
  const entry = programKey(key)
  if (!hasKey(entry)) return NOT_RAW
  rawStart = valueStart(entry)
  rawStop = valueStop(entry)
  if (docker === 0) return blankness(rawStart, rawStop)
  // A blank line is dropped.
  const isRaw = word(docker, DOCKER_FORMAT) !== DOCKER_IS_RAW || blankness(rawStart, rawStop) === RAW
  return isRaw ? RAW : RAW_IS_UNSURE
}

/** HEC refuses a blank event. Blanks beyond ASCII begin with one of five bytes. */
function blankness(from: usize, to: usize): u32 {
  let found = NOT_RAW
  for (let at = from; at < to; at++) {
    const one = <u32>load<u8>(at)
    if (one === 0x20 || one - 0x09 < 5) continue
    const isDoubtful = one >= 0x80 && (one <= 0xc2 || one === 0xe1 || one === 0xe2 || one === 0xe3 || one === 0xef)
    if (!isDoubtful) return RAW
    found = RAW_IS_UNSURE
  }
  return found
}

/** Writes the event of the value that `findRaw` found, and returns the new position; 0 when the host must. */
export function writeRaw(out: usize, shape: usize): usize {
  const docker = word(shape, SHAPE_DOCKER)
  if (docker !== 0) return writeDocker(out, docker, rawStart, rawStop, spare)
  if (word(shape, SHAPE_RAW_IS_JSON) !== 0) {
    const end = embed(out, rawStart, rawStop)
    if (end !== 0) return end
  }
  store<u8>(out, QUOTE)
  const end = writeEscaped(out + 1, rawStart, rawStop)
  store<u8>(end, QUOTE)
  return end + 1
}

/** Whether two contents of the log would get one name. */
function hasConflict(shape: usize): bool {
  let conflict = word(shape, SHAPE_CONFLICTS)
  for (let left = word(shape, SHAPE_CONFLICT_COUNT); left > 0; left--) {
    if (hasKey(programKey(word(conflict, CONFLICT_ONE))) && hasKey(programKey(word(conflict, CONFLICT_OTHER))))
      return true
    conflict += PLACE * CONFLICT_SIZE
  }
  return false
}
