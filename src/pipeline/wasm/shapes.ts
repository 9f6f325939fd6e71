import type { Step } from '../../routing/step.ts'
import type { Template } from '../../routing/template.ts'
import { isOfGroup } from '../reference/log.ts'
import type { Image } from './image.ts'
import { ACTION_IS_JSON, ACTION_SKIPS, ACTION_WRITES, ACTION_WRITES_TEXT, ADD_NO_KEY } from './memory-layout.ts'
import { Unsupported } from './unsupported.ts'

/** What becomes of a content. */
interface Fate {
  kind: typeof ACTION_WRITES | typeof ACTION_SKIPS | typeof ACTION_IS_JSON | typeof ACTION_WRITES_TEXT
  /** Its key in the event. */
  name: string
  text: string
}

interface Added {
  readonly name: string
  readonly text: string
  /** The key that has the name already, in whose presence nothing is added. */
  readonly unless: string | undefined
}

/**
 * A shape as it is known before any log: what becomes of each content that its steps name, and of all others. Where two
 * contents of a log would get one name, the kernel leaves the log to the reference.
 */
export class Shape {
  readonly #fates = new Map<string, Fate>()
  #others: Fate['kind'] = ACTION_WRITES
  readonly #conflicts: Array<[one: string, other: string]> = []
  readonly #added: Added[] = []

  constructor(steps: readonly Step[]) {
    for (const name of steps.flatMap(namesIn)) {
      if (isOfGroup(name)) throw new Unsupported(`a step for ${name}`)
      this.#fates.set(name, { kind: ACTION_WRITES, name, text: '' })
    }
    for (const step of steps) this.#apply(step)
  }

  /** Keys of contents that have a fate of their own. */
  get keys(): Iterable<string> {
    return this.#fates.keys()
  }

  #apply(step: Step): void {
    if (this.#added.length > 0 && step.name !== 'add') throw new Unsupported(`${step.name} behind add`)
    if (step.name === 'json') {
      if (step.required || step.into === 'merge')
        throw new Unsupported(step.required ? 'json, required' : 'json, merged')
      const { fields } = step
      if (fields === '*') this.#others = jsonOf(this.#others)
      for (const fate of this.#fates.values()) {
        if (fields === '*' || fields.includes(fate.name)) fate.kind = jsonOf(fate.kind)
      }
    } else if (step.name === 'remove') {
      for (const fate of this.#fates.values()) if (step.fields.has(fate.name)) fate.kind = ACTION_SKIPS
    } else if (step.name === 'keep') {
      this.#others = ACTION_SKIPS
      for (const fate of this.#fates.values()) if (!step.fields.has(fate.name)) fate.kind = ACTION_SKIPS
    } else if (step.name === 'rename') this.#rename(step.names)
    else if (step.name === 'add') for (const [name, template] of step.values) this.#add(name, constantOf(template))
    else throw new Unsupported(step.name)
  }

  #rename(names: ReadonlyMap<string, string>): void {
    const ending = new Map<string, string[]>()
    for (const [key, fate] of this.#fates) {
      if (fate.kind === ACTION_SKIPS) continue
      fate.name = names.get(fate.name) ?? fate.name
      const same = ending.get(fate.name) ?? []
      ending.set(fate.name, [...same, key])
      for (const other of same) this.#conflicts.push([other, key])
    }
  }

  #add(name: string, text: string): void {
    const [one, ...more] = [...this.#fates].filter(([, fate]) => fate.name === name && fate.kind !== ACTION_SKIPS)
    if (more.length > 0 || this.#added.some((added) => added.name === name))
      throw new Unsupported('add of a name twice')
    if (one !== undefined) Object.assign(one[1], { kind: ACTION_WRITES_TEXT, text })
    this.#added.push({ name, text, unless: one?.[0] })
  }

  /** Puts the shape into the image. `keys`: all keys of the program, by number. Returns its address, and how many bytes it may add. */
  words(image: Image, keys: readonly string[]): { at: number; more: number } {
    let more = 0
    const text = (value: string): number[] => {
      const bytes = Buffer.from(value)
      more += bytes.length
      return [image.text(bytes), bytes.length]
    }
    const numberOf = (key: string): number => keys.indexOf(key)
    const actions = keys.flatMap((key) => {
      const fate = this.#fates.get(key)
      if (fate === undefined) return [this.#others, 0, 0, 0, 0]
      const piece = fate.name === key ? [0, 0] : text(pieceOf(fate.name))
      return [fate.kind, ...piece, ...(fate.kind === ACTION_WRITES_TEXT ? text(insideOf(fate.text)) : [0, 0])]
    })
    const added = this.#added.flatMap(({ name, text: value, unless }) => [
      unless === undefined ? ADD_NO_KEY : numberOf(unless),
      ...text(`${pieceOf(name)}${insideOf(value)}`),
    ])
    const at = image.words([
      ...[image.words(actions), image.words([this.#others, 0, 0, 0, 0])],
      ...[image.words(this.#conflicts.flat().map(numberOf)), this.#conflicts.length],
      ...[image.words(added), this.#added.length],
    ])
    return { at, more }
  }
}

/** A text that a step added is not looked into. */
function jsonOf(kind: Fate['kind']): Fate['kind'] {
  return kind === ACTION_WRITES ? ACTION_IS_JSON : kind
}

function namesIn(step: Step): readonly string[] {
  if (step.name === 'json') return step.fields === '*' ? [] : step.fields
  if (step.name === 'remove' || step.name === 'keep') return [...step.fields]
  if (step.name === 'rename') return [...step.names].flat()
  return step.name === 'add' ? [...step.values.keys()] : []
}

function constantOf({ parts }: Template): string {
  return parts
    .map((part) => {
      if (typeof part !== 'string') throw new Unsupported('add with a value of the log')
      return part
    })
    .join('')
}

/** Stands between the value before it and its own. */
function pieceOf(name: string): string {
  return `","${insideOf(name)}":"`
}

function insideOf(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}
