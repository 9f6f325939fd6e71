import type { Path } from './path.ts'
import { readPath } from './path.ts'
import type { TextProblem } from './scanner.ts'
import { parsed } from './scanner.ts'

/** Text with values of the log in it: `{host}: {event.verb}`. `{{` and `}}` stand for the braces themselves. */
export interface Template {
  readonly text: string
  readonly parts: readonly (string | Path)[]
}

export function parseTemplate(text: string): Template | TextProblem {
  return parsed(text, (scanner) => {
    const parts: (string | Path)[] = []
    while (!scanner.isDone) {
      const literal = scanner.take(/(?:[^{}]|\{\{|\}\})+/y)
      if (literal !== undefined) parts.push(literal.replaceAll('{{', '{').replaceAll('}}', '}'))
      else if (scanner.take(/\{ */y) === undefined)
        scanner.fail("'}' closes nothing; a brace in the text is written '}}'")
      else {
        parts.push(readPath(scanner))
        if (scanner.take(/ *\}/y) === undefined)
          scanner.fail("'}' expected behind the field; a brace in the text is written '{{'")
      }
    }
    return { text, parts }
  })
}

/** The text of a template without paths. */
export function constantOf({ parts }: Template): string | undefined {
  return parts.every((part) => typeof part === 'string') ? parts.join('') : undefined
}
