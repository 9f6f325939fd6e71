import { CONFIG_SIZE, GROUP_SIZE, MAX_GROUPS, WALK_SIZE } from '../src/pipeline/wasm/memory-layout.ts'

// The parts of the memory in which memory-layout.ts names places.

/** Bytes in a place. */
const PLACE = 4

export const CONFIG: usize = memory.data(PLACE * CONFIG_SIZE, 16)
export const WALK: usize = memory.data(PLACE * WALK_SIZE, 16)
export const GROUPS: usize = memory.data(PLACE * GROUP_SIZE * MAX_GROUPS, 16)

export function config(place: usize): usize {
  return load<u32>(CONFIG + PLACE * place)
}

export function walk(place: usize): usize {
  return load<u32>(WALK + PLACE * place)
}

export function walk64(place: usize): u64 {
  return load<u64>(WALK + PLACE * place)
}

export function setWalk(place: usize, value: usize): void {
  store<u32>(WALK + PLACE * place, <u32>value)
}

/** Address of the group with this number. */
export function groupAt(number: usize): usize {
  return GROUPS + PLACE * GROUP_SIZE * number
}

export function inGroup(group: usize, place: usize): usize {
  return load<u32>(group + PLACE * place)
}

export function setInGroup(group: usize, place: usize, value: usize): void {
  store<u32>(group + PLACE * place, <u32>value)
}
