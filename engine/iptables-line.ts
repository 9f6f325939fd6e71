import {
  addToName,
  at,
  BLANK,
  beginName,
  byteAt,
  CLOSE_BRACKET,
  COLON,
  end,
  entryOfName,
  isDigit,
  isTold,
  OPEN_BRACKET,
  placeOf,
  putAt,
  skip,
  take,
  takeBytes,
  takenStart,
  takenStop,
  takeWord,
} from './line.ts'

// Packets that the kernel of Linux logs, as src/pipeline/lines/iptables.ts reads them. Whatever is not surely one is the host's.

const EQUALS: u32 = 0x3d
const DOT: u32 = 0x2e
const OPEN_PARENTHESIS: u32 = 0x28
const CLOSE_PARENTHESIS: u32 = 0x29
/** `IN=`, and `OUT=` */
const IN: u32 = 0x3d4e49
const OUT: u32 = 0x3d54554f

const PREFIX: usize = memory.data<u8>([0x70, 0x72, 0x65, 0x66, 0x69, 0x78], 16)
const INNER: usize = memory.data<u8>([0x49, 0x4e, 0x4e, 0x45, 0x52], 16)
const TRUE: usize = memory.data<u8>([0x74, 0x72, 0x75, 0x65], 16)
/** `_2` */
const SECOND: usize = memory.data<u8>([0x5f, 0x32], 16)

/** The entry that `tell` filled last; 0 if its name is not the one in the line. */
let told: usize = 0

/** False when the host must read the line. */
export function readIptables(): bool {
  if (!readPrefix()) return false
  let goesOut = false
  let flag: usize = 0
  for (skipBlanks(); at < end; skipBlanks()) {
    if (take(OPEN_BRACKET)) {
      takeInner()
      if (!tell(INNER, INNER + 5, takenStart, takenStop)) return false
      continue
    }
    if (end - at >= 4 && load<u32>(at) === OUT) goesOut = true
    takeWord()
    const equals = placeOf(EQUALS, takenStart, takenStop)
    if (equals > takenStart && equals < takenStop) {
      if (!tell(takenStart, equals, equals + 1, takenStop)) return false
      flag = 0
    } else if (<u32>load<u8>(takenStart) === OPEN_PARENTHESIS) {
      // `OPT (0204…)`: the options of TCP.
      if (flag === 0) return false
      const closes: usize = takenStop - takenStart > 1 && <u32>load<u8>(takenStop - 1) === CLOSE_PARENTHESIS ? 1 : 0
      putAt(flag, takenStart + 1, takenStop - closes)
      flag = 0
    } else {
      if (!tell(takenStart, takenStop, TRUE, TRUE + 4)) return false
      flag = told
    }
  }
  return goesOut
}

/** Makes a field of what the rule puts in front, without the time of the kernel, and stops in front of `IN=`. */
function readPrefix(): bool {
  let start: usize = 0
  while (true) {
    if (at + start + 3 > end) return false
    if ((load<u32>(at + start) & 0xffffff) === IN && (start === 0 || isBeforeIn(byteAt(start - 1)))) break
    start++
  }
  const time = lengthOfTime(start)
  skip(time)
  takeBytes(start - time)
  let stop = takenStop
  while (stop > takenStart && isSpace(<u32>load<u8>(stop - 1))) stop--
  if (stop === takenStart) return true
  // Only the host knows whether such a character is a blank.
  return load<u8>(stop - 1) < 0x80 && tell(PREFIX, PREFIX + 6, takenStart, stop)
}

function isBeforeIn(one: u32): bool {
  return one === BLANK || one === COLON || one === CLOSE_BRACKET
}

/** Length of `[ 12.5] ` within the first bytes; 0 if it does not stand here. */
function lengthOfTime(most: usize): usize {
  if (byteAt(0) !== OPEN_BRACKET) return 0
  let length: usize = 1
  while (byteAt(length) === BLANK) length++
  const seconds = length
  while (isDigit(byteAt(length))) length++
  if (length === seconds || byteAt(length) !== DOT) return 0
  const fraction = ++length
  while (isDigit(byteAt(length))) length++
  if (length === fraction || byteAt(length) !== CLOSE_BRACKET || length >= most) return 0
  length++
  return length < most && byteAt(length) === BLANK ? length + 1 : length
}

function isSpace(one: u32): bool {
  return one === BLANK || one - 0x09 < 5
}

function skipBlanks(): void {
  while (take(BLANK)) {}
}

/** Takes everything before the next bracket, or all. */
function takeInner(): void {
  takeBytes(placeOf(CLOSE_BRACKET, at, end) - at)
  take(CLOSE_BRACKET)
}

/** Makes a field. Of `LEN` the second is `LEN_2`, and the third is the host's. */
function tell(name: usize, nameEnd: usize, from: usize, to: usize): bool {
  beginName()
  if (!addToName(name, nameEnd)) return false
  const entry = entryOfName()
  if (entry === 0) return false
  if (!isTold(entry)) {
    told = entry
    putAt(entry, from, to)
    return true
  }
  told = 0
  if (!addToName(SECOND, SECOND + 2)) return false
  const second = entryOfName()
  if (second === 0 || isTold(second)) return false
  putAt(second, from, to)
  return true
}
