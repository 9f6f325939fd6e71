import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/core/errors.ts'
import type { CallContext, SlsReaction } from '../../../src/sls/errors.ts'
import { errorOfAnswer, faultOfTransport, SlsError } from '../../../src/sls/errors.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const CALL: CallContext = {
  api: 'PullLogs',
  project: 'my-project',
  logstore: 'my-logstore',
  host: 'my-project.cn-hangzhou.log.aliyuncs.com',
}

function answered(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
  call: Partial<CallContext> = {},
) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const answer = { status, text, header: (name: string) => headers[name], receivedAt: NOW }
  return errorOfAnswer({ ...CALL, ...call }, answer)
}

function coded(status: number, errorCode: string, call: Partial<CallContext> = {}) {
  return answered(status, { errorCode, errorMessage: 'what happened' }, { 'x-log-requestid': 'R1' }, call)
}

describe('codes of the service', () => {
  const reactions: Array<[status: number, code: string, reaction: SlsReaction, kind: string]> = [
    [500, 'InternalServerError', 'retry', 'transient'],
    [500, 'RequestTimeout', 'retry', 'transient'],
    [503, 'ServerBusy', 'retry', 'transient'],
    [400, 'LogStoreWithoutShard', 'retry', 'transient'],
    [403, 'ReadQuotaExceed', 'throttle', 'transient'],
    [403, 'WriteQuotaExceed', 'throttle', 'transient'],
    [403, 'ShardReadQuotaExceed', 'throttle', 'transient'],
    [403, 'ShardWriteQuotaExceed', 'throttle', 'transient'],
    [403, 'MetaOperationQpsLimitExceeded', 'throttle', 'transient'],
    [404, 'ConsumerNotExist', 'lost_shard', 'lease'],
    [404, 'ConsumerNotExsit', 'lost_shard', 'lease'],
    [400, 'ConsumerNotMatch', 'lost_shard', 'lease'],
    [400, 'NotExistConsumerWithBody', 'register_again', 'lease'],
    [404, 'ConsumerGroupNotExist', 'group_missing', 'lease'],
    [400, 'ConsumerGroupAlreadyExist', 'group_exists', 'transient'],
    [404, 'ShardNotExist', 'shard_gone', 'lease'],
    [400, 'ShardNotExist', 'shard_gone', 'lease'],
    [404, 'ShardNotExsit', 'shard_gone', 'lease'],
    [400, 'InvalidCursor', 'invalid_cursor', 'configuration'],
  ]
  test.each(reactions)('%s %s → %s', (status, code, reaction, kind) => {
    const error = coded(status, code)
    expect(error).toBeInstanceOf(SlsError)
    expect(error).toBeInstanceOf(Fault)
    expect(error).toMatchObject({ reaction, kind, code, status })
    expect(error.message).toContain('what happened')
    expect(error.message).toContain('R1')
  })

  test.each<[status: number, codes: string]>([
    [
      400,
      'RequestTimeTooSkewed RequestTimeExpired InvalidRequestTime MissingDate InvalidDateFormat MissingHost InvalidHost',
    ],
    [415, 'MissingContentType InvalidContentType'],
    [400, 'MissingBodyRawSize InvalidBodyRawSize InvalidCompressType MissingAPIVersion InvalidAPIVersion'],
    [400, 'MissAccessKeyId MissingSignatureMethod InvalidSignatureMethod ParameterInvalid MissingParameter'],
    [400, 'PostBodyInvalid JsonInfoInvalid InvalidTimestamp InvalidEncoding InvalidKey PostBodyUncompressError'],
    [400, 'ConsumerGroupQuotaExceed InvalidShardCheckPoint'],
    [401, 'SignatureNotMatch Unauthorized InvalidAccessKeyId SecurityTokenExpired'],
    [403, 'ExceedQuota QuotaExceed ProjectQuotaExceed ProjectForbidden'],
    [404, 'ProjectNotExist LogStoreNotExist'],
    [405, 'InvalidMethod'],
    [411, 'MissingContentLength'],
    [413, 'PostBodyTooLarge'],
  ])('%s %s → configuration, with advice', (status, codes) => {
    for (const code of codes.split(' ')) {
      const error = coded(status, code)
      expect(error, code).toMatchObject({ reaction: 'configuration', kind: 'configuration', code })
      expect(error.advice, code).toMatch(/^[A-Z].{20,}\.$/s)
    }
  })
})

describe('advice', () => {
  test.each<[code: string, says: RegExp]>([
    ['ProjectNotExist', /SLS_PROJECT \(my-project\).*SLS_ENDPOINT/],
    ['LogStoreNotExist', /SLS_LOGSTORE.*my-logstore/],
    ['InvalidAccessKeyId', /SLS_AK_ID/],
    ['SignatureNotMatch', /SLS_AK_KEY/],
    ['ConsumerGroupQuotaExceed', /30.*console.*DeleteConsumerGroup/],
    ['ProjectForbidden', /overdue/],
    ['ParameterInvalid', /SLS_QUERY/],
    ['InvalidCursor', /SLS_EXPIRED_CURSOR/],
  ])('%s says where to look', (code, says) => {
    expect(coded(400, code).advice).toMatch(says)
  })

  test('an expired position is no reason to set what is set', () => {
    expect(coded(400, 'InvalidCursor', { expiredCursor: 'fail' }).advice).toMatch(/set SLS_EXPIRED_CURSOR=begin/)
    expect(coded(400, 'InvalidCursor', { expiredCursor: 'begin' }).advice).not.toMatch(/\bset\b/)
  })

  test.each<[api: CallContext['api'], action: string]>([
    ['ListConsumerGroup', 'log:ListConsumerGroup'],
    ['CreateConsumerGroup', 'log:CreateConsumerGroup'],
    ['UpdateConsumerGroup', 'log:UpdateConsumerGroup'],
    ['ConsumerGroupHeartBeat', 'log:ConsumerGroupHeartBeat'],
    ['GetCheckPoint', 'log:GetConsumerGroupCheckPoint'],
    ['ConsumerGroupUpdateCheckPoint', 'log:ConsumerGroupUpdateCheckPoint'],
    ['ListShards', 'log:ListShards'],
    ['GetCursor', 'log:GetCursorOrData'],
    ['GetCursorTime', 'log:GetCursorOrData'],
    ['PullLogs', 'log:GetCursorOrData'],
  ])('a refused %s names the permission %s', (api, action) => {
    expect(coded(401, 'Unauthorized', { api }).advice).toContain(`${action} on acs:log:`)
    expect(coded(403, 'SomethingNew', { api }).advice).toContain(action)
  })

  test('a clock that is wrong is told by how much', () => {
    const body = { errorCode: 'RequestTimeTooSkewed', errorMessage: '' }
    const advice = (headers: Record<string, string>) => answered(400, body, headers).advice
    expect(advice({ 'x-log-time': String(NOW / 1000 - 1200) })).toContain('1200 s ahead of the server')
    expect(advice({ 'x-log-time': String(NOW / 1000 + 1000) })).toContain('1000 s behind the server')
    expect(advice({ date: new Date(NOW + 3_600_000).toUTCString() })).toContain('3600 s behind the server')
    expect(advice({ date: 'no date' })).not.toContain('server’s')
  })
})

describe('answers the table does not know', () => {
  test.each<[status: number, reaction: SlsReaction]>([
    [204, 'retry'],
    [302, 'configuration'],
    [400, 'configuration'],
    [401, 'configuration'],
    [403, 'configuration'],
    [404, 'configuration'],
    [408, 'retry'],
    [429, 'retry'],
    [500, 'retry'],
    [502, 'retry'],
    [599, 'retry'],
  ])('status %s → %s, with and without a code', (status, reaction) => {
    expect(coded(status, 'BrandNew')).toMatchObject({ reaction, code: 'BrandNew' })
    expect(answered(status, '<html>')).toMatchObject({ reaction, code: `http_${status}` })
    if (reaction === 'configuration') expect(answered(status, '').advice).toMatch(/SLS_ENDPOINT/)
  })

  test.each<[name: string, body: string]>([
    ['HTML', '<html><body>Bad Gateway</body></html>'],
    ['nothing', ''],
    ['null', 'null'],
    ['a number', '17'],
    ['an array', '[1]'],
    ['no code', '{"errorMessage":"x"}'],
    ['a code of another type', '{"errorCode":{"a":1},"errorMessage":[]}'],
    ['a code that cannot be a label', '{"errorCode":"a b\\n{}","errorMessage":"x"}'],
    ['a code without end', JSON.stringify({ errorCode: 'x'.repeat(1000) })],
    ['JSON that is cut', '{"errorCode":"Shard'],
  ])('a body with %s is judged by its status', (_name, body) => {
    expect(answered(503, body)).toMatchObject({ reaction: 'retry', code: 'http_503' })
  })

  test.each(['constructor', '__proto__', 'toString'])('the code %s is just unknown', (code) => {
    expect(answered(400, `{"errorCode":"${code}"}`)).toMatchObject({ reaction: 'configuration' })
  })

  test('text is shown up to 200 bytes, on one line', () => {
    const error = answered(502, `Bad\nGateway\u0007 ${'x'.repeat(10_000)}`)
    expect(error.message).toContain('Bad Gateway xxx')
    expect(error.message).not.toMatch(/\p{Cc}/u)
    expect(error.message.length).toBeLessThan(300)
  })

  test('a message that is not text is left out', () => {
    expect(answered(500, { errorCode: 'InternalServerError', errorMessage: 17 }).message).toContain('no text')
  })

  test('Retry-After is kept, in seconds or as a date', () => {
    expect(answered(503, '', { 'retry-after': '7' }).retryAfterMs).toBe(7000)
    expect(answered(503, '', { 'retry-after': new Date(NOW + 9000).toUTCString() }).retryAfterMs).toBe(9000)
    expect(answered(503, '', { 'retry-after': new Date(NOW - 9000).toUTCString() }).retryAfterMs).toBe(0)
    expect(answered(503, '', { 'retry-after': 'soon' }).retryAfterMs).toBeUndefined()
  })
})

describe('no answer at all', () => {
  const failed = (code: string) => faultOfTransport(CALL, Object.assign(new Error('it broke'), { code }))

  test.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_SOCKET',
    'HPE_INVALID_CONSTANT',
  ])('%s is transient', (code) => {
    expect(failed(code)).toMatchObject({ name: 'Fault', kind: 'transient', code: code.toLowerCase() })
  })

  test.each([
    ['CERT_HAS_EXPIRED', 'Renew the certificate'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'NODE_EXTRA_CA_CERTS'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'NODE_EXTRA_CA_CERTS'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'NODE_EXTRA_CA_CERTS'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'NODE_EXTRA_CA_CERTS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate is for another name: correct SLS_ENDPOINT'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'client certificate'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'SLS_ENDPOINT'],
  ])('%s is a configuration fault with its own remedy', (code, remedy) => {
    expect(failed(code)).toMatchObject({ kind: 'configuration', advice: expect.stringContaining(remedy) })
  })

  test('of a TLS problem our sentence comes first, and the words of the library last, without their sources', () => {
    const words = '00FF:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:ssl/record.c:80:\n'
    const error = Object.assign(new Error(words), {
      code: 'ERR_SSL_WRONG_VERSION_NUMBER',
      reason: 'wrong version number',
    })
    const { message } = faultOfTransport(CALL, error) as Fault
    expect(message).toBe(
      `${CALL.api}: TLS to ${CALL.host}: no handshake came about (wrong version number (ERR_SSL_WRONG_VERSION_NUMBER))`,
    )
  })

  test('a bug stays a bug', () => {
    const bug = new TypeError('x is not a function')
    expect(faultOfTransport(CALL, bug)).toBe(bug)
  })
})
