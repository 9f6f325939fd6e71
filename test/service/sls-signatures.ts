import { Secret } from '../../src/core/secret.ts'
import type { Fact } from './fact.ts'
import { cannot } from './fact.ts'
import type { TestLogstore } from './sls-logstore.ts'
import type { SlsRequest, SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

type Row = Pick<Fact, 'id' | 'says' | 'source' | 'mark' | 'believed'> & { ask: () => Partial<SlsRequest> }

const reliedOnBy = ['src/emulator/sls/signature.ts', 'src/sls/signature.ts', 'src/sls/errors.ts']
const MINUTE_MS = 60_000
/** Credentials of a key that does not exist. */
const UNKNOWN_KEY = { accessKeyId: 'LTAI5tConformanceNoSuch', accessKeySecret: new Secret('no-such-secret') }

/** Which signatures are accepted, and how others are refused. Every request only lists shards. */
export function signatureFacts(sls: SlsService, logs: () => Promise<TestLogstore>): Fact[] {
  const section = (name: string) => `sls-protocol §${name}`
  const accepted: Row[] = [
    {
      id: 'sls/v1',
      says: 'A request signed V1 with hmac-sha1 is accepted',
      ...{ source: section('2.2'), mark: 'verified', believed: '200' },
      ask: () => ({ sign: 'v1' }),
    },
    {
      id: 'sls/v1-sha256',
      says: 'V1 may also be signed with hmac-sha256',
      ...{ source: section('2.2'), mark: 'verified', believed: '200' },
      ask: () => ({ sign: 'v1-sha256' }),
    },
    {
      id: 'sls/v1-query',
      says: 'V1 signs decoded query values, sorted by name, with any characters',
      ...{ source: section('2.2'), mark: 'verified', believed: '200' },
      ask: () => ({ sign: 'v1', query: { z: "it's 100% * ~+中", a: '' } }),
    },
    {
      id: 'sls/v1-log-date-instead',
      says: 'V1 without Date uses x-log-date as the date, and does not sign it as a header',
      ...{ source: section('2.2'), mark: 'verified', believed: '200' },
      ask: () => ({ sign: 'v1', tamper: (headers) => moveDate(headers, false) }),
    },
    {
      id: 'sls/v1-log-date-beside',
      says: 'V1 accepts a copy of Date in x-log-date that was added after signing, as Python does',
      ...{ source: section('2.2'), mark: 'verified', believed: '200' },
      ask: () => ({ sign: 'v1', tamper: (headers) => moveDate(headers, true) }),
    },
    {
      id: 'sls/v4',
      says: 'A request signed V4 for the project’s region is accepted',
      ...{ source: section('2.3'), mark: 'verified', believed: '200' },
      ask: () => ({ sign: { region: regionOf(sls) }, query: { z: "it's 100% * ~+中", a: '' } }),
    },
    {
      id: 'sls/v4-any-region',
      says: 'V4 for any region is accepted: the server reads the region from the Credential scope',
      ...{ source: section('2.3'), mark: 'unverified', believed: '200' },
      ask: () => ({ sign: { region: 'cn-nowhere' } }),
    },
    {
      id: 'sls/clock-14-minutes-ahead',
      says: 'A date 14 minutes ahead of the server’s clock is accepted',
      ...{ source: section('2.2'), mark: 'verified', believed: '200' },
      ask: () => ({ skewMs: 14 * MINUTE_MS }),
    },
    {
      id: 'sls/clock-14-minutes-behind',
      says: 'A date 14 minutes behind the server’s clock is accepted',
      ...{ source: section('2.2'), mark: 'verified', believed: '200' },
      ask: () => ({ skewMs: -14 * MINUTE_MS }),
    },
  ]
  const skewed = ['400 RequestTimeTooSkewed', '400 RequestTimeExpired']
  const refused: Row[] = [
    {
      id: 'sls/clock-16-minutes-ahead',
      says: 'A date 16 minutes ahead is refused; newer tables name the code RequestTimeExpired',
      ...{ source: section('2.2, §8'), mark: 'unverified', believed: skewed },
      ask: () => ({ skewMs: 16 * MINUTE_MS }),
    },
    {
      id: 'sls/clock-16-minutes-behind',
      says: 'A date 16 minutes behind is refused; newer tables name the code RequestTimeExpired',
      ...{ source: section('2.2, §8'), mark: 'unverified', believed: skewed },
      ask: () => ({ skewMs: -16 * MINUTE_MS }),
    },
    {
      id: 'sls/wrong-secret',
      says: 'A signature that does not match is refused',
      ...{ source: section('8'), mark: 'verified', believed: '401 SignatureNotMatch' },
      ask: () => ({ credentials: { accessKeySecret: new Secret('not-the-secret') } }),
    },
    {
      id: 'sls/unknown-key',
      says: 'An unknown access key id is refused with its own code',
      ...{ source: section('8'), mark: 'verified', believed: '401 InvalidAccessKeyId' },
      ask: () => ({ credentials: UNKNOWN_KEY }),
    },
    {
      id: 'sls/stray-token',
      says: 'An STS token that does not belong to the key is refused',
      ...{ source: section('2'), mark: 'unverified', believed: '401 Unauthorized' },
      ask: () => ({ credentials: { securityToken: new Secret('no-such-token') } }),
    },
    {
      id: 'sls/unsigned',
      says: 'A request without Authorization is refused',
      ...{ source: section('8'), mark: 'unverified', believed: '401 Unauthorized' },
      ask: () => ({ tamper: (headers) => delete headers['authorization'] }),
    },
    {
      id: 'sls/malformed-authorization',
      says: 'An Authorization header of another form is refused',
      ...{ source: section('8'), mark: 'verified', believed: '400 ParameterInvalid' },
      ask: () => ({ tamper: (headers) => Object.assign(headers, { authorization: 'Bearer of bad news' }) }),
    },
    {
      id: 'sls/no-date',
      says: 'V1 without any date is refused',
      ...{ source: section('8'), mark: 'verified', believed: '400 MissingDate' },
      ask: () => ({
        sign: 'v1',
        tamper: (headers) => {
          delete headers['date']
          delete headers['x-log-date']
        },
      }),
    },
    {
      id: 'sls/malformed-date',
      says: 'V1 with an invalid date is refused',
      ...{ source: section('8'), mark: 'verified', believed: '400 InvalidDateFormat' },
      ask: () => ({ sign: 'v1', headers: { date: 'yesterday' } }),
    },
    {
      id: 'sls/no-api-version',
      says: 'A request without x-log-apiversion is refused',
      ...{ source: section('8'), mark: 'verified', believed: '400 MissingAPIVersion' },
      ask: () => ({ headers: { 'x-log-apiversion': undefined } }),
    },
    {
      id: 'sls/other-api-version',
      says: 'Any other version than 0.6.0 is refused',
      ...{ source: section('8'), mark: 'verified', believed: '400 InvalidAPIVersion' },
      ask: () => ({ headers: { 'x-log-apiversion': '9.9.9' } }),
    },
    {
      id: 'sls/no-signature-method',
      says: 'V1 without x-log-signaturemethod is refused',
      ...{ source: section('8'), mark: 'verified', believed: '400 MissingSignatureMethod' },
      ask: () => ({ sign: 'v1', tamper: (headers) => delete headers['x-log-signaturemethod'] }),
    },
    {
      id: 'sls/other-signature-method',
      says: 'V1 with another method than hmac-sha1 and hmac-sha256 is refused',
      ...{ source: section('8'), mark: 'verified', believed: '400 InvalidSignatureMethod' },
      ask: () => ({
        sign: 'v1',
        tamper: (headers) => Object.assign(headers, { 'x-log-signaturemethod': 'hmac-md5' }),
      }),
    },
  ]
  return [...accepted, ...refused].map(({ ask, ...row }) => ({
    ...row,
    reliedOnBy,
    observe: async () => said(await sls.call({ path: `${(await logs()).path}/shards`, ...ask() })),
  }))
}

function moveDate(headers: Record<string, string>, keep: boolean): void {
  headers['x-log-date'] = headers['date'] as string
  if (!keep) delete headers['date']
}

/** Public endpoints begin with the region id: `cn-hangzhou-intranet.log.aliyuncs.com`. */
function regionOf({ access, emulator }: SlsService): string {
  const inName = /^([a-z]+(-[a-z]+)*-\d+|[a-z]+-[a-z]+)(-intranet|-internal|-share)?\./.exec(
    new URL(access.endpoint).hostname,
  )
  return access.region ?? (emulator ? 'cn-local' : inName?.[1]) ?? cannot('needs SLS_REGION')
}
