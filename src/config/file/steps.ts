import { nearest } from '../../core/nearest.ts'
import type { JsonStep, OnFailure, Step } from '../../routing/step.ts'
import { LINE_SHAPES } from '../../routing/step.ts'
import type { TimeFormat } from '../../routing/time-format.ts'
import { isZone, NAMED_FORMATS, parseTimeFormat } from '../../routing/time-format.ts'
import { boolean, matching, choice as oneOf } from '../parsers.ts'
import { auditPolicy, docker } from './container-steps.ts'
import { geoipIn } from './geoip-step.ts'
import { grokIn } from './grok-step.ts'
import type { Described, TextParser } from './shape.ts'
import {
  choice,
  defaulting,
  descriptionOf,
  isMap,
  list,
  made,
  map,
  misshapen,
  named,
  oneOrList,
  optional,
  Refusal,
  required,
  text,
} from './shape.ts'
import type { Draft, StepFiles } from './step-parts.ts'
import { anyText, field, fieldKey, onFailureKey, onlyFields, parsedBy, path, template } from './step-parts.ts'
import { lowercase, replace } from './text-steps.ts'

/** The steps of a shape. */
export function stepsOf(files: StepFiles, drafts: readonly Draft[] = [], byDefault: OnFailure = 'keep'): Step[] {
  return drafts.map((draft) => draft(byDefault, files))
}

const characters = matching(/./s, 'one character at least')

const timeFormat: TextParser<TimeFormat> = {
  allowed: `${NAMED_FORMATS.join(', ')}; or letters such as yyyy-MM-dd'T'HH:mm:ss.SSSZ`,
  parse: (value) => parsedBy(parseTimeFormat(value)),
}

const zone: TextParser<string> = {
  allowed: 'name of a time zone, such as Asia/Shanghai',
  parse: (value) => (isZone(value) ? { value } : { refused: 'is no time zone' }),
}

const contents = oneOrList(field('Name of a content, or `*` for all.'), { doc: 'The contents.' })

const json = {
  short: made(
    contents,
    (names): Draft =>
      (onFailure) => ({ ...jsonOf(names), into: 'value', required: false, onFailure }),
  ),
  long: made(
    map(
      {
        field: required(contents),
        into: defaulting(
          'value',
          text(oneOf('value', 'merge'), {
            doc: '`value` puts the JSON where its text was. `merge` lifts the members of the object into the log and removes the field.',
          }),
        ),
        required: defaulting(
          'false',
          text(boolean, { doc: 'Whether a value that is no JSON object or array is a failure.' }),
        ),
        on_failure: onFailureKey,
      },
      { doc: 'The same, with options.' },
    ),
    ({ field: names, into, required: needed, on_failure }): Draft =>
      (byDefault) => ({ ...jsonOf(names), into, required: needed, onFailure: on_failure ?? byDefault }),
  ),
}

function jsonOf(names: readonly string[]): Pick<JsonStep, 'name' | 'fields'> {
  return { name: 'json', fields: names.includes('*') ? '*' : names }
}

/** Each step is a map with one key. This is what stands behind the key. Some name files, which start at a folder. */
const stepsIn = (folder: string): Readonly<Record<Step['name'], Described<Draft>>> => ({
  json: choice([json.short, json.long], (input) => (isMap(input) ? json.long : json.short), {
    doc: 'Contents whose text is a JSON object or array are sent as JSON, byte for byte but for white space.',
    example: '[event, detail]',
  }),
  parse: made(
    map(
      {
        field: required(text(path, { doc: 'Where the line stands.', example: 'content' })),
        as: required(text(oneOf(...LINE_SHAPES), { doc: 'Shape of the line.', example: 'syslog' })),
        prefix: defaulting('', text(anyText, { doc: 'Stands before the names of the fields.', example: 'http.' })),
        on_failure: onFailureKey,
      },
      { doc: 'Makes fields of a line. The line stays.', example: '{field: content, as: apache_combined}' },
    ),
    ({ field: from, as, prefix, on_failure }): Draft =>
      (byDefault) => ({ name: 'parse', field: from, as, prefix, onFailure: on_failure ?? byDefault }),
  ),
  grok: grokIn(folder),
  geoip: geoipIn(folder),
  kv: made(
    map(
      {
        field: required(text(path, { doc: 'Where the text stands.', example: 'message' })),
        prefix: defaulting('', text(anyText, { doc: 'Stands before the keys.', example: 'pam.' })),
        include_keys: optional(onlyFields('The only keys to take.')),
        field_split: optional(
          text(characters, {
            doc: 'Characters between pairs, each of them alone. Without it: blanks.',
            example: '"|"',
          }),
        ),
        value_split: defaulting(
          '=',
          text(characters, { doc: 'Characters between a key and its value.', example: '":"' }),
        ),
        on_failure: onFailureKey,
      },
      {
        doc: 'Makes fields of the pairs `key=value` in a text.',
        example: '{field: message, include_keys: [rhost, user]}',
      },
    ),
    (given): Draft =>
      (byDefault) => ({
        name: 'kv',
        field: given.field,
        prefix: given.prefix,
        ...(given.include_keys === undefined ? {} : { includeKeys: new Set(given.include_keys) }),
        fieldSplit: given.field_split ?? ' \t\r\n',
        valueSplit: given.value_split,
        onFailure: given.on_failure ?? byDefault,
      }),
  ),
  time: made(
    map(
      {
        field: required(text(path, { doc: 'Where the time stands.', example: 'event.eventTime' })),
        format: required(
          oneOrList(text(timeFormat, { doc: 'How it is written.', example: 'iso8601' }), {
            doc: 'Formats, tried in this order. One has to match the whole value.',
          }),
        ),
        zone: defaulting('UTC', text(zone, { doc: 'Zone of times that do not say theirs.', example: 'Asia/Shanghai' })),
        on_failure: onFailureKey,
      },
      { doc: 'Takes the time of the event from a field.', example: '{field: event.eventTime, format: [iso8601]}' },
    ),
    ({ field: from, format: formats, zone: inZone, on_failure }): Draft =>
      (byDefault) => ({ name: 'time', field: from, formats, zone: inZone, onFailure: on_failure ?? byDefault }),
  ),
  rename: made(
    named(fieldKey, field('The new name.'), {
      doc: 'New names by old names. A content that has the new name already is replaced.',
      example: '{usr: user}',
    }),
    (names): Draft =>
      () => ({ name: 'rename', names }),
  ),
  remove: made(
    onlyFields('Contents and tags (`__tag__:K`) to leave out.'),
    (names): Draft =>
      () => ({ name: 'remove', fields: new Set(names) }),
  ),
  keep: made(
    onlyFields('Contents to keep; the others are left out. Topic, source and tags stay.'),
    (names): Draft =>
      () => ({ name: 'keep', fields: new Set(names) }),
  ),
  add: made(
    named(fieldKey, text(template, { doc: 'The value, with `{field}` where a value of the log is put in.' }), {
      doc: 'Contents to add.',
      example: '{site: hangzhou, who: "{event.userName}"}',
    }),
    (values): Draft =>
      () => ({ name: 'add', values }),
  ),
  replace,
  lowercase,
  k8s_audit_policy: auditPolicy,
  docker,
  raw: made(
    field('The event is the text of this content alone.'),
    (name): Draft =>
      () => ({ name: 'raw', field: name }),
  ),
})

/** Steps whose relative paths start at this folder. */
export function shapeIn(folder: string): Described<readonly Draft[] | undefined> {
  const steps = new Map(
    Object.entries(stepsIn(folder)).map(([name, value]) => {
      const { doc, example } = descriptionOf(value)
      const step = map({ [name]: required(value) }, { doc, ...(example && { example: `{${name}: ${example}}` }) })
      return [name, made(step, (given) => given[name] as Draft)]
    }),
  )
  const step = choice([...steps.values()], (input) => chosenStep(input, steps), {
    doc: 'One step: a map with one key.',
  })
  return optional(list(step, { doc: 'Steps, from first to last.', example: '[{json: event}]' }))
}

function chosenStep(input: unknown, steps: ReadonlyMap<string, Described<Draft>>): Described<Draft> | Refusal {
  const allowed = `a map with one of ${[...steps.keys()].join(', ')}`
  if (!isMap(input)) return misshapen('is no step', allowed)
  const keys = Object.keys(input)
  if (keys.length > 1) {
    return new Refusal(`has several keys: ${keys.join(', ')}`, 'one key: each step is an element of the list')
  }
  const [key = ''] = keys
  const known = steps.get(key)
  if (known !== undefined) return known
  const meant = nearest(key, steps.keys())
  return new Refusal(
    `${key === '' ? 'an empty map' : key} is no step${meant ? `; did you mean ${meant}?` : ''}`,
    allowed,
  )
}
