import type { AuditPolicy } from '../../routing/audit-policy.ts'
import type { Path } from '../../routing/path.ts'
import { parsePath } from '../../routing/path.ts'
import type { OnFailure, Step } from '../../routing/step.ts'
import { ON_FAILURE } from '../../routing/step.ts'
import type { Template } from '../../routing/template.ts'
import { parseTemplate } from '../../routing/template.ts'
import { matching, choice as oneOf } from '../parsers.ts'
import type { TextParser } from './shape.ts'
import { oneOrList, optional, text } from './shape.ts'

/** A step, once it is known what becomes of a log where the step itself does not say, and what its files hold. */
export type Draft = (byDefault: OnFailure, files: StepFiles) => Step

/** By their paths as they are written. */
export interface StepFiles {
  readonly policies: ReadonlyMap<string, AuditPolicy>
}

/** Any key of a log. */
export const fieldKey = matching(/^[^\0]+$/, 'name of a field')

export const anyText: TextParser<string> = { allowed: 'any text', parse: (value) => ({ value }) }

/** Of a file or folder. */
export const filePath = matching(
  /^[^\0]+$/,
  'path, which starts at the folder of the configuration file if it is relative',
)

export const path: TextParser<Path> = {
  allowed: 'field, or path into its JSON: event.user.name, event["a.b"][0], __tag__:K',
  parse: (value) => parsedBy(parsePath(value)),
}

export const template: TextParser<Template> = {
  allowed: 'text, with {field} or {path.into.json} where a value of the log is put in; {{ and }} for braces',
  parse: (value) => parsedBy(parseTemplate(value)),
}

/** What a parser of `src/routing/` answers, as that of a setting would. */
export function parsedBy<R extends object>(result: R): ReturnType<TextParser<Exclude<R, Problem>>['parse']> {
  if (!('problem' in result)) return { value: result as Exclude<R, Problem> }
  const { problem, offset } = result as unknown as Problem
  return { refused: problem, offset }
}

type Problem = { readonly problem: string; readonly offset: number }

export const onFailureKey = optional(
  text(oneOf(...ON_FAILURE), {
    doc: 'What becomes of a log when a step fails: it goes on as it was (`keep`), is dropped and counted, or goes to the dead letter.',
    default: 'keep',
  }),
)

export const field = (doc: string) => text(fieldKey, { doc })
export const onlyFields = (doc: string) => oneOrList(field('Name of a field.'), { doc })
