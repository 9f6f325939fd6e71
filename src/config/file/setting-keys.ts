import type { Parser } from '../parsers.ts'
import type { Setting } from '../setting.ts'
import type { SettingName, Values } from '../settings.ts'
import { SETTINGS } from '../settings.ts'
import type { Described } from './shape.ts'
import { defaulting, optional, required, text } from './shape.ts'

/** Keys of a section that stand for variables, and the variables. Their parsers and their documentation are those of the variables. */
export type SettingKeys = Readonly<Record<string, SettingName>>

/** Of a source. */
export const SOURCE_KEYS = {
  endpoint: 'SLS_ENDPOINT',
  region: 'SLS_REGION',
  project: 'SLS_PROJECT',
  logstore: 'SLS_LOGSTORE',
  group: 'SLS_CG',
  consumer: 'SLS_CONSUMER',
  start: 'SLS_START',
  topics: 'FILTER_TOPICS',
  reserved_keys: 'EVENT_RESERVED_KEYS',
  query: 'SLS_QUERY',
  in_order: 'SLS_IN_ORDER',
  expired_cursor: 'SLS_EXPIRED_CURSOR',
  fetch_count: 'SLS_FETCH_COUNT',
  heartbeat_seconds: 'SLS_HEARTBEAT_SECONDS',
  fetch_interval_seconds: 'SLS_FETCH_INTERVAL_SECONDS',
} as const satisfies SettingKeys

/** Of credentials, by their type. */
export const CREDENTIALS_KEYS = {
  access_key: { access_key_id: 'SLS_AK_ID', access_key_secret: 'SLS_AK_KEY', security_token: 'SLS_STS_TOKEN' },
  ecs_ram_role: { ecs_metadata: 'ALIBABA_CLOUD_ECS_METADATA' },
  oidc: {
    role_arn: 'ALIBABA_CLOUD_ROLE_ARN',
    oidc_provider_arn: 'ALIBABA_CLOUD_OIDC_PROVIDER_ARN',
    oidc_token_file: 'ALIBABA_CLOUD_OIDC_TOKEN_FILE',
    sts_region: 'ALIBABA_CLOUD_STS_REGION',
    vpc_endpoint_enabled: 'ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED',
    sts_endpoint: 'SLS_STS_ENDPOINT',
  },
  uri: { credentials_uri: 'ALIBABA_CLOUD_CREDENTIALS_URI' },
  profile: { credentials_file: 'ALIBABA_CLOUD_CREDENTIALS_FILE', profile: 'ALIBABA_CLOUD_PROFILE' },
} as const satisfies Readonly<Record<string, SettingKeys>>

export type CredentialsType = keyof typeof CREDENTIALS_KEYS

export function isCredentialsType(text: string): text is CredentialsType {
  return Object.hasOwn(CREDENTIALS_KEYS, text)
}

const HEC = 'SPLUNK_HEC_'
const HEC_TLS = 'SPLUNK_HEC_TLS_'
type TlsNames = Extract<SettingName, `${typeof HEC_TLS}${string}`>
type HecNames = Exclude<Extract<SettingName, `${typeof HEC}${string}`>, TlsNames>
type Without<P extends string, N extends SettingName> = {
  readonly [K in N as K extends `${P}${infer R}` ? Lowercase<R> : never]: K
}

/** Of a sink of the type `splunk_hec`: the variables without their beginning, small. */
export const HEC_KEYS = keysAfter(HEC, (name) => !name.startsWith(HEC_TLS)) as Without<typeof HEC, HecNames>
export const HEC_TLS_KEYS = keysAfter(HEC_TLS) as Without<typeof HEC_TLS, TlsNames>

const SYSLOG = 'SYSLOG_'
const SYSLOG_TLS = 'SYSLOG_TLS_'
type SyslogTlsNames = Extract<SettingName, `${typeof SYSLOG_TLS}${string}`>
type SyslogNames = Exclude<Extract<SettingName, `${typeof SYSLOG}${string}`>, SyslogTlsNames>

/** Of a sink of the type `syslog`. */
export const SYSLOG_KEYS = keysAfter(SYSLOG, (name) => !name.startsWith(SYSLOG_TLS)) as Without<
  typeof SYSLOG,
  SyslogNames
>
export const SYSLOG_TLS_KEYS = keysAfter(SYSLOG_TLS) as Without<typeof SYSLOG_TLS, SyslogTlsNames>

function keysAfter(beginning: string, among: (name: string) => boolean = () => true): SettingKeys {
  const names = (Object.keys(SETTINGS) as SettingName[]).filter((name) => name.startsWith(beginning) && among(name))
  return Object.fromEntries(names.map((name) => [name.slice(beginning.length).toLowerCase(), name]))
}

/** As the keys of the file are called where texts name variables. */
const SPELLINGS: ReadonlyMap<string, string> = new Map(
  [
    ...[SOURCE_KEYS, ...Object.values(CREDENTIALS_KEYS), HEC_KEYS, SYSLOG_KEYS].flatMap((keys) => Object.entries(keys)),
    ...[HEC_TLS_KEYS, SYSLOG_TLS_KEYS]
      .flatMap((keys) => Object.entries(keys))
      .map(([key, name]) => [`tls.${key}`, name] as const),
    ['type', 'SLS_CREDENTIALS'] as const,
  ].map(([key, name]) => [name, key]),
)

/** A text about variables as a text about keys. */
export function spelled(text: string): string {
  return text.replace(/[A-Z]+(?:_[A-Z]+)+/g, (name) => SPELLINGS.get(name) ?? name)
}

/** Descriptions of all keys but those that `others` describes. */
export function settingsOf<K extends SettingKeys>(keys: K): { readonly [N in keyof K]: Described<Values[K[N]]> } {
  const described = Object.entries(keys).map(([key, name]) => [key, settingOf(name)])
  return Object.fromEntries(described)
}

function settingOf<N extends SettingName>(name: N): Described<Values[N]> {
  const setting: Setting<unknown> = SETTINGS[name]
  const value = textOf(name, setting.parser)
  if (setting.required || setting.neededBy !== undefined) return required(value) as Described<Values[N]>
  const { default: written } = setting
  return (written === undefined ? optional(value) : defaulting(written, value)) as Described<Values[N]>
}

/** One text with the documentation of a variable. */
export function textOf<T>(name: SettingName, parser: Parser<T>): Described<T> {
  const { doc, example, secret, computed, default: written }: Setting<unknown> = SETTINGS[name]
  const shownDefault = computed === undefined ? written : spelled(computed)
  return text(parser, {
    doc: spelled(doc),
    example: spelled(example),
    ...(shownDefault !== undefined && { default: shownDefault }),
    ...(secret && { secret }),
  })
}
