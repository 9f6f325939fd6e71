import { describe, expect, test } from 'vitest'
import { networkFault, variablesOf } from '../../../src/net/network-fault.ts'
import { retryAfterMs } from '../../../src/net/retry-after.ts'
import { tlsProblem } from '../../../src/net/tls.ts'

const NAMES = variablesOf('PEER')
const BEFORE = { sent: false, answering: false }
const AFTER = { sent: true, answering: false }

const error = (code: string, message = code): Error => Object.assign(new Error(message), { code })

describe('what a failed connection means', () => {
  test.each([
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'other_name'],
    ['CERT_HAS_EXPIRED', 'out_of_date'],
    ['CERT_NOT_YET_VALID', 'out_of_date'],
    ['CERT_CHAIN_TOO_LONG', 'bad_certificate'],
    ['CERT_REVOKED', 'bad_certificate'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'not_trusted'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'not_trusted'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'not_trusted'],
    ['INVALID_PURPOSE', 'bad_certificate'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'client_refused'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'client_refused'],
    ['ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE', 'client_refused'],
    ['ERR_SSL_TLSV1_ALERT_ACCESS_DENIED', 'client_refused'],
    ['ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', 'no_handshake'],
    ['ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC', 'no_handshake'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'no_handshake'],
    ['EPROTO', 'no_handshake'],
    ['ECONNREFUSED', undefined],
    ['UND_ERR_SOCKET', undefined],
  ])('%s → %s', (code, problem) => {
    expect(tlsProblem(error(code))).toBe(problem)
  })

  test('a certificate or a client certificate that is refused is a configuration fault, before and after the first byte', () => {
    for (const progress of [BEFORE, AFTER]) {
      for (const code of ['CERT_HAS_EXPIRED', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'ERR_TLS_CERT_ALTNAME_INVALID']) {
        expect(networkFault(error(code), progress, 'https://siem', NAMES)).toMatchObject({
          kind: 'configuration',
          code,
        })
      }
    }
  })

  test('a TLS error is a configuration fault before the first byte and ambiguous after it', () => {
    const code = 'ERR_SSL_WRONG_VERSION_NUMBER'
    expect(networkFault(error(code), BEFORE, 'https://siem', NAMES).kind).toBe('configuration')
    expect(networkFault(error(code), AFTER, 'https://siem', NAMES).kind).toBe('ambiguous')
  })

  test('no connection is transient, a connection lost after the first byte is ambiguous', () => {
    expect(networkFault(error('ECONNREFUSED'), BEFORE, 'https://siem', NAMES).kind).toBe('transient')
    expect(networkFault(error('ECONNRESET'), AFTER, 'https://siem', NAMES).kind).toBe('ambiguous')
  })

  test.each([
    ['ERR_TLS_CERT_ALTNAME_INVALID', BEFORE, ['PEER_TLS_SERVER_NAME', 'PEER_URL']],
    ['SELF_SIGNED_CERT_IN_CHAIN', BEFORE, ['PEER_TLS_CA_FILE', 'PEER_TLS_VERIFY=false']],
    ['CERT_HAS_EXPIRED', BEFORE, ['Renew', 'clock']],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', AFTER, ['PEER_TLS_CERT_FILE', 'PEER_TLS_KEY_FILE']],
    ['EPROTO', BEFORE, ['PEER_URL', 'PEER_TLS_*']],
    ['ECONNREFUSED', BEFORE, ['PEER_URL']],
    ['UND_ERR_SOCKET', AFTER, ['PEER_URL', 'PEER_TLS_CERT_FILE']],
    ['hung_up', BEFORE, ['PEER_URL', 'PEER_TLS_CERT_FILE']],
  ])('the advice for %s names the settings of that peer', (code, progress, settings) => {
    const { advice } = networkFault(error(code), progress, 'https://siem', NAMES)
    for (const setting of settings) expect(advice).toContain(setting)
    expect(advice).not.toContain('SPLUNK')
  })
})

describe('Retry-After', () => {
  const NOW = Date.parse('2026-11-30T12:00:00Z')
  test.each([
    ['7', 7_000],
    [' 7 ', 7_000],
    ['0', 0],
    ['99999999999', 60_000],
    ['Mon, 30 Nov 2026 12:00:09 GMT', 9_000],
    ['Mon, 30 Nov 2026 11:00:00 GMT', 0],
    ['Mon, 30 Nov 2026 19:00:00 GMT', 60_000],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['Sun, rubbish', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j → %j ms', (header, ms) => {
    expect(retryAfterMs(header, NOW, 60_000)).toBe(ms)
  })
})
