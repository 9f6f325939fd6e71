import type { Path } from '../../routing/path.ts'
import type { DockerStep } from '../../routing/step.ts'
import type { TagField, TagTemplate } from '../../routing/tag-template.ts'
import { isOfGroup } from '../reference/log.ts'
import type { Image } from './image.ts'
import { ATTR_SIZE, DOCKER_IS_INLINE, DOCKER_IS_JSON, DOCKER_IS_RAW, TAG_SIZE } from './memory-layout.ts'
import { insideOf } from './templates.ts'
import { Unsupported } from './unsupported.ts'

const FORMATS = { inline: DOCKER_IS_INLINE, json: DOCKER_IS_JSON, raw: DOCKER_IS_RAW } as const

/** The content or tag that a field of a tag is, and how many bytes of it. */
const FIELDS: Readonly<Record<Exclude<TagField, 'DaemonName'>, readonly [key: string, bytes: number]>> = {
  ID: ['_container_id_', 12],
  FullID: ['_container_id_', 0xffffffff],
  Name: ['_container_name_', 0xffffffff],
  ImageName: ['_image_name_', 0xffffffff],
}

/** Address of the words for the step, and the most bytes that its own texts have. `lineKey`: number of the content. */
export function dockerWords(
  { format, tag, attrs }: DockerStep,
  lineKey: number,
  image: Image,
  operandOf: (path: Path) => number,
): { at: number; more: number } {
  let more = 64
  const text = (value: string): [at: number, length: number] => {
    const bytes = Buffer.from(insideOf(value))
    more += bytes.length + 2
    return [image.text(bytes), bytes.length]
  }
  const operand = (key: string): number => {
    if (isOfGroup(key)) throw new Unsupported(`docker with ${key}`)
    return operandOf({
      text: key,
      readings: [
        { of: 'content', key, rest: [] },
        { of: 'tag', key, rest: [] },
      ],
    })
  }
  const parts = tag.parts.flatMap((part) => partWords(part, { text, operand }))
  // Go writes the keys of a map in the order of their bytes.
  const sorted = [...attrs].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const pairs = sorted.flatMap(([name, key]) => {
    const before = format === 'raw' ? insideOf(`${name}=`) : `${JSON.stringify(name)}:"`
    const bytes = Buffer.from(before)
    more += bytes.length + 3
    return [operand(key), image.text(bytes), bytes.length]
  })
  const at = image.words([
    ...[lineKey, FORMATS[format], operand('_source_')],
    ...[image.words(parts), parts.length / TAG_SIZE, image.words(pairs), pairs.length / ATTR_SIZE],
  ])
  return { at, more }
}

function partWords(
  part: TagTemplate['parts'][number],
  to: { text: (value: string) => [number, number]; operand: (key: string) => number },
): number[] {
  if (typeof part === 'string') return [0, ...to.text(part)]
  if (part.functions[0]) throw new Unsupported(`docker, ${part.functions[0].name}`)
  if (part.field === 'DaemonName') return [0, ...to.text('docker')]
  const [key, bytes] = FIELDS[part.field]
  return [to.operand(key), 0, bytes]
}
