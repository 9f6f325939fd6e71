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

// The config, which the host sets: addresses and lengths.
/** Program of the current walk. */
export const PROGRAM = 0
/** From the end of the contents up to the part of the id that differs within the pull. The length differs from pull to pull. */
export const ID_PREFIX = 1
export const ID_PREFIX_LENGTH = 2
export const CONFIG_SIZE = 3

/** Most bytes of the text at ID_PREFIX. */
export const ID_PREFIX_BYTES = 960

// A program. The host puts it into the memory.
/** Wanted topics, each as its length in 32 bits and its bytes. A count of 0 wants all. */
export const TOPICS = 0
export const TOPIC_COUNT = 1
/** Set in the length of a text with which wanted topics begin. */
export const TOPIC_IS_PREFIX = 0x80000000
/** Keys of contents that the program reads: KEY_SIZE each. */
export const KEYS = 2
export const KEY_COUNT = 3
/** Values that all logs of a group share, and that the program reads: NAME_SIZE each. */
export const NAMES = 4
export const NAME_COUNT = 5
/** The nodes that a log passes until its routes are known: NODE_SIZE each, those that may follow a node behind it. */
export const NODES = 6
export const NODE_COUNT = 7
/** First node. */
export const START = 8
/** What may be written of a log: COPY_SIZE each. A program without nodes writes the first of every log. */
export const COPIES = 9
export const COPY_COUNT = 10
/** 1 if topic, source and tags may decide that nothing is written of a group. */
export const CHOOSES_GROUPS = 11
/** Where the time of a log may be, read before its routes are chosen: TIME_SIZE each. */
export const TIMES = 12
export const TIME_COUNT = 13
/** Lines of which fields are made before all else: PARSE_SIZE each. */
export const PARSES = 14
export const PARSE_COUNT = 15

// A key: address and length of the key on the wire, with its tag and length. Its number is its place in the list.
export const KEY_WIRE = 0
export const KEY_FRAMED = 1
export const KEY_SIZE = 2
export const MAX_PROGRAM_KEYS = 256

// A value of the group: its kind, and the address and length of a tag's key.
export const NAME_KIND = 0
export const NAME_TEXT = 1
export const NAME_LENGTH = 2
export const NAME_SIZE = 3
export const MAX_NAMES = 256
// Kinds.
export const NAME_TOPIC = 0
export const NAME_SOURCE = 1
export const NAME_TAG = 2

// A node: a comparison, or what happens to the log.
export const NODE_OP = 0
/** Operand of a comparison. Number of a route or of a reason. */
export const NODE_OPERAND = 1
/** Text to compare with, or a list, and its length or number of texts. Numbers of the first copy and of copies. */
export const NODE_TEXT = 2
export const NODE_LENGTH = 3
/** The node that follows if the comparison holds, and if not. */
export const NODE_YES = 4
export const NODE_NO = 5
/** The same for the logs of the current group. The kernel sets them. */
export const NODE_GROUP_YES = 6
export const NODE_GROUP_NO = 7
/** The node that takes the place of this one for the logs of the group. */
export const NODE_GROUP_SELF = 8
export const NODE_SIZE = 10
export const MAX_NODES = 4096
// Operations. The copies of a route are written, and the log goes on; nothing of the log is written; the log has been taken.
export const OP_TAKE = 0
export const OP_FILTER = 1
export const OP_STOP = 2
export const OP_EXISTS = 3
export const OP_EQUAL = 4
export const OP_IN = 5
export const OP_CONTAINS = 6
export const OP_STARTS = 7
export const OP_ENDS = 8
export const OP_UNEQUAL = 9
export const OP_ICONTAINS = 10
export const OP_INTERSECTS = 11
export const OP_LESS = 12
export const OP_AT_MOST = 13
export const OP_MORE = 14
export const OP_AT_LEAST = 15
/** Only the host can compare a value that is there. */
export const OP_HOST = 16
/** Only the host can tell what follows. */
export const OP_UNKNOWN = 17

// An operand: how to find its value.
/** Address and number of the readings, READING_SIZE each: the first whose value is there counts. */
export const OPERAND_READINGS = 0
export const OPERAND_READING_COUNT = 1
/** 1 if all logs of a group have the same value. */
export const OPERAND_OF_GROUP = 2
/** 1 if what is found in a log is kept for the next comparison. */
export const OPERAND_IS_KEPT = 3
/** The value found, and its log. */
export const OPERAND_LOG = 4
export const OPERAND_FOUND = 5
export const OPERAND_FOUND_START = 6
export const OPERAND_FOUND_STOP = 7
export const FOUND_ABSENT = 0
export const FOUND_TEXT = 1
export const FOUND_LIST = 2
/** JSON whose text the log's shape changes. */
export const FOUND_RESHAPED = 3
export const READING_OF = 0
export const READING_NUMBER = 1
/** The way into the JSON of the value: STEP_SIZE each. */
export const READING_REST = 2
export const READING_REST_COUNT = 3
/** 1 if the shape of the log turns the value into JSON where it can. */
export const READING_BECOMES_JSON = 4
export const READING_SIZE = 5
// Kinds of readings: key of a content, value of the group.
export const OF_KEY = 0
export const OF_NAME = 1

// A step into JSON: address and length of a key; or 0 and an index.
export const STEP_KEY = 0
export const STEP_LENGTH = 1
export const STEP_SIZE = 2

// A number to compare with: its sign, its point, address and number of its digits.
export const DECIMAL_IS_NEGATIVE = 0
export const DECIMAL_POINT = 1
export const DECIMAL_DIGITS = 2
export const DECIMAL_DIGIT_COUNT = 3

// A copy: its output, and the texts from the time to the members of the event.
export const COPY_OUTPUT = 0
export const COPY_PIECES = 1
export const COPY_PIECE_COUNT = 2
export const COPY_ROUTE = 3
/** Address of its shape, or 0, and the most bytes that the shape adds to an event. */
export const COPY_SHAPE = 4
export const COPY_MORE = 5
/** 1 if its envelope differs from log to log. */
export const COPY_IS_OF_LOG = 6
export const COPY_SIZE = 7
export const MAX_COPIES = 256
// A shape: what becomes of each key of the program, what becomes of all other keys, pairs of keys that would get one name, and
// members that are added.
export const SHAPE_ACTIONS = 0
export const SHAPE_OTHERS = 1
export const SHAPE_CONFLICTS = 2
export const SHAPE_CONFLICT_COUNT = 3
export const SHAPE_ADDS = 4
export const SHAPE_ADD_COUNT = 5
export const SHAPE_TIMES = 6
export const SHAPE_TIME_COUNT = 7
/** The key whose value is the whole event, or NO_KEY, and 1 if the value is JSON where it can. */
export const SHAPE_RAW_KEY = 8
export const SHAPE_RAW_IS_JSON = 9
/** Address of how the event of Docker's driver is made, or 0. */
export const SHAPE_DOCKER = 10
/** What becomes of a content, its piece if it is called otherwise, and a text that takes the place of its value. */
export const ACTION_KIND = 0
export const ACTION_PIECE = 1
export const ACTION_PIECE_LENGTH = 2
export const ACTION_TEXT = 3
export const ACTION_TEXT_LENGTH = 4
export const ACTION_SIZE = 5
export const ACTION_WRITES = 0
export const ACTION_SKIPS = 1
export const ACTION_IS_JSON = 2
export const ACTION_WRITES_TEXT = 3
/** Its text is a template. */
export const ACTION_WRITES_TEMPLATE = 4
export const CONFLICT_ONE = 0
export const CONFLICT_OTHER = 1
export const CONFLICT_SIZE = 2
/** The key in whose presence nothing is added, and the piece and text of the member. */
export const ADD_KEY = 0
export const ADD_TEXT = 1
export const ADD_TEXT_LENGTH = 2
/** A template that follows the text, or 0. */
export const ADD_TEMPLATE = 3
export const ADD_SIZE = 4
export const NO_KEY = 0xffff

// An event of Docker's driver: the key of the line, the format, the operand of the stream, the parts of the tag, each a text or
// an operand and how many of its bytes, and the attributes, each an operand and the text in front of its value.
export const DOCKER_KEY = 0
export const DOCKER_FORMAT = 1
export const DOCKER_SOURCE = 2
export const DOCKER_TAG = 3
export const DOCKER_TAG_COUNT = 4
export const DOCKER_ATTRS = 5
export const DOCKER_ATTR_COUNT = 6
export const DOCKER_IS_INLINE = 0
export const DOCKER_IS_JSON = 1
export const DOCKER_IS_RAW = 2
export const TAG_OPERAND = 0
export const TAG_TEXT = 1
export const TAG_LENGTH = 2
export const TAG_SIZE = 3
export const ATTR_OPERAND = 0
export const ATTR_TEXT = 1
export const ATTR_LENGTH = 2
export const ATTR_SIZE = 3

// A template: its parts, each an operand, or 0 and the address and length of a text.
export const TEMPLATE_PARTS = 0
export const TEMPLATE_PART_COUNT = 1
/** Kind, text and length of the piece of an envelope that takes the place of an empty text. */
export const TEMPLATE_OTHERWISE = 2
export const PART_OPERAND = 0
export const PART_TEXT = 1
export const PART_LENGTH = 2
export const PART_SIZE = 3

// A time: the operand of its text, the formats that the kernel reads, what is known of the zone of a text that tells none, and
// its offset from UTC in seconds.
export const TIME_OPERAND = 0
export const TIME_READS_ISO8601 = 1
export const TIME_READS_EPOCH = 2
export const TIME_READS_APACHE = 3
export const TIME_READS_SYSLOG = 4
export const TIME_ZONE = 5
export const TIME_OFFSET = 6
export const TIME_SIZE = 7
/** Only the host knows the offset. */
export const ZONE_CHANGES = 0
/** The offset is the same from 2000 to 2037. */
export const ZONE_IS_STEADY = 1
export const ZONE_IS_UTC = 2

// A line: the number of its key, its shape, the address of the numbers of the keys that its fields get, and what stands before
// the names of fields that are not known before the line.
export const PARSE_KEY = 0
export const PARSE_SHAPE = 1
export const PARSE_FIELDS = 2
export const PARSE_PREFIX = 3
export const PARSE_PREFIX_LENGTH = 4
export const PARSE_SIZE = 5
/** Most bytes of the prefix. */
export const PREFIX_BYTES = 64
export const LINE_IS_APACHE_COMMON = 0
export const LINE_IS_APACHE_COMBINED = 1
export const LINE_IS_SYSLOG = 2
export const LINE_IS_SYSLOG_3164 = 3
export const LINE_IS_SYSLOG_5424 = 4
export const LINE_IS_IPTABLES = 5
// Fields of a web access log, in the order of the names in lines.ts.
export const CLIENTIP = 0
export const IDENT = 1
export const AUTH = 2
export const TIMESTAMP = 3
export const VERB = 4
export const REQUEST = 5
export const HTTPVERSION = 6
export const RAWREQUEST = 7
export const RESPONSE = 8
export const BYTES = 9
export const REFERRER = 10
export const AGENT = 11
// Fields of syslog.
export const PRIORITY = 0
export const SYSLOG_TIMESTAMP = 1
export const HOST = 2
export const PROGRAM_NAME = 3
export const PID = 4
export const MSGID = 5
export const MESSAGE = 6

// A piece of an envelope: a text, the source of the group, the source type for its topic, or a template.
export const PIECE_KIND = 0
export const PIECE_TEXT = 1
export const PIECE_LENGTH = 2
export const PIECE_SIZE = 3
export const PIECE_IS_TEXT = 0
export const PIECE_IS_SOURCE = 1
/** Its text is a table of source types: SOURCETYPE_SIZE each. The first that fits the topic counts; the last fits all. */
export const PIECE_IS_SOURCETYPE = 2
export const PIECE_IS_TEMPLATE = 3
export const SOURCETYPE_TOPIC = 0
export const SOURCETYPE_TOPIC_LENGTH = 1
/** 1 if the topic only has to begin so. */
export const SOURCETYPE_IS_PREFIX = 2
export const SOURCETYPE_TEXT = 3
export const SOURCETYPE_LENGTH = 4
/** 1 if the rest of the topic follows the text, and must not be empty. */
export const SOURCETYPE_HAS_REST = 5
export const SOURCETYPE_SIZE = 6

// An output. The host sets its places once, and takes what is in it.
export const OUTPUT_START = 0
/** Events may be written up to here. */
export const OUTPUT_STOP = 1
/** End of each event, in 32 bits, and its route, in 16. */
export const OUTPUT_ENDS = 2
export const OUTPUT_ROUTES = 3
export const OUTPUT_USED = 4
export const OUTPUT_EVENTS = 5
/** The kernel stops before an event with which an output would have more bytes. */
export const OUTPUT_MAX_BATCH = 6
export const OUTPUT_SIZE = 8
export const MAX_OUTPUTS = 16

/** Counts that the host takes: logs of which nothing is written, by reason, and events by route. */
export const MAX_REASONS = 256
export const MAX_ROUTES = 256

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
/** All logs of the body, and those of groups that are not wanted. */
export const COUNT_LOGS = 9
export const COUNT_FILTERED = 10
/** 1 when groups have no positions, so that ids are hashes. */
export const HASHED = 11
/** Position of the pull's first log group: 64 bits. */
export const FIRST_GROUP = 12
/** Number of the shard, for the hashes. */
export const SHARD = 14
export const WALK_SIZE = 15

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
