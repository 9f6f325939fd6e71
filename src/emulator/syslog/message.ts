/** A message as a strict collector reads it. Text is UTF-8; other bytes become U+FFFD. */
export interface SyslogMessage {
  /** `none`: it has no header, or one that is wrong; then `text` is all of it. */
  readonly header: 'rfc5424' | 'rfc3164' | 'none'
  readonly facility?: number
  readonly severity?: number
  /** As it was written. Absent for `-`, as are the other fields. */
  readonly time?: string
  readonly host?: string
  /** APP-NAME, or the TAG of RFC 3164. */
  readonly appName?: string
  readonly procId?: string
  readonly msgId?: string
  /** Parameters by SD-ID. */
  readonly structuredData?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** The rest. */
  readonly text: string
  /** What is wrong with a header of RFC 5424. */
  readonly problem?: string
}

const PRIORITY = /^<(0|[1-9]\d{0,2})>/
const HIGHEST_PRIORITY = 191
/** RFC 5424, 6: the fields between the version and the structured data. */
const FIELDS: readonly (readonly [key: 'time' | 'host' | 'appName' | 'procId' | 'msgId', rule: RegExp])[] = [
  ['time', /^(-|\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d))$/],
  ['host', /^[!-~]{1,255}$/],
  ['appName', /^[!-~]{1,48}$/],
  ['procId', /^[!-~]{1,128}$/],
  ['msgId', /^[!-~]{1,32}$/],
]
const ELEMENT = /\[([!#-<>-\\^-~]{1,32})((?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\]/y
const PARAMETER = / ([^=]+)="((?:[^"\\]|\\.)*)"/gs
/** RFC 3164. A tag ends with a colon and a space: what CEF and LEEF begin with is none. */
const LEGACY = /^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\S+) (?:([A-Za-z0-9]{1,32})(?:\[(\d+)\])?: )?(.*)$/s

export function readMessage(bytes: Buffer): SyslogMessage {
  const all = bytes.toString()
  const priority = Number(PRIORITY.exec(all)?.[1] ?? Number.NaN)
  if (!(priority <= HIGHEST_PRIORITY)) return { header: 'none', text: all }
  const common = { facility: priority >> 3, severity: priority & 7 }
  const behind = all.slice(all.indexOf('>') + 1)
  if (behind.startsWith('1 ')) {
    try {
      return { header: 'rfc5424', ...common, ...strict(behind.slice(2)) }
    } catch (error) {
      return { header: 'none', text: all, problem: (error as Error).message }
    }
  }
  const [legacy, time, host, appName, procId, text = ''] = LEGACY.exec(behind) ?? []
  if (legacy === undefined) return { header: 'none', text: all }
  return { header: 'rfc3164', ...common, ...present({ time, host, appName, procId }), text }
}

/** Throws an Error that names the field that is wrong. */
function strict(text: string): Omit<SyslogMessage, 'header'> {
  const found: Record<string, string> = {}
  let at = 0
  for (const [key, rule] of FIELDS) {
    const end = text.indexOf(' ', at)
    const value = text.slice(at, end < 0 ? text.length : end)
    if (end < 0 || !rule.test(value)) throw new Error(`${key} is ${JSON.stringify(value.slice(0, 60))}`)
    if (value !== '-') found[key] = value
    at = end + 1
  }
  const { structuredData, end } = elements(text, at)
  if (end < text.length && text[end] !== ' ') throw new Error('the structured data is wrong')
  return { ...found, ...present({ structuredData }), text: text.slice(end + 1) }
}

function elements(text: string, from: number) {
  if (text[from] === '-') return { structuredData: undefined, end: from + 1 }
  const all = new Map<string, Record<string, string>>()
  let end = from
  for (;;) {
    ELEMENT.lastIndex = end
    const [element, id = '', parameters = ''] = ELEMENT.exec(text) ?? []
    if (element === undefined) break
    if (all.has(id)) throw new Error(`the structured data has ${id} twice`)
    const values = parameters.matchAll(PARAMETER)
    all.set(id, Object.fromEntries([...values].map(([, name = '', value = '']) => [name, unescaped(value)])))
    end += element.length
  }
  if (all.size === 0) throw new Error('there is no structured data')
  return { structuredData: Object.fromEntries(all), end }
}

function unescaped(value: string): string {
  return value.replace(/\\(["\\\]])/g, '$1')
}

function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
