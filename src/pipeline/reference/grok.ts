import type { GrokShape, GrokStep, OnFailure } from '../../routing/step.ts'
import type { Fields } from '../lines/line.ts'
import { Told } from '../lines/line.ts'
import type { Log } from './log.ts'
import { lineAt, NOT_TEXT, PARSERS, withFields } from './parse.ts'

/** A value that is empty is no field. Of a name that stands twice the second is `name_2`. */
export function grok(log: Log, { field, match, onFailure }: GrokStep): Log | OnFailure {
  const line = lineAt(field, log)
  if (line === undefined) return log
  if (line === NOT_TEXT) return onFailure
  for (const pattern of match) {
    const fields = 'as' in pattern ? shapeFields(line, pattern) : patternFields(line, pattern)
    if (fields !== undefined) return { ...log, members: withFields(log.members, fields, '') }
  }
  return onFailure
}

function patternFields(line: string, pattern: GrokShape['grok']): Fields | undefined {
  const found = pattern.match(line)
  if (found === undefined) return undefined
  const told = new Told()
  for (const [name, value] of found) told.put(name, value)
  return told.fields
}

function shapeFields(line: string, { as, names, grok: pattern }: GrokShape): Fields | undefined {
  const parsed = PARSERS[as](line)
  if (parsed === undefined || !isSurely(parsed)) return patternFields(line, pattern)
  const fields = new Map<string, string>()
  for (const [own, value] of parsed) {
    const name = names === undefined ? own : names.get(own)
    const isTold = value !== '' && (names === undefined || value !== '-')
    if (name !== undefined && isTold) fields.set(name, value)
  }
  return fields
}

/** Parsers take more for a host and for users than patterns do, such as a word that a program wrote in front of the line. */
function isSurely(parsed: Fields): boolean {
  const word = (name: string): boolean => /^[\w.:@+=-]+$/.test(parsed.get(name) ?? '')
  return !parsed.get('clientip')?.includes('_') && word('clientip') && word('ident') && word('auth')
}
