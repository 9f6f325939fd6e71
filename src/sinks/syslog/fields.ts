import { membersOf } from './members.ts'

/** A value that a log has, and the content that it is all of. */
export interface Found {
  readonly text: string
  /** Absent: it is only a part of a content. */
  readonly content?: string
}

type Members = ReadonlyMap<string, string>

/** The contents of a log, and what stands in those that are JSON. The last of several with one name counts. */
export class Fields {
  readonly members: Members
  readonly #parsed = new Map<string, Members>()

  /** An event that is no object is one content without a name. */
  constructor(event: Buffer) {
    const json = event.toString()
    this.members = new Map(membersOf(json) ?? [['', textOf(json)]])
  }

  /**
   * A content, or what is at a path into one: `userIdentity.userName`, `sourceIPs.0`. `inside`: the content whose JSON may
   * hold it. Log Service's products write an empty text or `-` for nothing.
   */
  find(path: string, inside?: string): Found | undefined {
    const text = inside === undefined ? undefined : this.#at(`${inside}.${path}`)
    if (text !== undefined) return isNothing(text) ? undefined : { text }
    const own = this.members.get(path)
    if (own !== undefined) return isNothing(own) ? undefined : { text: own, content: path }
    const part = this.#at(path)
    return part === undefined || isNothing(part) ? undefined : { text: part }
  }

  #at(path: string): string | undefined {
    const own = this.members.get(path)
    if (own !== undefined) return own
    const dot = path.lastIndexOf('.')
    if (dot < 0) return undefined
    const before = path.slice(0, dot)
    let members = this.#parsed.get(before)
    if (members === undefined) {
      members = membersOfText(this.#at(before))
      this.#parsed.set(before, members)
    }
    return members.get(path.slice(dot + 1))
  }
}

function textOf(json: string): string {
  return json.startsWith('"') ? (JSON.parse(json) as string) : json
}

function isNothing(text: string): boolean {
  return text === '' || text === '-' || text === 'null'
}

/** Members of an object, or elements of a list by their number. Numbers keep their digits. */
function membersOfText(json: string | undefined): Members {
  const list = json?.startsWith('[')
  if (json === undefined || !(list || json.startsWith('{'))) return new Map()
  try {
    const value: unknown = JSON.parse(json)
    if (!Array.isArray(value)) return new Map(membersOf(JSON.stringify(value) === json ? json : compact(json)))
    return new Map(value.map((each, i) => [String(i), typeof each === 'string' ? each : JSON.stringify(each)]))
  } catch {
    return new Map() // a text that only begins like JSON
  }
}

function compact(json: string): string {
  return json.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, text: string | undefined) => text ?? '')
}
