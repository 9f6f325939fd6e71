import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mayComeLater } from '../../core/errors.ts'
import { readPlainFile } from '../../core/plain-file.ts'
import type { Grok } from '../../routing/grok.ts'
import { parseGrok } from '../../routing/grok.ts'
import type { Definition, Definitions } from '../../routing/grok-expansion.ts'
import { shapeOf } from '../../routing/grok-shapes.ts'
import type { GrokShape } from '../../routing/step.ts'
import { boolean } from '../parsers.ts'
import { withoutPath } from '../problems.ts'
import type { Described } from './shape.ts'
import { checked, defaulting, map, oneOrList, optional, Refusal, required, text } from './shape.ts'
import type { Draft } from './step-parts.ts'
import { anyText, filePath, onFailureKey, path } from './step-parts.ts'

/** Logstash's patterns as they are, and what RE2 has in place of some of them. */
const SHIPPED = fileURLToPath(new URL('../../../patterns/', import.meta.url))

const ALLOWED = 'a grok pattern: %{NAME}, %{NAME:field}, (?<field>…), and the syntax of RE2'

/** `folder` is where relative paths start. */
export function grokIn(folder: string): Described<Draft> {
  return checked(
    map(
      {
        field: required(text(path, { doc: 'Where the line stands.', example: 'content' })),
        match: required(
          oneOrList(text(anyText, { doc: 'A pattern.', example: '"%{COMBINEDAPACHELOG}"' }), {
            doc: 'Patterns, tried in this order.',
          }),
        ),
        patterns_dir: optional(
          oneOrList(text(filePath, { doc: 'Folder with files of your own patterns.', example: 'patterns' }), {
            doc: 'Folders with files of your own patterns. They replace those of the same name.',
          }),
        ),
        ecs: defaulting(
          'false',
          text(boolean, {
            doc: 'Whether fields have the names of the Elastic Common Schema, such as `source.address`.',
          }),
        ),
        on_failure: onFailureKey,
      },
      {
        doc: 'Makes fields of a line by patterns of Logstash. `parse` is much faster where it has the shape.',
        example: '{field: content, match: "%{SYSLOGLINE}"}',
      },
    ),
    ({ field, match, patterns_dir = [], ecs, on_failure }): Draft | Refusal => {
      const shipped = shippedPatterns(ecs ? 'ecs-v1' : 'legacy')
      const definitions = new Map(shipped)
      for (const [index, name] of patterns_dir.entries()) {
        const problem = addFolder(definitions, resolve(folder, name), name)
        if (problem !== undefined)
          return new Refusal(problem.problem, 'a folder with files of patterns', {
            ...problem,
            under: ['patterns_dir', index],
          })
      }
      const patterns: (Grok | GrokShape)[] = []
      for (const [index, written] of match.entries()) {
        const grok = parseGrok(written, definitions)
        if ('problem' in grok)
          return new Refusal(grok.problem, ALLOWED, { offset: grok.offset, under: ['match', index] })
        patterns.push(shapeOf(grok, shipped, ecs) ?? grok)
      }
      return (byDefault) => ({ name: 'grok', field, match: patterns, onFailure: on_failure ?? byDefault })
    },
  )
}

type PatternSet = 'legacy' | 'ecs-v1'
const known = new Map<PatternSet, Definitions>()

/** They are read once, when a file first has the step. */
export function shippedPatterns(set: PatternSet): Definitions {
  const found = known.get(set)
  if (found !== undefined) return found
  const definitions = new Map<string, Definition>()
  for (const folder of [set, 're2/common', `re2/${set}`]) {
    const problem = addFolder(definitions, join(SHIPPED, folder), `patterns/${folder}`)
    if (problem !== undefined) throw new Error(`${folder}: ${problem.problem}`)
  }
  known.set(set, definitions)
  return definitions
}

/** Adds what all files of a folder define, in the order of their names. `shown` is the folder as messages name it. */
function addFolder(
  definitions: Map<string, Definition>,
  folder: string,
  shown: string,
): { readonly problem: string; readonly passing: boolean } | undefined {
  try {
    for (const file of readdirSync(folder).sort()) {
      if (file.startsWith('.')) continue
      for (const [index, line] of readPlainFile(join(folder, file)).split(/\r?\n/).entries()) {
        const [, name, definition] = /^(\w+)\s+(.+)$/.exec(line) ?? []
        if (name !== undefined && definition !== undefined) {
          definitions.set(name, { text: definition, place: `${join(shown, file)}:${index + 1}` })
        }
      }
    }
    return undefined
  } catch (error) {
    return { problem: `cannot be read: ${withoutPath(error)}`, passing: mayComeLater(error) }
  }
}
