import type { Path } from '../../routing/path.ts'
import type { Step, TimeStep } from '../../routing/step.ts'
import { isOfGroup } from '../reference/log.ts'
import { zoneNamed } from '../reference/zone.ts'
import { dockerWords } from './docker.ts'
import type { Graph, Origin } from './graph.ts'
import type { Image } from './image.ts'
import {
  ACTION_IS_JSON,
  ACTION_SKIPS,
  ACTION_WRITES,
  ACTION_WRITES_TEMPLATE,
  ACTION_WRITES_TEXT,
  NO_KEY,
  TIME_SIZE,
  ZONE_CHANGES,
  ZONE_IS_STEADY,
  ZONE_IS_UTC,
} from './memory-layout.ts'
import type { Filling } from './templates.ts'
import { fillingOf, insideOf, templateWords } from './templates.ts'
import { Unsupported } from './unsupported.ts'

/** What becomes of a content. */
interface Fate {
  kind: typeof ACTION_WRITES | typeof ACTION_SKIPS | typeof ACTION_IS_JSON | typeof ACTION_WRITES_TEXT
  /** Its key in the event. */
  name: string
  text: Filling
}

interface Added {
  readonly name: string
  readonly text: Filling
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
  readonly #times: number[] = []
  #raw: Origin | undefined
  #docker: { readonly at: number; readonly more: number } | undefined
  readonly #image: Image
  readonly #graph: Graph

  /** The times of the first `known` steps are read before the routes. */
  constructor(steps: readonly Step[], { image, graph, known = 0 }: { image: Image; graph: Graph; known?: number }) {
    this.#image = image
    this.#graph = graph
    for (const name of steps.flatMap(namesIn)) {
      if (isOfGroup(name)) throw new Unsupported(`a step for ${name}`)
      this.#fates.set(name, { kind: ACTION_WRITES, name, text: '' })
    }
    for (const [index, step] of steps.entries()) {
      if (step.name === 'time') this.#time(step, index < known)
      else this.#apply(step)
    }
    for (const key of this.#fates.keys()) graph.key(key)
  }

  /** Words of the times that it reads. */
  get times(): readonly number[] {
    return this.#times
  }

  /** Whether it changes nothing but the time. */
  get isEmpty(): boolean {
    return (
      this.#fates.size + this.#added.length === 0 &&
      this.#others === ACTION_WRITES &&
      this.#raw === undefined &&
      !this.#docker
    )
  }

  /** The contents that have a name behind the last step. */
  readonly originsOf = (name: string): Origin[] => {
    if (this.#added.some((added) => added.name === name)) throw new Unsupported('a field that a step added')
    if (!this.#fates.has(name)) return this.#others === ACTION_SKIPS ? [] : [originOf(name, this.#others)]
    return [...this.#fates].flatMap(([key, { kind, name: now }]) =>
      now === name && kind !== ACTION_SKIPS ? [originOf(key, kind)] : [],
    )
  }

  readonly #operandOf = (path: Path): number => this.#graph.operand(path, this.originsOf)

  #time({ field, formats, zone }: TimeStep, isKnown: boolean): void {
    const names = formats.map(({ name }) => name)
    // No text has two of the formats that have names.
    const surely = names.includes('pattern') ? names.slice(0, names.indexOf('pattern')) : names
    const known = KERNEL_FORMATS.map((name) => surely.includes(name))
    if (!known.includes(true)) throw new Unsupported(`time, ${names.join(', ')}`)
    const words = [this.#operandOf(field), ...known.map(Number), ...zoneWords(zone)]
    if (!isKnown) this.#times.push(...words)
  }

  #apply(step: Exclude<Step, TimeStep>): void {
    if (this.#raw !== undefined) throw new Unsupported(`${step.name} behind raw`)
    if (this.#docker !== undefined) throw new Unsupported(`${step.name} behind docker`)
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
    else if (step.name === 'add') {
      const texts = [...step.values].map(
        ([name, template]) => [name, fillingOf(template, this.#image, this.#operandOf)] as const,
      )
      for (const [name, text] of texts) this.#add(name, text)
    } else if (step.name === 'raw') {
      const [one, ...more] = isOfGroup(step.field) ? [] : this.originsOf(step.field)
      if (isOfGroup(step.field) || more.length > 0) throw new Unsupported(`raw of ${step.field}`)
      this.#raw = one
    } else if (step.name === 'docker') {
      const [line, ...more] = this.originsOf('content')
      if (line === undefined || more.length > 0 || line.becomesJson) throw new Unsupported('docker behind other steps')
      this.#docker = dockerWords(step, this.#graph.key(line.key), this.#image, this.#operandOf)
    } else throw new Unsupported(step.name)
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

  #add(name: string, text: Filling): void {
    const [one, ...more] = [...this.#fates].filter(([, fate]) => fate.name === name && fate.kind !== ACTION_SKIPS)
    if (more.length > 0 || this.#added.some((added) => added.name === name))
      throw new Unsupported('add of a name twice')
    if (one !== undefined) Object.assign(one[1], { kind: ACTION_WRITES_TEXT, text })
    this.#added.push({ name, text, unless: one?.[0] })
  }

  /** Puts the shape into the image. `keys`: all keys of the program, by number. Returns its address, and how many bytes it may add. */
  words(image: Image, keys: readonly string[]): { at: number; more: number } {
    let more = this.#docker?.more ?? 0
    const text = (value: string): number[] => {
      const bytes = Buffer.from(value)
      more += bytes.length
      return [image.text(bytes), bytes.length]
    }
    const numberOf = (key: string): number => keys.indexOf(key)
    const filled = (value: Filling): [text: string, template: number] =>
      typeof value === 'string' ? [value, 0] : ['', templateWords(value, image)]
    const actions = keys.flatMap((key) => {
      const fate = this.#fates.get(key)
      if (fate === undefined) return [this.#others, 0, 0, 0, 0]
      const piece = fate.name === key ? [0, 0] : text(pieceOf(fate.name))
      if (fate.kind !== ACTION_WRITES_TEXT) return [fate.kind, ...piece, 0, 0]
      const [value, template] = filled(fate.text)
      return template === 0 ? [fate.kind, ...piece, ...text(value)] : [ACTION_WRITES_TEMPLATE, ...piece, template, 0]
    })
    const added = this.#added.flatMap(({ name, text: filling, unless }) => {
      const [value, template] = filled(filling)
      return [unless === undefined ? NO_KEY : numberOf(unless), ...text(`${pieceOf(name)}${value}`), template]
    })
    const at = image.words([
      ...[image.words(actions), image.words([this.#others, 0, 0, 0, 0])],
      ...[image.words(this.#conflicts.flat().map(numberOf)), this.#conflicts.length],
      ...[image.words(added), this.#added.length, image.words(this.#times), this.#times.length / TIME_SIZE],
      ...[this.#raw === undefined ? NO_KEY : numberOf(this.#raw.key), Number(this.#raw?.becomesJson ?? false)],
      this.#docker?.at ?? 0,
    ])
    return { at, more }
  }
}

/** In the order of their places in memory-layout.ts. */
const KERNEL_FORMATS = ['iso8601', 'epoch', 'apache', 'syslog'] as const

function zoneWords(zone: string): [known: number, offset: number] {
  if (zone === 'UTC') return [ZONE_IS_UTC, 0]
  const offset = zoneNamed(zone)?.steadyOffset
  return offset === undefined ? [ZONE_CHANGES, 0] : [ZONE_IS_STEADY, offset]
}

/** A text that a step added is not looked into. */
function jsonOf(kind: Fate['kind']): Fate['kind'] {
  return kind === ACTION_WRITES ? ACTION_IS_JSON : kind
}

function namesIn(step: Step): readonly string[] {
  if (step.name === 'json') return step.fields === '*' ? [] : step.fields
  if (step.name === 'remove' || step.name === 'keep') return [...step.fields]
  if (step.name === 'rename') return [...step.names].flat()
  if (step.name === 'raw') return isOfGroup(step.field) ? [] : [step.field]
  return step.name === 'add' ? [...step.values.keys()] : []
}

function originOf(key: string, kind: Fate['kind']): Origin {
  return { key, becomesJson: kind === ACTION_IS_JSON }
}

/** Stands between the value before it and its own. */
function pieceOf(name: string): string {
  return `","${insideOf(name)}":"`
}
