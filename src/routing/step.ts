import type { AuditPolicy } from './audit-policy.ts'
import type { Grok } from './grok.ts'
import type { Path } from './path.ts'
import type { Replacement } from './replacement.ts'
import type { TagTemplate } from './tag-template.ts'
import type { Template } from './template.ts'
import type { TimeFormat } from './time-format.ts'

/** The fate of a log when a step of its shape fails. */
export const ON_FAILURE = ['keep', 'drop', 'dead_letter'] as const
export type OnFailure = (typeof ON_FAILURE)[number]

/**
 * A step of a shape: it makes another log of a log. `name` is the step's key in the configuration. A field is the literal key
 * of a member, tags included (`__tag__:K`); a path and a template may look into JSON.
 */
export type Step =
  | JsonStep
  | ParseStep
  | GrokStep
  | GeoipStep
  | KvStep
  | TimeStep
  | RenameStep
  | RemoveStep
  | KeepStep
  | AddStep
  | ReplaceStep
  | LowercaseStep
  | AuditPolicyStep
  | DockerStep
  | RawStep

export interface JsonStep {
  readonly name: 'json'
  /** `*` is every content. */
  readonly fields: readonly string[] | '*'
  /** `merge` lifts the members of the object into the log. */
  readonly into: 'value' | 'merge'
  /** Whether a value that is no JSON object or array is a failure. */
  readonly required: boolean
  readonly onFailure: OnFailure
}

/** Shapes of lines that have a parser. */
export const LINE_SHAPES = [
  'apache_common',
  'apache_combined',
  'apache_error',
  'nginx_combined',
  'syslog_3164',
  'syslog_5424',
  'syslog',
  'iptables',
  'klog',
  'docker_json',
  'cri',
  'sysdig',
  'logfmt',
  'cef',
] as const
export type LineShape = (typeof LINE_SHAPES)[number]

/** Makes fields of a line. The line itself stays. */
export interface ParseStep {
  readonly name: 'parse'
  readonly field: Path
  readonly as: LineShape
  /** Stands before the names of the fields. */
  readonly prefix: string
  readonly onFailure: OnFailure
}

/** Makes fields of a line, by the first of its patterns that matches. */
export interface GrokStep {
  readonly name: 'grok'
  readonly field: Path
  readonly match: readonly (Grok | GrokShape)[]
  readonly onFailure: OnFailure
}

/** A pattern for whose lines there is a parser. The pattern reads those that the parser does not. */
export interface GrokShape {
  readonly as: LineShape
  /** The pattern's names by those of the parser; others, and values that are `-`, are left out. Absent: the same names. */
  readonly names?: ReadonlyMap<string, string>
  readonly grok: Grok
}

/** Adds the place of an address. */
export interface GeoipStep {
  readonly name: 'geoip'
  readonly field: Path
  readonly database: GeoDatabase
  /** The content that the place becomes, as a JSON object. */
  readonly into: string
  readonly onFailure: OnFailure
}

/** Facts about an address. */
export type GeoRecord = Readonly<Record<string, unknown>>

export interface GeoDatabase {
  readonly path: string
  /** Told when the file is read again, with what keeps it from being used, if anything does. */
  changed: (error: unknown) => void
  /** `undefined` for an address that is not in it. Throws if the text is no address, or the record cannot be read. */
  lookUp(address: string): GeoRecord | undefined
}

/** Makes fields of the pairs `key=value` in a text. */
export interface KvStep {
  readonly name: 'kv'
  readonly field: Path
  readonly prefix: string
  /** Absent: all. */
  readonly includeKeys?: ReadonlySet<string>
  /** Characters between pairs. */
  readonly fieldSplit: string
  /** Characters between a key and its value. */
  readonly valueSplit: string
  readonly onFailure: OnFailure
}

/** Takes the time of the event from a field. */
export interface TimeStep {
  readonly name: 'time'
  readonly field: Path
  /** Tried in this order. */
  readonly formats: readonly TimeFormat[]
  /** For times without a zone. A name that `isZone` knows. */
  readonly zone: string
  readonly onFailure: OnFailure
}

export interface RenameStep {
  readonly name: 'rename'
  /** New names by old names. */
  readonly names: ReadonlyMap<string, string>
}

interface RemoveStep {
  readonly name: 'remove'
  readonly fields: ReadonlySet<string>
}

/** Topic, source and tags stay, too. */
interface KeepStep {
  readonly name: 'keep'
  readonly fields: ReadonlySet<string>
}

export interface AddStep {
  readonly name: 'add'
  readonly values: ReadonlyMap<string, Template>
}

export interface ReplaceStep {
  readonly name: 'replace'
  readonly field: string
  readonly replacement: Replacement
  readonly onFailure: OnFailure
}

/** Letters of ASCII only. */
export interface LowercaseStep {
  readonly name: 'lowercase'
  readonly fields: readonly string[]
}

/** Lowers the level of Kubernetes audit events, or drops them, as their policy says. */
export interface AuditPolicyStep {
  readonly name: 'k8s_audit_policy'
  /** The content that is the event. Absent: the members of the event are the contents of the log. */
  readonly field?: string
  readonly policy: AuditPolicy
  readonly onFailure: OnFailure
}

/** The formats of Docker's splunk driver. */
export const DOCKER_FORMATS = ['inline', 'json', 'raw'] as const

/** Makes the event of Docker's splunk driver out of a line of a container. */
export interface DockerStep {
  readonly name: 'docker'
  readonly format: (typeof DOCKER_FORMATS)[number]
  readonly tag: TagTemplate
  /** Fields by the names that they have in the event. */
  readonly attrs: ReadonlyMap<string, string>
}

/** The event is the value of this field alone. */
interface RawStep {
  readonly name: 'raw'
  readonly field: string
}
