import { replaceAll } from '../../routing/replacement.ts'
import type { LowercaseStep, OnFailure, ReplaceStep } from '../../routing/step.ts'
import type { Log, Members } from './log.ts'
import { textOf, textValue } from './log.ts'

/** A value that is JSON becomes text where something in it is replaced. */
export function replace(log: Log, { field, replacement, onFailure }: ReplaceStep): Log | OnFailure {
  const value = log.members.get(field)
  const text = value && textOf(value)
  if (text === undefined) return log
  const replaced = replaceAll(text, replacement)
  if (replaced === undefined) return onFailure
  return replaced === text ? log : { ...log, members: new Map(log.members).set(field, textValue(replaced)) }
}

/** JSON stays JSON: numbers and escapes mean the same in small letters. */
export function lowercased(members: Members, { fields }: LowercaseStep): Members {
  const result = new Map(members)
  for (const field of fields) {
    const value = members.get(field)
    if (value === undefined) continue
    const isString = value.isJson && value.bytes[0] === QUOTE
    if (isString) result.set(field, textValue(lower(textOf(value) ?? '')))
    else result.set(field, { ...value, bytes: Buffer.from(lower(value.bytes.toString('latin1')), 'latin1') })
  }
  return result
}

const QUOTE = 0x22

function lower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
