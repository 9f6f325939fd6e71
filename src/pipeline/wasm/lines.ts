import type { LineShape, ParseStep, Step } from '../../routing/step.ts'
import { isOfGroup } from '../reference/log.ts'
import type { Graph } from './graph.ts'
import type { Image } from './image.ts'
import {
  LINE_IS_APACHE_COMBINED,
  LINE_IS_APACHE_COMMON,
  LINE_IS_IPTABLES,
  LINE_IS_SYSLOG,
  LINE_IS_SYSLOG_3164,
  LINE_IS_SYSLOG_5424,
  PREFIX_BYTES,
} from './memory-layout.ts'
import { Unsupported } from './unsupported.ts'

/** Names of fields, in the order of their places in memory-layout.ts. */
const ACCESS = 'clientip ident auth timestamp verb request httpversion rawrequest response bytes referrer agent'.split(
  ' ',
)
const SYSLOG = 'priority timestamp host program pid msgid message'.split(' ')

/** Shapes of lines that the kernel reads. */
const SHAPES: { readonly [shape in LineShape]?: readonly [code: number, names: readonly string[]] } = {
  apache_common: [LINE_IS_APACHE_COMMON, ACCESS],
  apache_combined: [LINE_IS_APACHE_COMBINED, ACCESS],
  nginx_combined: [LINE_IS_APACHE_COMBINED, ACCESS],
  syslog: [LINE_IS_SYSLOG, SYSLOG],
  syslog_3164: [LINE_IS_SYSLOG_3164, SYSLOG],
  syslog_5424: [LINE_IS_SYSLOG_5424, SYSLOG],
  iptables: [LINE_IS_IPTABLES, []],
}

/** The steps with which a shape begins that make fields of lines, and the others. */
export function splitParses(steps: readonly Step[]): [parses: readonly ParseStep[], others: readonly Step[]] {
  const isParse = (step: Step): step is ParseStep => step.name === 'parse'
  const first = steps.findIndex((step) => !isParse(step))
  const count = first === -1 ? steps.length : first
  return [steps.slice(0, count).filter(isParse), steps.slice(count)]
}

/** Words of the lines that these steps read. The fields are contents for all that follows. */
export function parseWords(parses: readonly ParseStep[], image: Image, graph: Graph): number[] {
  return parses.flatMap(({ field, as, prefix }) => {
    const [code, names] = SHAPES[as] ?? []
    if (code === undefined || names === undefined) throw new Unsupported(`parse, ${as}`)
    const [reading, ...more] = field.readings
    const isContent = reading?.of === 'content' && reading.rest.length === 0 && !reading.key.startsWith('@')
    if (reading === undefined || more.length > 0 || !isContent) throw new Unsupported(`parse of ${field.text}`)
    const before = Buffer.from(prefix)
    if (isOfGroup(`${prefix}x`) || before.length > PREFIX_BYTES)
      throw new Unsupported(`parse with the prefix ${prefix}`)
    const keys = names.map((name) => graph.key(`${prefix}${name}`))
    return [graph.key(reading.key), code, image.words(keys), image.text(before), before.length]
  })
}
