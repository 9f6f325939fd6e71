import {
  LINE_IS_APACHE_COMBINED,
  LINE_IS_APACHE_COMMON,
  LINE_IS_IPTABLES,
  LINE_IS_SYSLOG,
  LINE_IS_SYSLOG_3164,
  PARSE_SHAPE,
  PARSE_SIZE,
} from '../src/pipeline/wasm/memory-layout.ts'
import { readAccessLine } from './access-line.ts'
import { readIptables } from './iptables-line.ts'
import { PLACE, word } from './layout.ts'
import { beginFields, beginLine, hasLine } from './line.ts'
import { readSyslog, readSyslog3164, readSyslog5424 } from './syslog-line.ts'

/** Makes contents of the lines in the log that was read. False when the host must, also for a line that has not its shape. */
export function parseLines(rows: usize, count: usize): bool {
  beginFields()
  let row = rows
  for (let left = count; left > 0; left--) {
    if (hasLine(row) && !(beginLine(row) && readLine(word(row, PARSE_SHAPE)))) return false
    row += PLACE * PARSE_SIZE
  }
  return true
}

function readLine(shape: usize): bool {
  if (shape === LINE_IS_APACHE_COMBINED) return readAccessLine(true)
  if (shape === LINE_IS_APACHE_COMMON) return readAccessLine(false)
  if (shape === LINE_IS_IPTABLES) return readIptables()
  if (shape === LINE_IS_SYSLOG) return readSyslog()
  return shape === LINE_IS_SYSLOG_3164 ? readSyslog3164() : readSyslog5424()
}
