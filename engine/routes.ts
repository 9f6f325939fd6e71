import {
  COPY_SIZE,
  MAX_COPIES,
  NODE_COUNT,
  NODE_GROUP_NO,
  NODE_GROUP_SELF,
  NODE_GROUP_YES,
  NODE_LENGTH,
  NODE_NO,
  NODE_OP,
  NODE_OPERAND,
  NODE_SIZE,
  NODE_TEXT,
  NODE_YES,
  NODES,
  OP_FILTER,
  OP_STOP,
  OP_TAKE,
  OP_UNKNOWN,
  OPERAND_OF_GROUP,
  START,
} from '../src/pipeline/wasm/memory-layout.ts'
import { PLACE, program, setWord, word } from './layout.ts'
import { readNames } from './names.ts'
import { beginTests, holds, isUnsure } from './tests.ts'

// A program's routes are a graph of nodes: comparisons, each with the nodes that follow if it holds and if not, and what happens
// to the log. All edges lead forward.

/** Addresses of the copies that are to be written of the log. */
const CHOSEN: usize = memory.data(4 * MAX_COPIES, 16)
export let chosenCount: usize = 0
/** The reason when nothing is to be written. */
export let reason: usize = 0
/** Whether all logs of the group have the same fate, which is chosen already. */
export let groupIsDecided: bool = false

let start: usize = 0

export function chosen(index: usize): usize {
  return <usize>load<u32>(CHOSEN + (index << 2))
}

/** Decides what topic, source and tags alone decide. False when the host must read the group. */
export function decideGroup(group: usize): bool {
  if (!readNames(group)) return false
  beginTests()
  const nodes = program(NODES)
  let node = nodes + program(NODE_COUNT) * PLACE * NODE_SIZE
  while (node > nodes) {
    node -= PLACE * NODE_SIZE
    const op = word(node, NODE_OP)
    let self = node
    if (op === OP_TAKE) setWord(node, NODE_GROUP_YES, word(word(node, NODE_YES), NODE_GROUP_SELF))
    else if (op > <usize>OP_STOP) {
      const yes = word(word(node, NODE_YES), NODE_GROUP_SELF)
      const no = word(word(node, NODE_NO), NODE_GROUP_SELF)
      if (yes === no && op !== OP_UNKNOWN) self = yes
      else if (word(word(node, NODE_OPERAND), OPERAND_OF_GROUP) !== 0) self = holds(node) ? yes : no
      setWord(node, NODE_GROUP_YES, yes)
      setWord(node, NODE_GROUP_NO, no)
    }
    setWord(node, NODE_GROUP_SELF, self)
  }
  start = word(program(START), NODE_GROUP_SELF)
  groupIsDecided = choose(false)
  return !isUnsure()
}

/** Chooses the copies of the log that was read, behind `beginTests`. False when the host must. */
export function decideLog(): bool {
  choose(true)
  return !isUnsure()
}

/** False when it needs a log, and there is none. */
function choose(hasLog: bool): bool {
  chosenCount = 0
  let node = start
  while (true) {
    const op = word(node, NODE_OP)
    if (op > <usize>OP_STOP) {
      if (!hasLog) return false
      node = word(node, holds(node) ? NODE_GROUP_YES : NODE_GROUP_NO)
    } else if (op === OP_TAKE) {
      let copy = word(node, NODE_TEXT)
      for (let left = word(node, NODE_LENGTH); left > 0; left--) {
        store<u32>(CHOSEN + (chosenCount << 2), <u32>copy)
        chosenCount++
        copy += PLACE * COPY_SIZE
      }
      node = word(node, NODE_GROUP_YES)
    } else {
      if (op === OP_FILTER) reason = word(node, NODE_OPERAND)
      return true
    }
  }
}
