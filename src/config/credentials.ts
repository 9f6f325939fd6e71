import { Secret } from '../core/secret.ts'
import type { Environment } from './environment.ts'
import type { Given } from './given.ts'
import type { CredentialsChoice } from './setting.ts'
import type { SettingName, Values } from './settings.ts'
import { SETTINGS } from './settings.ts'

/** Where the credentials for Log Service come from. */
export type CredentialsConfig = AccessKeyConfig | VendorConfig

/** An access key pair, and the files it was read from, if any. The files may change while the process runs. */
export interface AccessKeyConfig {
  source: 'access_key'
  accessKeyId: string
  accessKeySecret: Secret
  securityToken?: Secret
  files: { accessKeyId?: string; accessKeySecret?: string; securityToken?: string }
}

interface VendorConfig {
  source: Exclude<CredentialsChoice, 'access_key'>
  /** The settings named `ALIBABA_CLOUD_…` that were given. */
  environment: Readonly<Record<string, string>>
  /** Other variables with such a name. The vendor's library knows more of them than we do, and some are keys. */
  others: Readonly<Record<string, Secret>>
  stsEndpoint?: string
}

type GivenSettings = ReadonlyMap<SettingName, Given>

export const ACCESS_KEY_SETTINGS = ['SLS_AK_ID', 'SLS_AK_KEY', 'SLS_STS_TOKEN'] as const

/** Variables that imply a source of credentials; the first match counts. RRSA injects all three of the first source. */
const IMPLIED_BY = [
  ['oidc', ['ALIBABA_CLOUD_ROLE_ARN', 'ALIBABA_CLOUD_OIDC_PROVIDER_ARN', 'ALIBABA_CLOUD_OIDC_TOKEN_FILE']],
  ['uri', ['ALIBABA_CLOUD_CREDENTIALS_URI']],
  ['profile', ['ALIBABA_CLOUD_CREDENTIALS_FILE']],
  ['profile', ['ALIBABA_CLOUD_PROFILE']],
  ['ecs_ram_role', ['ALIBABA_CLOUD_ECS_METADATA']],
] as const satisfies ReadonlyArray<readonly [CredentialsChoice, readonly SettingName[]]>

/** An access key pair is used whatever else the environment holds. `named` is the value of `SLS_CREDENTIALS`. */
export function credentialsChoice(
  named: CredentialsChoice | undefined,
  wasGiven: (name: SettingName) => boolean,
): CredentialsChoice {
  if (named !== undefined) return named
  if (ACCESS_KEY_SETTINGS.some(wasGiven)) return 'access_key'
  return IMPLIED_BY.find(([, names]) => names.every(wasGiven))?.[0] ?? 'access_key'
}

export function credentialsConfig(
  source: CredentialsChoice,
  values: Values,
  given: GivenSettings,
  env: Environment,
): CredentialsConfig {
  if (source === 'access_key') return accessKey(values, given)
  const vendors = [...given].filter(([name]) => name.startsWith('ALIBABA_CLOUD_'))
  return {
    source,
    environment: Object.fromEntries(vendors.map(([name, { text }]) => [name, text])),
    others: othersOf(env),
    ...(values.SLS_STS_ENDPOINT !== undefined && { stsEndpoint: values.SLS_STS_ENDPOINT }),
  }
}

function othersOf(env: Environment): Record<string, Secret> {
  const isOurs = (name: string) => Object.hasOwn(SETTINGS, name) || Object.hasOwn(SETTINGS, name.replace(/_FILE$/, ''))
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, text]) =>
      text && name.startsWith('ALIBABA_CLOUD_') && !isOurs(name) ? [[name, new Secret(text)]] : [],
    ),
  )
}

function accessKey(values: Values, given: GivenSettings): AccessKeyConfig {
  const [accessKeyId, accessKeySecret, securityToken] = ACCESS_KEY_SETTINGS.map((name) => given.get(name)?.path)
  return {
    source: 'access_key',
    // A configuration without the pair was refused before.
    accessKeyId: values.SLS_AK_ID as string,
    accessKeySecret: values.SLS_AK_KEY as Secret,
    ...(values.SLS_STS_TOKEN && { securityToken: values.SLS_STS_TOKEN }),
    files: {
      ...(accessKeyId !== undefined && { accessKeyId }),
      ...(accessKeySecret !== undefined && { accessKeySecret }),
      ...(securityToken !== undefined && { securityToken }),
    },
  }
}
