import type { Path } from '../../routing/path.ts'
import type { Template } from '../../routing/template.ts'
import type { Log } from './log.ts'
import { valueAt } from './path-value.ts'

/** The text with its values. An absent one is empty. */
export function fill({ parts }: Template, log: Log): string {
  return parts.map((part) => (typeof part === 'string' ? part : (textAt(part, log) ?? ''))).join('')
}

/** The value of a path as text; of a list its elements with commas between. `undefined` if it is absent. */
export function textAt(path: Path, log: Log): string | undefined {
  return valueAt(path, log)?.texts.join(',')
}
