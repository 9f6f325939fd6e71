import { SHAPE_TIME_COUNT, SHAPE_TIMES } from '../src/pipeline/wasm/memory-layout.ts'
import { copy } from './copy.ts'
import { writeDecimal, writeNineDigits } from './digits.ts'
import { clearHighBytes, highBytes, MAX_ESCAPED, writeEscaped } from './escape.ts'
import { CONTENTS_FRAMES, canFrame, frame, isHashed, writeLogHash } from './event-id.ts'
import { headAt, headLength, membersLength, TAIL, tailLength } from './head.ts'
import {
  beginEvent,
  firstKey,
  framedLength,
  nextKey,
  noteValue,
  takeKey,
  valueStart,
  valueStop,
  wireKey,
  writeKey,
} from './keys.ts'
import { word } from './layout.ts'
import { endsInString, findRaw, NOT_RAW, RAW_IS_UNSURE, setSpare, writeRaw, writeShaped } from './shape.ts'
import { beginTime, readTimes, timeNanos, timeSeconds } from './time.ts'
import { isUtf8 } from './utf8.ts'
import { CONTENTS, passField, TIME, TIME_NS, tag, uint32, VALUE } from './wire.ts'

const NANOS: u32 = 1_000_000_000
const CLOSE: u32 = 0x0a7d7d22 // "}}\n
/** Room for the time, the index of the log or a hash, the end of the event, and bytes written too many. */
const FIXED_BYTES: usize = 96

/** `{"time":1790000000.`. It is kept, since most logs have the second of the log before them. */
const SECONDS: usize = memory.data(64, 16)
/** The time of a log whose event has another: its hash needs it. */
const LOG_TIME: usize = memory.data(96, 16)
/** Length of `{"time":`. */
const TIME_OPEN: usize = 8
/** Tag and length before a key. */
const KEY_FRAMING: usize = 2
let seconds: u32 = 0
let secondsLength: usize = 0

/** Whether the event of a log of `length` bytes and `more` bytes is sure to fit into `room` bytes, with those written too many. */
export function canWrite(length: usize, more: usize, room: usize): bool {
  // Besides key and value, a pair has at least six bytes on the wire, and six bytes of punctuation here.
  const most = FIXED_BYTES + headLength + tailLength + more + MAX_ESCAPED * length
  if (most > room || (isHashed() && !canFrame(length))) return false
  setSpare(room - most)
  return true
}

/** The same for `writeCopyAgain`. */
export function canWriteAgain(room: usize): bool {
  return FIXED_BYTES + headLength + copyEnd - copyStart <= room
}

/**
 * Writes the event of the well-formed log in `[from, end)` and returns its end, or 0 when the host must write it. Not for ids that
 * are hashes: V8 compiles what this function calls into it only while it is small.
 */
export function writeEvent(start: usize, from: usize, end: usize, index: u32): usize {
  let at = from
  let time: u32 = 0
  if (at < end && load<u8>(at) === TIME) {
    time = uint32(at + 1)
    at += 2
    while (load<u8>(at - 1) >= 0x80) at++
  }
  const nanosAt = writeSeconds(start, time)
  store<u64>(nanosAt, ((<u64>0x30303030) << 32) | 0x30303030)
  store<u8>(nanosAt + 8, 0x30)
  let out = copy(nanosAt + 9, headAt, headLength)
  const contentsAt = out
  beginEvent()
  clearHighBytes()
  while (at < end) {
    const field = <u32>load<u8>(at)
    if (field === CONTENTS) {
      let size = <usize>load<u8>(at + 1)
      let pair = at + 2
      if (size >= 0x80) {
        const high = <usize>load<u8>(pair++)
        size = (size & 0x7f) | ((high & 0x7f) << 7)
        if (high >= 0x80) {
          const higher = <usize>load<u8>(pair++)
          if (higher >= 0x80) return 0
          size |= higher << 14
        }
      }
      const stop = pair + size
      const entry = takeKey(pair, stop)
      if (entry === 0) return 0
      // In a pair with other fields the sum at the end is wrong.
      const keyEnd = pair + framedLength(entry)
      if (load<u8>(keyEnd) !== VALUE) return 0
      let valueLength = <usize>load<u8>(keyEnd + 1)
      let value = keyEnd + 2
      if (valueLength >= 0x80) {
        const high = <usize>load<u8>(value++)
        valueLength = (valueLength & 0x7f) | ((high & 0x7f) << 7)
        if (high >= 0x80) {
          const higher = <usize>load<u8>(value++)
          if (higher >= 0x80) return 0
          valueLength |= higher << 14
        }
      }
      if (value + valueLength !== stop) return 0
      out = writeKey(entry, out)
      out = writeEscaped(out, value, stop)
      at = stop
    } else if (field === TIME_NS) {
      const nanos = load<u32>(at + 1)
      if (nanos >= NANOS) return 0
      writeNineDigits(nanosAt, nanos)
      at += 5
    } else {
      at = passField(at, end)
      // A second time, or a tag that is written with more bytes than it needs.
      if (tag === TIME || tag === CONTENTS || tag === TIME_NS) return 0
    }
  }
  if (highBytes && !isUtf8(contentsAt, out)) return 0
  out = copy(out, TAIL, tailLength)
  out = writeDecimal(out, index)
  store<u32>(out, CLOSE)
  return out + 4
}

/** Time of the log that `readLog` read, and the one that its event begins with. */
let logTime: u32 = 0
let logNanos: u32 = 0
let eventTime: u32 = 0
let eventNanos: u32 = 0

/** Reads the well-formed log in `[from, end)`: its time, and where the value of each key is. False when the host must read it. */
export function readLog(from: usize, end: usize): bool {
  let at = from
  let time: u32 = 0
  let nanos: u32 = 0
  if (at < end && load<u8>(at) === TIME) {
    time = uint32(at + 1)
    at += 2
    while (load<u8>(at - 1) >= 0x80) at++
  }
  beginEvent()
  while (at < end) {
    const field = <u32>load<u8>(at)
    if (field === CONTENTS) {
      let size = <usize>load<u8>(at + 1)
      let pair = at + 2
      if (size >= 0x80) {
        const high = <usize>load<u8>(pair++)
        size = (size & 0x7f) | ((high & 0x7f) << 7)
        if (high >= 0x80) {
          const higher = <usize>load<u8>(pair++)
          if (higher >= 0x80) return false
          size |= higher << 14
        }
      }
      const stop = pair + size
      const entry = takeKey(pair, stop)
      if (entry === 0) return false
      // In a pair with other fields the sum at the end is wrong.
      const keyEnd = pair + framedLength(entry)
      if (load<u8>(keyEnd) !== VALUE) return false
      let valueLength = <usize>load<u8>(keyEnd + 1)
      let value = keyEnd + 2
      if (valueLength >= 0x80) {
        const high = <usize>load<u8>(value++)
        valueLength = (valueLength & 0x7f) | ((high & 0x7f) << 7)
        if (high >= 0x80) {
          const higher = <usize>load<u8>(value++)
          if (higher >= 0x80) return false
          valueLength |= higher << 14
        }
      }
      if (value + valueLength !== stop) return false
      noteValue(entry, value, stop)
      at = stop
    } else if (field === TIME_NS) {
      nanos = load<u32>(at + 1)
      if (nanos >= NANOS) return false
      at += 5
    } else {
      at = passField(at, end)
      // A second time, or a tag that is written with more bytes than it needs.
      if (tag === TIME || tag === CONTENTS || tag === TIME_NS) return false
    }
  }
  logTime = time
  logNanos = nanos
  eventTime = time
  eventNanos = nanos
  return true
}

/** Takes the time of all events of the log that was read from its texts. False when the host must. */
export function takeTimes(rows: usize, count: usize): bool {
  beginTime(logTime, logNanos, logTime)
  if (!readTimes(rows, count)) return false
  eventTime = timeSeconds
  eventNanos = timeNanos
  return true
}

// The event that `writeCopy` wrote last.
let copyStart: usize = 0
let headStart: usize = 0
let contentsStart: usize = 0
let copyEnd: usize = 0
/** Bytes at the end of the head that it does without, since the event is one value. */
let headCut: usize = 0

/** Writes the event of the log that was read, and returns its end, or 0 when the host must write it. A `shape` of 0 has no steps. */
export function writeCopy(start: usize, index: u32, shape: usize): usize {
  let time = eventTime
  let nanos = eventNanos
  let raw = NOT_RAW
  if (shape !== 0) {
    const count = word(shape, SHAPE_TIME_COUNT)
    if (count !== 0) {
      beginTime(time, nanos, logTime)
      if (!readTimes(word(shape, SHAPE_TIMES), count)) return 0
      time = timeSeconds
      nanos = timeNanos
    }
    raw = findRaw(shape)
    if (raw === RAW_IS_UNSURE) return 0
  }
  let nanosAt = writeSeconds(start, time)
  writeNineDigits(nanosAt, nanos)
  copyStart = start
  headStart = nanosAt + 9
  headCut = raw === NOT_RAW ? 0 : membersLength + 1
  contentsStart = copy(headStart, headAt, headLength - headCut)
  clearHighBytes()
  let out: usize
  // The tail begins with the quote of the last value, and the end of the event.
  let skipped: usize = 0
  if (raw !== NOT_RAW) {
    out = writeRaw(contentsStart, shape)
    skipped = 2
  } else if (shape === 0) out = writeContents(contentsStart)
  else {
    out = writeShaped(contentsStart, shape)
    if (!endsInString) skipped = 1
  }
  if (out === 0 || (highBytes && !isUtf8(contentsStart, out))) return 0
  out = copy(out, TAIL + skipped, tailLength - skipped)
  if (isHashed()) {
    if (time !== logTime || nanos !== logNanos) {
      nanosAt = writeSeconds(LOG_TIME, logTime)
      writeNineDigits(nanosAt, logNanos)
    }
    out = writeLogHash(out, frameContents(), SECONDS + TIME_OPEN, SECONDS + secondsLength, nanosAt)
  } else out = writeDecimal(out, index)
  store<u32>(out, CLOSE)
  copyEnd = out + 4
  return copyEnd
}

/** Writes the event of `writeCopy` once more, with another head, and returns its end. */
export function writeCopyAgain(start: usize): usize {
  const out = copy(copy(start, copyStart, headStart - copyStart), headAt, headLength - headCut)
  return copy(out, contentsStart, copyEnd - contentsStart)
}

function writeContents(start: usize): usize {
  let out = start
  for (let entry = firstKey(); entry !== 0; entry = nextKey(entry)) {
    out = writeKey(entry, out)
    out = writeEscaped(out, valueStart(entry), valueStop(entry))
  }
  return out
}

/** Returns the end of the frames. */
function frameContents(): usize {
  let frames = CONTENTS_FRAMES
  for (let entry = firstKey(); entry !== 0; entry = nextKey(entry)) {
    const wire = wireKey(entry)
    frames = frame(frames, wire + KEY_FRAMING, wire + framedLength(entry))
    frames = frame(frames, valueStart(entry), valueStop(entry))
  }
  return frames
}

function writeSeconds(out: usize, time: u32): usize {
  if (time !== seconds || secondsLength === 0) {
    store<u64>(SECONDS, ((<u64>0x3a22656d) << 32) | 0x6974227b) // {"time":
    const end = writeDecimal(SECONDS + TIME_OPEN, time)
    store<u8>(end, 0x2e)
    seconds = time
    secondsLength = end + 1 - SECONDS
  }
  v128.store(out, v128.load(SECONDS))
  v128.store(out + 16, v128.load(SECONDS + 16))
  return out + secondsLength
}
