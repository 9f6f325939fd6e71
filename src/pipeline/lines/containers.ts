import type { Fields } from './line.ts'
import { fieldsOf, Line } from './line.ts'

/** `2016-10-06T00:17:09.669794202Z stdout F message`, as containerd and CRI-O write files. `P` is a part of a line. */
export function parseCri(text: string): Fields | undefined {
  const line = new Line(text)
  const time = line.takeWord()
  if (time === undefined || !/^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(time) || !line.take(' '))
    return undefined
  const stream = line.takeWord()
  if ((stream !== 'stdout' && stream !== 'stderr') || !line.take(' ')) return undefined
  const flag = line.takeWord()
  if (flag === undefined || !/^[PF](?::|$)/.test(flag)) return undefined
  line.take(' ')
  return fieldsOf({ time, stream, flag, message: line.rest })
}

/** `I0102 15:04:05.000000       7 file.go:9] message`, as the parts of Kubernetes log. */
export function parseKlog(text: string): Fields | undefined {
  const head = /^([IWEF])(\d{4} \d\d:\d\d:\d\d\.\d{6}) +(\d{1,20}) ([^\s:\]]{1,255}):(\d{1,9})\] ?/.exec(
    text.slice(0, 512),
  )
  if (head === null) return undefined
  const [whole, level, timestamp, thread, file, line] = head
  return fieldsOf({ level, timestamp, thread, file, line, message: text.slice(whole.length) })
}

/**
 * `59509 23:59:19.023099531 0 kubelet (1738) < epoll_ctl args`: the names are sysdig's. A program's name may have blanks. Newer
 * versions write `(1738.1740)`, process and thread.
 */
export function parseSysdig(text: string): Fields | undefined {
  const head = /^(\d{1,20}) (\d\d:\d\d:\d\d\.\d{1,9}) (\d{1,9}) /.exec(text.slice(0, 64))
  if (head === null) return undefined
  const [whole, number, time, cpu] = head
  const direction = /\((?:(-?\d{1,20})\.)?(-?\d{1,20})\) ([<>]) /g
  direction.lastIndex = whole.length
  const found = direction.exec(text)
  if (found === null || text[found.index - 1] !== ' ') return undefined
  const line = new Line(text)
  line.at = direction.lastIndex
  const type = line.takeWord()
  if (type === undefined) return undefined
  line.take(' ')
  const [, process, thread, side] = found
  return fieldsOf({
    ...{ 'evt.num': number, 'evt.outputtime': time, 'evt.cpu': cpu },
    ...{ 'proc.name': text.slice(whole.length, found.index - 1), 'proc.pid': process, 'thread.tid': thread },
    ...{ 'evt.dir': side, 'evt.type': type, 'evt.args': line.rest },
  })
}
