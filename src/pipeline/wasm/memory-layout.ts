// Places in the kernel's memory and codes that the kernel (engine/) and its host (kernel.ts) share. Both compile this file, so
// it holds only constants that AssemblyScript and TypeScript read alike. A place is counted in units of 32 bits.

// Reasons for which `encode` stops.
export const DONE = 0
/** The next event does not fit into the batch. */
export const FULL = 1
/** The host must encode the next log. */
export const HANDED_OVER = 2

// Results of `inflate`.
/** The bytes are not a block of that size. The host finds the fault. */
export const REFUSED = 0
export const INFLATED = 1
/** Long enough for one call. `inflatePausedFrom` and `inflatePausedTo` tell the places to continue from. */
export const PAUSED = 2

// The config, which the host sets once: addresses and lengths.
export const OUTPUT = 0
/** Events may be written up to here. */
export const OUTPUT_END = 1
export const MAX_BATCH = 2
/** End of each event in the output. */
export const ENDS = 3
/** Wanted topics, each as its length in 32 bits and its bytes. A count of 0 wants all. */
export const TOPICS = 4
export const TOPIC_COUNT = 5
/** Set in the length of a text with which wanted topics begin. */
export const TOPIC_IS_PREFIX = 0x80000000
/** Inside of the host string. An address of 0 means that it comes from the log group. */
export const HOST = 6
export const HOST_LENGTH = 7
/** From the end of the host up to and including `"event":{`. */
export const AFTER_HOST = 8
export const AFTER_HOST_LENGTH = 9
/** From the end of the contents up to the part of the id that differs within the pull. The length differs from pull to pull. */
export const ID_PREFIX = 10
export const ID_PREFIX_LENGTH = 11
export const CONFIG_SIZE = 12

/** Most bytes of the text at ID_PREFIX. */
export const ID_PREFIX_BYTES = 960

// The walk of a pull. The host keeps a copy per pull and puts it back before the kernel continues.
export const BODY = 0
export const BODY_END = 1
/** Number of log groups to deliver, and number of the next one. */
export const GROUP_COUNT = 2
export const GROUP = 3
/** Where the search for the next log begins, and where its group ends. */
export const LOGS_AT = 4
export const GROUP_END = 5
/** The next log, and its index in the group. */
export const LOG = 6
export const LOG_END = 7
export const LOG_INDEX = 8
/** Bytes and events in the output. */
export const USED = 9
export const EVENTS = 10
/** All logs of the body, and those of groups that are not wanted. */
export const COUNT_LOGS = 11
export const COUNT_FILTERED = 12
/** 1 when groups have no positions, so that ids are hashes. */
export const HASHED = 13
/** Position of the pull's first log group: 64 bits. */
export const FIRST_GROUP = 14
/** Number of the shard, for the hashes. */
export const SHARD = 16
export const WALK_SIZE = 17

// A log group to deliver: it is wanted and has logs. The host keeps a copy of all, like the walk.
export const GROUP_START = 0
export const GROUP_STOP = 1
export const GROUP_INDEX = 2
export const TOPIC_START = 3
export const TOPIC_STOP = 4
export const SOURCE_START = 5
export const SOURCE_STOP = 6
/** Where the first tag is. */
export const TAGS_AT = 7
export const GROUP_SIZE = 8

/** Bodies with more log groups than this are handed over to the host. */
export const MAX_GROUPS = 8192
