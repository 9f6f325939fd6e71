import type { Log } from '../../../src/pipeline/reference/log.ts'
import { factsOf, readLog } from '../../../src/pipeline/reference/log.ts'
import { LogGroup, logGroupsOf } from '../../../src/pipeline/reference/log-group.ts'
import type { Names } from '../../../src/routing/condition.ts'
import { parseCondition } from '../../../src/routing/condition.ts'
import type { Expression } from '../../../src/routing/expression.ts'
import type { Path } from '../../../src/routing/path.ts'
import { parsePath } from '../../../src/routing/path.ts'
import type { TextProblem } from '../../../src/routing/scanner.ts'
import type { Template } from '../../../src/routing/template.ts'
import { parseTemplate } from '../../../src/routing/template.ts'
import { position } from './encode-all.ts'
import type { Field } from './wire.ts'
import { content, group, list, log } from './wire.ts'

const NO_NAMES: Names = { macros: new Map(), lists: new Map() }

export function expressionOf(text: string, names = NO_NAMES): Expression {
  const condition = parseCondition(text, names)
  if ('problem' in condition) throw new Error(`${text} ${condition.offset + 1}: ${condition.problem}`)
  return condition.expression
}

export function pathOf(text: string): Path {
  return accepted(parsePath(text))
}

export function templateOf(text: string): Template {
  return accepted(parseTemplate(text))
}

function accepted<T extends object>(result: T | TextProblem): T {
  if ('problem' in result) throw new Error(result.problem)
  return result
}

/** A log of these fields on the wire, in a group of those. */
export function logOf(fields: readonly Field[], groupFields: readonly Field[] = []): Log {
  const [bytes] = logGroupsOf(list(group(log(...fields), ...groupFields)))
  if (bytes === undefined) throw new Error('no group')
  const parsed = new LogGroup(bytes)
  const [first] = parsed.logs()
  if (first === undefined) throw new Error('no log')
  return readLog(factsOf(parsed, position), first, 'override')
}

export function logWith(contents: Readonly<Record<string, string | Uint8Array>>): Log {
  return logOf(Object.entries(contents).map(([key, value]) => content(key, value)))
}
