import { isUtf8 } from 'node:buffer'
import type { DockerStep } from '../../routing/step.ts'
import type { TagField, TagFunction, TagTemplate } from '../../routing/tag-template.ts'
import { compactValue } from './json.ts'
import type { Log } from './log.ts'
import { jsonValue, textOf, textValue } from './log.ts'

/** The event that Docker's splunk driver makes of a line of a container. A log without a line stays as it is. */
export function docker(log: Log, { format, tag, attrs }: DockerStep): Log {
  const line = log.members.get('content')
  if (line === undefined) return log
  const text = textOf(line) ?? ''
  const filled = tagOf(tag, log)
  // Go writes the keys of a map in the order of their bytes.
  const found = [...attrs]
    .flatMap(([name, field]) => pair(name, fieldOf(log, field)))
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  if (format === 'raw') {
    if (text.trim() === '') return { ...log, fate: 'drop', reason: 'blank_line' }
    const before = [...(filled === '' ? [] : [filled]), ...found.map(([name, value]) => `${name}=${value}`)]
    return { ...log, raw: textValue([...before, text].join(' ')) }
  }
  const json = format === 'json' && isUtf8(line.bytes) ? compactValue(text) : undefined
  const members = [
    `"line":${json ?? JSON.stringify(text)}`,
    `"source":${JSON.stringify(fieldOf(log, '_source_') ?? '')}`,
    ...(filled === '' ? [] : [`"tag":${JSON.stringify(filled)}`]),
    ...(found.length === 0 ? [] : [`"attrs":{${found.map(([name, value]) => member(name, value)).join(',')}}`]),
  ]
  return { ...log, raw: jsonValue(`{${members.join(',')}}`) }
}

function member(name: string, value: string): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}

function pair(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]]
}

/** Collectors write what they know of a container as contents or as tags. */
function fieldOf({ members }: Log, key: string): string | undefined {
  const value = members.get(key) ?? members.get(`__tag__:${key}`)
  return value && textOf(value)
}

function tagOf({ parts }: TagTemplate, log: Log): string {
  return parts
    .map((part) => (typeof part === 'string' ? part : part.functions.reduce(applied, tagValue(part.field, log))))
    .join('')
}

function tagValue(field: TagField, log: Log): string {
  switch (field) {
    case 'ID':
      return fieldOf(log, '_container_id_')?.slice(0, 12) ?? ''
    case 'FullID':
      return fieldOf(log, '_container_id_') ?? ''
    case 'Name':
      return fieldOf(log, '_container_name_') ?? ''
    case 'ImageName':
      return fieldOf(log, '_image_name_') ?? ''
    case 'DaemonName':
      return 'docker'
  }
}

function applied(text: string, wanted: TagFunction): string {
  switch (wanted.name) {
    case 'lower':
      return text.toLowerCase()
    case 'upper':
      return text.toUpperCase()
    case 'truncate':
      return Buffer.from(text).subarray(0, wanted.bytes).toString()
  }
}
