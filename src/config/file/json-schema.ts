import { PEERS } from '../setting.ts'
import { fileDescription } from './description.ts'
import type { Described } from './shape.ts'
import { descriptionOf } from './shape.ts'

type JsonSchema = Readonly<Record<string, unknown>>

/** JSON Schema of the configuration file, for editors. */
export function jsonSchema(): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'sls-siem-bridge configuration',
    ...schemaOf(fileDescription(PEERS)),
  }
}

/** Where a `${NAME}` stands, the type of its value is not known yet. */
const INTERPOLATED = { type: 'string', pattern: '\\$\\{' }

function schemaOf(described: Described<unknown>): JsonSchema {
  const { doc, ...description } = descriptionOf(described)
  const about = {
    ...(doc !== '' && { description: doc }),
    ...(description.default !== undefined && !description.default.includes(' ') && { default: description.default }),
  }
  switch (description.kind) {
    case 'text':
      return { ...about, ...textSchema(description.json) }
    case 'map': {
      const keys = Object.entries(description.keys)
      return {
        ...about,
        type: 'object',
        properties: Object.fromEntries(keys.map(([key, value]) => [key, schemaOf(value)])),
        required: keys.filter(([, value]) => descriptionOf(value).required).map(([key]) => key),
        additionalProperties: false,
      }
    }
    case 'named':
      return { ...about, type: 'object', additionalProperties: schemaOf(description.of) }
    case 'list': {
      const items = schemaOf(description.of)
      const array = { type: 'array', items }
      return { ...about, ...(description.orOne ? { anyOf: [array, items] } : array) }
    }
    case 'choice':
      return { ...about, anyOf: description.of.map(schemaOf) }
    case 'anything':
      return about
  }
}

/** Scalars are taken as they are written, so an editor may offer numbers where text is meant. */
function textSchema(json: JsonSchema): JsonSchema {
  if (json['type'] === 'string') return { type: ['string', 'number', 'boolean'] }
  return { anyOf: [json, INTERPOLATED] }
}
