import { NotPlainFile, readPlainFileLater } from '../core/plain-file.ts'
import { Secret } from '../core/secret.ts'
import { isPrintable } from '../core/text.ts'
import type { Issued } from './credentials.ts'
import { noCredentials } from './credentials.ts'

export interface VendorSource {
  source: 'ecs_ram_role' | 'oidc' | 'uri' | 'profile' | 'default'
  /** `ALIBABA_CLOUD_…` variables, which may have come from elsewhere than this process's environment. */
  environment: Readonly<Record<string, string>>
  /** More of them, which only the library knows: keys may be among them. If given, the library sees none besides. */
  others?: Readonly<Record<string, Secret>>
  /** Host of the Security Token Service, for `oidc`. */
  stsEndpoint?: string
}

/** As the vendor's classes hand them over. */
interface Keys {
  accessKeyId?: string
  accessKeySecret?: string
  securityToken?: string
  expiration?: string
}

/** Under which the role's calls appear in the audit trail, unless the environment has another. */
const SESSION_NAME = 'sls-siem-bridge'
/** For connecting, and again for reading. */
const REQUEST_TIMEOUT_MS = 5_000
/** It is on the same host: it answers in milliseconds or never, and may be asked up to six times for one set. */
const METADATA_TIMEOUT_MS = 1_000

/**
 * Asks the source, through `@alicloud/credentials`. A provider of that library caches credentials and, when it cannot renew
 * them, hands out expired ones silently. So each provider serves one fetch, and `RenewedCredentials` keeps the result.
 */
export async function fetchVendorCredentials(given: VendorSource): Promise<Issued> {
  let keys: Keys
  try {
    // The library would wait for the end of whatever is there.
    for (const path of filesOf(given)) await readPlainFileLater(path)
    keys = await ask(given)
  } catch (error) {
    const { why, mayPass } = reasonOf(error)
    throw noCredentials(nameOf(given), why, { advice: ADVICE[given.source], mayPass })
  }
  return issuedOf(given, keys)
}

/** The library reads its settings from `process.env`, some of them nowhere else. So one source asks at a time. */
let asking: Promise<unknown> = Promise.resolve()

function ask(given: VendorSource): Promise<Keys> {
  const asked = asking.then(async () => {
    const before = ownEnvironment()
    try {
      if (given.others !== undefined) setEnvironment({})
      return await askAlone(given)
    } finally {
      setEnvironment(before)
    }
  })
  asking = asked.catch(() => {})
  return asked
}

function ownEnvironment(): Record<string, string | undefined> {
  const { env } = process
  return Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('ALIBABA_CLOUD_')))
}

function setEnvironment(variables: Readonly<Record<string, string | undefined>>): void {
  const { env } = process
  for (const name of Object.keys(ownEnvironment())) delete env[name]
  Object.assign(env, variables)
}

async function askAlone({ source, environment, others = {}, stsEndpoint }: VendorSource): Promise<Keys> {
  // 16 MB resident and 0.1 s, which an access key pair need not pay for.
  const library = await import('@alicloud/credentials')
  const { env } = process
  for (const [name, value] of Object.entries(others)) env[name] = value.reveal()
  Object.assign(env, environment)
  env['ALIBABA_CLOUD_ROLE_SESSION_NAME'] ??= SESSION_NAME
  switch (source) {
    case 'ecs_ram_role':
      return timed(library.ECSRAMRoleCredentialsProvider.builder(), METADATA_TIMEOUT_MS).build().refresher()
    case 'oidc': {
      const builder = timed(library.OIDCRoleArnCredentialsProvider.builder())
      if (stsEndpoint !== undefined) builder.withStsEndpoint(stsEndpoint)
      return builder.build().refresher()
    }
    case 'uri':
      return timed(library.URICredentialsProvider.builder()).build().refresher()
    case 'profile':
      return library.ProfileCredentialsProvider.builder().build().getCredentials()
    case 'default':
      return library.DefaultCredentialsProvider.builder().build().getCredentials()
  }
}

/** The files of the source that the environment names. Those that the library finds by itself are the user's own. */
function filesOf({ source, environment }: VendorSource): string[] {
  const names = { oidc: 'ALIBABA_CLOUD_OIDC_TOKEN_FILE', profile: 'ALIBABA_CLOUD_CREDENTIALS_FILE' }
  const path = source === 'oidc' || source === 'profile' ? environment[names[source]] : undefined
  return path === undefined ? [] : [path]
}

interface Timed {
  withReadTimeout(ms: number): unknown
  withConnectTimeout(ms: number): unknown
}

function timed<T extends Timed>(builder: T, ms = REQUEST_TIMEOUT_MS): T {
  builder.withReadTimeout(ms)
  builder.withConnectTimeout(ms)
  return builder
}

function issuedOf(given: VendorSource, { accessKeyId, accessKeySecret, securityToken, expiration }: Keys): Issued {
  const texts = [accessKeyId, accessKeySecret, securityToken || 'none']
  if (!texts.every((text) => typeof text === 'string' && isPrintable(text))) {
    throw noCredentials(nameOf(given), 'its answer holds none that can be used', { advice: ADVICE[given.source] })
  }
  const expiresAt = Date.parse(String(expiration))
  return {
    credentials: {
      accessKeyId: accessKeyId as string,
      accessKeySecret: new Secret(accessKeySecret as string),
      ...(securityToken && { securityToken: new Secret(securityToken) }),
    },
    ...(!Number.isNaN(expiresAt) && { expiresAt }),
  }
}

/** For messages; of a URI only what cannot hold a secret. */
export function nameOf({ source, environment }: VendorSource): string {
  switch (source) {
    case 'ecs_ram_role':
      return 'the metadata server of the ECS instance'
    case 'oidc':
      return 'the Security Token Service (OIDC)'
    case 'uri':
      return `the credentials URI (${URL.parse(environment['ALIBABA_CLOUD_CREDENTIALS_URI'] ?? '')?.origin})`
    case 'profile':
      return `profile ${environment['ALIBABA_CLOUD_PROFILE'] ?? 'default'} of the credentials file`
    case 'default':
      return "the vendor's default chain"
  }
}

const ADVICE: Record<VendorSource['source'], string> = {
  ecs_ram_role:
    'Attach a RAM role to the ECS instance, and let this process reach http://100.100.100.200; a role that ' +
    'ALIBABA_CLOUD_ECS_METADATA names must be the one attached.',
  oidc:
    'Check ALIBABA_CLOUD_ROLE_ARN and its trust policy, ALIBABA_CLOUD_OIDC_PROVIDER_ARN, the file ' +
    'ALIBABA_CLOUD_OIDC_TOKEN_FILE, and that the Security Token Service can be reached (ALIBABA_CLOUD_STS_REGION).',
  uri: 'Check ALIBABA_CLOUD_CREDENTIALS_URI and the service that answers there.',
  profile: 'Check ALIBABA_CLOUD_CREDENTIALS_FILE and ALIBABA_CLOUD_PROFILE.',
  default: 'Set up one source of the chain, or name one in SLS_CREDENTIALS to learn what is wrong with it.',
}

/**
 * The library's messages hold whole answers, keys included, so nothing of them is passed on but what cannot be one: the
 * system's error codes, HTTP statuses, and the service's own codes (`AuthenticationFail.OIDCToken.Expired`).
 */
function reasonOf(error: unknown): { why: string; mayPass: boolean } {
  if (error instanceof NotPlainFile) return { why: `a file cannot be read (${error.message})`, mayPass: false }
  const { code, name, message = '' } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') {
    return { why: `a file cannot be read (${code})`, mayPass: false }
  }
  if (code !== undefined && /^[A-Z][A-Z_]{2,50}$/.test(code)) {
    return { why: `it cannot be reached (${code})`, mayPass: NETWORK_CODE.test(code) }
  }
  if (/Timeout/.test(`${name} ${message.slice(0, 40)}`)) return { why: 'it did not answer in time', mayPass: true }
  const status = /^get [a-z ]+ failed(?: with|, httpStatus:|: GET \S+) (\d{3})\b/.exec(message)?.[1]
  if (status !== undefined) return { why: `it answered HTTP ${status}`, mayPass: /^(5|429)/.test(status) }
  const refusal = /"Code"\s*:\s*"([A-Z][A-Za-z]{1,40}(?:\.[A-Z][A-Za-z]{1,40}){0,3})"/.exec(message)?.[1]
  if (refusal !== undefined) return { why: `it refused (${refusal})`, mayPass: BUSY_CODE.test(refusal) }
  const known = KNOWN.find(([beginning]) => message.startsWith(beginning))?.[1]
  return { why: known ?? 'it failed in a way this program does not know', mayPass: false }
}

/** Errors of the operating system may pass. Those of TLS and of Node (`CERT_HAS_EXPIRED`, `ERR_INVALID_URL`) do not. */
const NETWORK_CODE = /^E(?!RR_|PROTO$)/
/** What the service says in place of a status, which the library does not pass on. */
const BUSY_CODE = /^(InternalError|ServiceUnavailable|Throttling)\b/

const KNOWN: ReadonlyArray<readonly [beginning: string, reason: string]> = [
  ['Can not find credential type', 'it is not there, or does not say its type'],
  ['Invalid type option', 'its type is not access_key, ecs_ram_role or ram_role_arn'],
  ['IMDS credentials is disabled', 'ALIBABA_CLOUD_ECS_METADATA_DISABLED is true'],
  ['unable to get credentials from any of the providers in the chain', 'no source of it has any'],
]
