import { copy, same } from './copy.ts'
import { idAt, idEnd } from './envelope.ts'
import { memberAt, memberCount, memberEnd, memberName, memberNameLength } from './members.ts'
import { endPayload, hasRoom, PAYLOAD } from './payload.ts'

// Payloads of all contents as `key=value`, and of one content as it is, as src/sinks/syslog/payload.ts writes them.

/** The configured texts, each of at most 200 bytes. */
const SEPARATOR: usize = memory.data(256, 16)
const FIELD: usize = memory.data(256, 16)
let separatorLength: usize = 0
let fieldLength: usize = 0
/** `sls_event_id=` */
const ID_NAME: usize = memory.data<u8>(
  [0x73, 0x6c, 0x73, 0x5f, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x5f, 0x69, 0x64, 0x3d],
  16,
)

/** Where the host puts the configured texts. */
export function separatorAt(): usize {
  return SEPARATOR
}

export function fieldAt(): usize {
  return FIELD
}

/** Lengths of the texts that the host has put in place. */
export function configureContents(separator: usize, field: usize): void {
  separatorLength = separator
  fieldLength = field
}

/** Writes the members that were read. False where it is the host's. */
export function writeKeyValues(withId: bool): bool {
  let out = PAYLOAD
  for (let index: usize = 0; index < memberCount; index++) {
    const from = memberAt(index)
    const to = memberEnd(index)
    const length = memberNameLength(index)
    if (!hasRoom(out, to - from + length)) return false
    out = copy(out, SEPARATOR, separatorLength)
    out = copy(out, memberName(index), length)
    store<u8>(out++, 0x3d)
    out = copyText(out, from, to)
  }
  if (withId) {
    if (!hasRoom(out, idEnd - idAt)) return false
    out = copy(out, SEPARATOR, separatorLength)
    out = copy(out, ID_NAME, 13)
    out = copyText(out, idAt, idEnd)
  }
  endPayload(out)
  return true
}

/** Writes the one content. False where it is the host's: the log lacks it, or it has no room. */
export function writeField(): bool {
  for (let index: usize = 0; index < memberCount; index++) {
    if (memberNameLength(index) !== fieldLength || !same(memberName(index), FIELD, fieldLength)) continue
    const length = memberEnd(index) - memberAt(index)
    if (!hasRoom(PAYLOAD, length)) return false
    endPayload(copyText(PAYLOAD, memberAt(index), memberEnd(index)))
    return true
  }
  return false
}

/** Copies a text with blanks in place of line ends and NUL. */
function copyText(out: usize, from: usize, to: usize): usize {
  const stop = out + (to - from)
  for (let at = from; out < stop; at += 16) {
    const bytes = v128.load(at)
    const lineEnds = v128.or(i8x16.eq(bytes, i8x16.splat(0x0a)), i8x16.eq(bytes, i8x16.splat(0x0d)))
    const replaced = v128.or(lineEnds, i8x16.eq(bytes, i8x16.splat(0)))
    v128.store(out, v128.bitselect(i8x16.splat(0x20), bytes, replaced))
    out += 16
  }
  return stop
}
