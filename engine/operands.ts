import {
  OF_KEY,
  OPERAND_READING_COUNT,
  OPERAND_READINGS,
  READING_NUMBER,
  READING_OF,
  READING_REST_COUNT,
  READING_SIZE,
} from '../src/pipeline/wasm/memory-layout.ts'
import { hasKey, programKey, valueStart, valueStop } from './keys.ts'
import { PLACE, word } from './layout.ts'
import { nameStart, nameStop } from './names.ts'

/** The value that `find` found is `[from, to)`. */
export let from: usize = 0
export let to: usize = 0

/** Finds the value of the operand at this address. False when it is absent. */
export function find(operand: usize): bool {
  const readings = word(operand, OPERAND_READINGS)
  const count = word(operand, OPERAND_READING_COUNT)
  for (let index: usize = 0; index < count; index++) {
    const reading = readings + index * PLACE * READING_SIZE
    const number = word(reading, READING_NUMBER)
    if (word(reading, READING_OF) === OF_KEY) {
      const entry = programKey(number)
      if (!hasKey(entry)) continue
      from = valueStart(entry)
      to = valueStop(entry)
    } else {
      if (nameStart(number) === 0) continue
      from = nameStart(number)
      to = nameStop(number)
    }
    if (word(reading, READING_REST_COUNT) === 0) return true
    return false
  }
  return false
}
