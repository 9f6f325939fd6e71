import type { Parser } from './parsers.ts'
import { matching } from './parsers.ts'

export const GROUPS = {
  file: 'Configuration file',
  sls: 'Log Service (SLS)',
  credentials: 'Credentials other than an access key pair',
  filter: 'Filter',
  event: 'Events',
  hec: 'Splunk HEC',
  tls: 'TLS to Splunk',
  syslog: 'Syslog, instead of Splunk HEC',
  data: 'Dead letter and memory',
  network: 'Proxies',
  process: 'Process',
  search: 'Splunk search, only for `reconcile`',
} as const

interface Description {
  group: keyof typeof GROUPS
  doc: string
  /** Its meaning on one line. Settings that have one come first in .env.example. */
  brief?: string
  /** A value that would work. */
  example: string
  /** The value never appears, neither in problems nor in logs. */
  secret?: true
  /** The default in words, where it is computed. */
  computed?: string
  /** Required when the credentials come from this source. */
  neededBy?: CredentialsChoice
  /** About the connection to this peer: a command that does not ask the peer does without. */
  peer?: Peer
}

export interface Setting<T> extends Description {
  parser: Parser<T>
  required: boolean
  /** As text, so that the same parser reads defaults and values of users. */
  default: string | undefined
}

export function required<T>(parser: Parser<T>, about: Description): Setting<T> {
  return { parser, required: true, default: undefined, ...about }
}

export function optional<T>(parser: Parser<T>, about: Description): Setting<T | undefined> {
  return { parser, required: false, default: undefined, ...about }
}

export function defaulting<T>(
  fallback: string,
  parser: Parser<T>,
  about: Omit<Description, 'example'> & { example?: string },
): Setting<T> {
  return { parser, required: false, default: fallback, example: fallback, ...about }
}

export const hostName = matching(/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/, 'host name')

export const CREDENTIALS = ['access_key', 'ecs_ram_role', 'oidc', 'uri', 'profile', 'default'] as const
export type CredentialsChoice = (typeof CREDENTIALS)[number]

/** The other ends that a command may ask: Log Service, the HTTP Event Collector, a search head. */
export type Peer = 'service' | 'collector' | 'search'
export const PEERS: readonly Peer[] = ['service', 'collector', 'search']
