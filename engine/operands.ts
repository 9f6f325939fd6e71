import {
  FOUND_ABSENT,
  FOUND_LIST,
  FOUND_RESHAPED,
  FOUND_TEXT,
  OF_KEY,
  OPERAND_FOUND,
  OPERAND_FOUND_START,
  OPERAND_FOUND_STOP,
  OPERAND_IS_KEPT,
  OPERAND_LOG,
  OPERAND_READING_COUNT,
  OPERAND_READINGS,
  READING_BECOMES_JSON,
  READING_NUMBER,
  READING_OF,
  READING_REST_COUNT,
  READING_SIZE,
} from '../src/pipeline/wasm/memory-layout.ts'
import { foundContainer, foundList, foundStart, foundStop, looksLikeJson, lookUp } from './json-path.ts'
import { hasKey, logNumber, programKey, valueStart, valueStop } from './keys.ts'
import { PLACE, setWord, word } from './layout.ts'
import { nameStart, nameStop } from './names.ts'

/** The value that `find` found is `[from, to)`: a text, or an array of JSON whose elements are scalars. */
export let from: usize = 0
export let to: usize = 0
export let isList: bool = false
/** Whether only the host knows the text of the value, since the log's shape changes it. */
export let isReshaped: bool = false

/** Finds the value of the operand at this address. False when it is absent. */
export function find(operand: usize): bool {
  // A value found in JSON is kept for other comparisons of the same log.
  if (word(operand, OPERAND_IS_KEPT) === 0) return findAnew(operand)
  if (<u32>word(operand, OPERAND_LOG) !== logNumber()) {
    const found = findAnew(operand)
    setWord(operand, OPERAND_LOG, logNumber())
    setWord(operand, OPERAND_FOUND, found ? kindFound() : FOUND_ABSENT)
    setWord(operand, OPERAND_FOUND_START, from)
    setWord(operand, OPERAND_FOUND_STOP, to)
    return found
  }
  from = word(operand, OPERAND_FOUND_START)
  to = word(operand, OPERAND_FOUND_STOP)
  isList = word(operand, OPERAND_FOUND) === FOUND_LIST
  isReshaped = word(operand, OPERAND_FOUND) === FOUND_RESHAPED
  return word(operand, OPERAND_FOUND) !== FOUND_ABSENT
}

function kindFound(): usize {
  if (isReshaped) return FOUND_RESHAPED
  return isList ? FOUND_LIST : FOUND_TEXT
}

function findAnew(operand: usize): bool {
  let reading = word(operand, OPERAND_READINGS)
  isList = false
  isReshaped = false
  for (let left = word(operand, OPERAND_READING_COUNT); left > 0; left--) {
    if (findReading(reading)) {
      const becomesJson = word(reading, READING_BECOMES_JSON) !== 0
      if (word(reading, READING_REST_COUNT) === 0) {
        isReshaped = becomesJson && looksLikeJson(from, to)
        return true
      }
      if (!lookUp(reading, from, to)) return false
      from = foundStart
      to = foundStop
      isList = foundList
      isReshaped = becomesJson && foundContainer
      return true
    }
    reading += PLACE * READING_SIZE
  }
  return false
}

/** The value of the key or of the group, before its JSON is looked into. */
function findReading(reading: usize): bool {
  const number = word(reading, READING_NUMBER)
  if (word(reading, READING_OF) === OF_KEY) {
    const entry = programKey(number)
    if (!hasKey(entry)) return false
    from = valueStart(entry)
    to = valueStop(entry)
    return true
  }
  from = nameStart(number)
  to = nameStop(number)
  return from !== 0
}
