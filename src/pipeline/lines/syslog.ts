import type { Fields } from './line.ts'
import { fieldsOf, Line } from './line.ts'

const PRIORITY = /^<(\d{1,3})>/
/** `Jul  5 09:30:00` as RFC 3164 has it, and what servers write in its place: RFC 3339. */
const TIMESTAMP =
  /^(?:[A-Z][a-z]{2} (?:\d\d| ?\d) \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) /
/** `sshd[42]:`, `kernel:`; behind it a blank or the end. */
const PROGRAM = /^([!-Z\\^-~]+?)(?:\[(\d+)\])?:(?: |$)/
const LONGEST_HEAD = 512
const BYTE_ORDER_MARK = '\ufeff'

/** Of RFC 5424 if the version stands behind the priority, otherwise of RFC 3164. */
export function parseSyslog(text: string): Fields | undefined {
  return /^<\d{1,3}>1 /.test(text) ? parseSyslog5424(text) : parseSyslog3164(text)
}

/** `<38>Jul  5 09:30:00 web-1 sshd[42]: message`. The priority and the program may be absent. */
export function parseSyslog3164(text: string): Fields | undefined {
  const line = new Line(text)
  const priority = takeMatch(line, PRIORITY)?.[1]
  const timestamp = takeMatch(line, TIMESTAMP)?.[0].trimEnd()
  const host = line.takeWord()
  if (timestamp === undefined || host === undefined || !isPriority(priority)) return undefined
  line.take(' ')
  const [, program, pid] = takeMatch(line, PROGRAM) ?? []
  return fieldsOf({ priority, timestamp, host, program, pid, message: line.rest })
}

/** `<165>1 2003-10-11T22:14:15.003Z host app 42 ID47 [sd@1 key="value"] message`. A `-` is no field. */
export function parseSyslog5424(text: string): Fields | undefined {
  const line = new Line(text)
  const priority = takeMatch(line, PRIORITY)?.[1]
  if (priority === undefined || !isPriority(priority) || !line.take('1 ')) return undefined
  const words: (string | undefined)[] = []
  for (let count = 0; count < 5; count++) {
    const word = line.takeWord()
    if (word === undefined || !line.take(' ')) return undefined
    words.push(word === '-' ? undefined : word)
  }
  const data = takeStructuredData(line)
  if (data === undefined || !(line.take(' ') || line.isAtEnd)) return undefined
  line.take(BYTE_ORDER_MARK)
  const [timestamp, host, program, pid, msgid] = words
  const head = fieldsOf({ priority, timestamp, host, program, pid, msgid })
  return new Map([...head, ...data, ['message', line.rest]])
}

/** `sd.ID.NAME` by its value. Of equal names the first counts. */
function takeStructuredData(line: Line): Fields | undefined {
  const data = new Map<string, string>()
  if (line.take('-')) return data
  do {
    if (!line.take('[')) return undefined
    const id = takeMatch(line, /^[^\s=\]"]{1,32}/)?.[0]
    if (id === undefined) return undefined
    while (line.take(' ')) {
      const name = takeMatch(line, /^[^\s=\]"]{1,32}/)?.[0]
      const value = name !== undefined && line.take('=') ? line.takeQuoted() : undefined
      if (name === undefined || value === undefined) return undefined
      const key = `sd.${id}.${name}`
      if (!data.has(key)) data.set(key, value.replace(/\\(["\\\]])/g, '$1'))
    }
    if (!line.take(']')) return undefined
  } while (line.text[line.at] === '[')
  return data
}

/** What matches here. It must lie within the first characters, so that no line is looked through again and again. */
function takeMatch(line: Line, pattern: RegExp): RegExpExecArray | undefined {
  const found = pattern.exec(line.text.slice(line.at, line.at + LONGEST_HEAD)) ?? undefined
  line.at += found?.[0].length ?? 0
  return found
}

function isPriority(text: string | undefined): boolean {
  return text === undefined || Number(text) <= 191
}
