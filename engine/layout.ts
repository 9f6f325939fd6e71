// Places in the memory that this module and its host share. The host's half of this is src/pipeline/wasm/kernel.ts.

/** Bytes that may be read or written past the end of what is meant: everything moves in strides of 16. */
export const SLACK: usize = 32

// What the host sets once, as addresses and lengths of 32 bits each.
export const CONFIG: usize = memory.data(64, 16)
export const OUTPUT: usize = 0
/** Events may be written up to here. */
export const OUTPUT_END: usize = 4
export const MAX_BATCH: usize = 8
/** Where each event ends in the output: 32 bits each. */
export const ENDS: usize = 12
/** Wanted topics, each as its length in 32 bits and its bytes; a count of 0 wants all. */
export const TOPICS: usize = 16
export const TOPIC_COUNT: usize = 20
/** Inside of the host string; an address of 0 means that it comes from the log group. */
export const HOST: usize = 24
export const HOST_LENGTH: usize = 28
/** From the end of the host up to and including `"event":{`. */
export const AFTER_HOST: usize = 32
export const AFTER_HOST_LENGTH: usize = 36
/** From the end of the contents up to the number of the log group; differs from pull to pull. */
export const ID_PREFIX: usize = 40
export const ID_PREFIX_LENGTH: usize = 44

/** Where a pull stands. The host keeps a copy per pull and puts it here before it lets us go on. */
export const WALK: usize = memory.data(64, 16)
/** The body. */
export const BODY: usize = 0
export const BODY_END: usize = 4
/** How many log groups there are to deliver, and the number of the next one. */
export const GROUP_COUNT: usize = 8
export const GROUP: usize = 12
/** Where the next log of the current one is looked for, and where that group ends. */
export const LOGS_AT: usize = 16
export const GROUP_END: usize = 20
/** The next log, and its index in the group. */
export const LOG: usize = 24
export const LOG_END: usize = 28
export const LOG_INDEX: usize = 32
/** How much of the output is written, and how many events that is. */
export const USED: usize = 36
export const EVENTS: usize = 40
export const COUNT_GROUPS: usize = 44
export const COUNT_LOGS: usize = 48
export const COUNT_FILTERED: usize = 52
/** Number of the pull's first log group: 64 bits. */
export const FIRST_GROUP: usize = 56

/** The log groups to deliver, those with logs. Kept by the host like the walk. */
export const MAX_GROUPS: usize = 8192
export const GROUPS: usize = memory.data(8192 * 32, 16)
/** Each with these, in units of a byte. */
export const GROUP_SIZE: usize = 32
export const GROUP_START: usize = 0
export const GROUP_STOP: usize = 4
export const GROUP_INDEX: usize = 8
export const TOPIC_START: usize = 12
export const TOPIC_STOP: usize = 16
export const SOURCE_START: usize = 20
export const SOURCE_STOP: usize = 24
/** Where its first tag is: no other is before it. */
export const TAGS_AT: usize = 28

export function config(field: usize): usize {
  return load<u32>(CONFIG + field)
}

export function walk(field: usize): usize {
  return load<u32>(WALK + field)
}

export function setWalk(field: usize, value: usize): void {
  store<u32>(WALK + field, <u32>value)
}
