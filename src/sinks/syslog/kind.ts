import type { Fields, Found } from './fields.ts'
import type { Product, Severity } from './products.ts'
import { LEVELS, PRODUCTS, UNKNOWN_SEVERITY } from './products.ts'

export const UNKNOWN: Product = { name: 'Log Service', topics: [], columns: [], severities: [] }

/** The product and kind of a log, by the table of products. */
export interface Kind {
  readonly product: string
  readonly eventClass: string
  readonly eventName: string
  readonly severity: Severity
  readonly columns: Product['columns']
  readonly fields: Fields
  /** The first of the fields that the log has. */
  find(paths: readonly string[]): Found | undefined
}

export function kindOf(fields: Fields): Kind {
  const topic = fields.members.get('__topic__') ?? ''
  const product = candidates(topic).find((each) => isOf(each, topic, fields)) ?? UNKNOWN
  const find = (paths: readonly string[]): Found | undefined => {
    for (const path of paths) {
      const found = fields.find(path, product.inside)
      if (found !== undefined) return found
    }
    return undefined
  }
  const eventClass = find(product.eventClass ?? [])?.text ?? (topic || 'log')
  const eventName = find(product.eventName ?? [])?.text ?? eventClass
  const { name, columns } = product
  return { product: name, eventClass, eventName, columns, fields, severity: severityOf(product, find), find }
}

/** Products of which a log with this topic may be, by topic. */
const byTopic = new Map<string, readonly Product[]>()
const MOST_TOPICS = 1_024

export function candidates(topic: string): readonly Product[] {
  let products = byTopic.get(topic)
  if (products === undefined) {
    products = PRODUCTS.filter((each) => each.has !== undefined || hasTopic(each, topic))
    if (byTopic.size === MOST_TOPICS) byTopic.clear()
    byTopic.set(topic, products)
  }
  return products
}

function isOf(product: Product, topic: string, fields: Fields): boolean {
  const { has, inside } = product
  return hasTopic(product, topic) || (has?.every((path) => fields.find(path, inside) !== undefined) ?? false)
}

export function hasTopic({ topics }: Product, topic: string): boolean {
  return topics.some((known) => (known.endsWith('*') ? topic.startsWith(known.slice(0, -1)) : topic === known))
}

function severityOf({ severities }: Product, find: Kind['find']): Severity {
  const matches = ([path, pattern]: [string, RegExp]): boolean => pattern.test(find([path])?.text ?? '')
  const rule = severities.find(({ when }) => Object.entries(when).every(matches))
  return rule?.is ?? LEVELS[levelOf(find(LEVEL_FIELDS)?.text)] ?? UNKNOWN_SEVERITY
}

/** Where a log says its own level. */
export const LEVEL_FIELDS = ['priority', 'severity', 'level'] as const

const WORDS: readonly string[] = [
  'emergency emerg panic',
  'alert',
  'critical crit',
  'error err',
  'warning warn',
  'notice',
  'informational info',
  'debug',
]

/** A severity of syslog by its name or number; -1 for another word. */
export function levelOf(text: string | undefined): number {
  if (text === undefined) return -1
  if (/^[0-7]$/.test(text)) return Number(text)
  return WORDS.findIndex((words) => words.split(' ').includes(text.toLowerCase()))
}
