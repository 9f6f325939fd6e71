import type { Fields } from './line.ts'
import { Line, Told } from './line.ts'

/**
 * `[8415191.42] IN=docker0 OUT=eth0 SRC=172.17.0.4 … DF PROTO=TCP SPT=41017 …`, as the kernel logs packets. A flag has the value
 * `true`. The second `LEN` is `LEN_2`. The packet that an ICMP error is about stays one text, `INNER`. What the rule puts in
 * front is `prefix`.
 */
export function parseIptables(text: string): Fields | undefined {
  const told = new Told()
  const line = new Line(text)
  const start = /(?:^|[ :\]])IN=/.exec(text)
  if (start === null || !text.includes(' OUT=', start.index)) return undefined
  line.at = start.index + start[0].length - 'IN='.length
  const prefix = text
    .slice(0, line.at)
    .replace(/^\[ *\d+\.\d+\] ?/, '')
    .trimEnd()
  if (prefix !== '') told.put('prefix', prefix)
  let flag: string | undefined
  for (line.skipBlanks(); !line.isAtEnd; line.skipBlanks()) {
    if (line.take('[')) {
      told.put('INNER', line.takeUntil(']') ?? takeRest(line))
      continue
    }
    const word = line.takeWord() ?? ''
    const equals = word.indexOf('=')
    if (equals > 0) told.put(word.slice(0, equals), word.slice(equals + 1))
    // `OPT (0204…)`: the options of TCP.
    else if (word.startsWith('(') && flag !== undefined) told.fields.set(flag, word.replace(/^\(|\)$/g, ''))
    else told.put(word, 'true')
    flag = equals > 0 ? undefined : word
  }
  return told.fields
}

function takeRest(line: Line): string {
  const { rest } = line
  line.at = line.text.length
  return rest
}
