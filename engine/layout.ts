import {
  CONFIG_SIZE,
  GROUP_SIZE,
  MAX_GROUPS,
  MAX_OUTPUTS,
  MAX_REASONS,
  MAX_ROUTES,
  OUTPUT_SIZE,
  PROGRAM,
  WALK_SIZE,
} from '../src/pipeline/wasm/memory-layout.ts'

// The parts of the memory in which memory-layout.ts names places.

/** Bytes in a place. */
export const PLACE: usize = 4

export const CONFIG: usize = memory.data(PLACE * CONFIG_SIZE, 16)
export const WALK: usize = memory.data(PLACE * WALK_SIZE, 16)
export const GROUPS: usize = memory.data(PLACE * GROUP_SIZE * MAX_GROUPS, 16)
export const OUTPUTS: usize = memory.data(PLACE * OUTPUT_SIZE * MAX_OUTPUTS, 16)
export const FILTERED: usize = memory.data(PLACE * MAX_REASONS, 16)
export const ROUTED: usize = memory.data(PLACE * MAX_ROUTES, 16)

export function word(at: usize, place: usize): usize {
  return load<u32>(at + PLACE * place)
}

export function setWord(at: usize, place: usize, value: usize): void {
  store<u32>(at + PLACE * place, <u32>value)
}

export function config(place: usize): usize {
  return word(CONFIG, place)
}

/** A word of the program of the current walk. */
export function program(place: usize): usize {
  return word(config(PROGRAM), place)
}

export function walk(place: usize): usize {
  return word(WALK, place)
}

export function walk64(place: usize): u64 {
  return load<u64>(WALK + PLACE * place)
}

export function setWalk(place: usize, value: usize): void {
  setWord(WALK, place, value)
}

/** Address of the group with this number. */
export function groupAt(number: usize): usize {
  return GROUPS + PLACE * GROUP_SIZE * number
}

export function inGroup(group: usize, place: usize): usize {
  return word(group, place)
}

export function setInGroup(group: usize, place: usize, value: usize): void {
  setWord(group, place, value)
}

export function outputAt(number: usize): usize {
  return OUTPUTS + PLACE * OUTPUT_SIZE * number
}

export function addTo(counts: usize, number: usize, more: u32): void {
  store<u32>(counts + (number << 2), load<u32>(counts + (number << 2)) + more)
}
