import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, chownSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { collectGiven } from '../../../src/config/given.ts'
import { SETTING_NAMES, SETTINGS } from '../../../src/config/settings.ts'
import { accepted, accessKeyOf, blamed, refused, temporaryFiles } from './given-environment.ts'

/** Made for this test alone: a self-signed certificate of a.test and its key. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBejCCAR+gAwIBAgIUCDDOfBOaKMroFtjh+czxqBW6YNcwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGYS50ZXN0MCAXDTI2MTEyMTA5MjU0MVoYDzIxMjYxMDI4MDky
NTQxWjARMQ8wDQYDVQQDDAZhLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AASHjziRWsuSmglymgV+M9hWIdJnqMJPKJPNe2qFCYj5F6G5Ia3gKNF/pI+8MXn8
mmUIqv3tmd9ZMjOc+FqiZIxAo1MwUTAdBgNVHQ4EFgQUT2WcBbZaAvDFIaKk+3De
4Oa/KdYwHwYDVR0jBBgwFoAUT2WcBbZaAvDFIaKk+3De4Oa/KdYwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA+8RQ7t4HNglem+5iGeJeQ/l24trM
vXsxAgleCdz/mVwCIQDDWLF61q4H4ZbxBu99rqe42WY32T0uef8gpW5klyYAQA==
-----END CERTIFICATE-----
`
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtPKictAYrKMnW2xL
EzZZRkE8lxIw8f34zH55Z5Pd4aehRANCAASHjziRWsuSmglymgV+M9hWIdJnqMJP
KJPNe2qFCYj5F6G5Ia3gKNF/pI+8MXn8mmUIqv3tmd9ZMjOc+FqiZIxA
-----END PRIVATE KEY-----
`

describe('NAME_FILE', () => {
  test('gives any variable from a file, without the line end', () => {
    const { write } = temporaryFiles()
    const { config } = accepted({
      SLS_AK_KEY: undefined,
      SLS_AK_KEY_FILE: write('key', 'from-file\n'),
      SLS_FETCH_COUNT_FILE: write('count', '5\r\n'),
      SPLUNK_HEC_URL: '',
      SPLUNK_HEC_URL_FILE: write('url', 'https://other:8088\n\n'),
    })
    expect(accessKeyOf(config).accessKeySecret.reveal()).toBe('from-file')
    expect(config.sls.fetchCount).toBe(5)
    expect(config.hec.urls).toEqual(['https://other:8088'])
  })

  test.each(SETTING_NAMES)('%s and its file may end in CR, as what comes from Windows does', (name) => {
    const { example } = SETTINGS[name]
    const path = temporaryFiles().write('value', `${example}\r\n`)
    const texts = [{ [name]: `${example}\r` }, { [`${name}_FILE`]: `${path}\r` }].map((env) => {
      const { given, unusable } = collectGiven(env, [name])
      expect(unusable.size).toBe(0)
      return given.get(name)?.text
    })
    expect(texts).toEqual([example.trim(), example.trim()])
  })

  test('together with NAME is one problem', () => {
    const { write } = temporaryFiles()
    const problems = refused({ SPLUNK_HEC_TOKEN_FILE: write('token', 'hush') })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ variable: 'SPLUNK_HEC_TOKEN' })
    expect(problems[0]?.problem).toContain('SPLUNK_HEC_TOKEN_FILE')
    expect(JSON.stringify(problems)).not.toContain('hush')
  })

  test('that cannot be read or is empty is one problem; the variable is not reported as missing too', () => {
    const { directory, write } = temporaryFiles()
    for (const path of ['/no/such/file', directory, write('empty', '\n')]) {
      const problems = refused({ SLS_LOGSTORE: undefined, SLS_LOGSTORE_FILE: path })
      expect(problems).toHaveLength(1)
      expect(problems[0]).toMatchObject({ variable: 'SLS_LOGSTORE_FILE', value: path })
    }
  })

  test('that is not there yet, or still empty, may come later; beside it nothing else is wrong', () => {
    const { write } = temporaryFiles()
    const token = { SLS_STS_TOKEN: 'token', SLS_AK_ID: undefined, SLS_AK_KEY: undefined }
    const pair = { SLS_AK_ID_FILE: '/not/mounted/id', SLS_AK_KEY_FILE: write('key', '') }
    expect(refused({ ...token, ...pair }).map(({ variable, passing }) => [variable, passing])).toEqual([
      ['SLS_AK_ID_FILE', true],
      ['SLS_AK_KEY_FILE', true],
    ])
  })

  test('of a secret is not shown, since people put the secret itself there', () => {
    const problems = refused({ SLS_AK_KEY: undefined, SLS_AK_KEY_FILE: 'the-secret-itself' })
    expect(problems).toHaveLength(1)
    expect(JSON.stringify(problems)).not.toContain('the-secret-itself')
  })

  test('is named as the variable that held a wrong value', () => {
    const { write } = temporaryFiles()
    const problems = refused({ SLS_FETCH_COUNT_FILE: write('count', 'many') })
    expect(problems[0]).toMatchObject({ variable: 'SLS_FETCH_COUNT_FILE', value: 'many' })
  })
})

describe('a file that is not a regular one is refused at once, and its variable is named', () => {
  const oidc = {
    ...{ SLS_AK_ID: undefined, SLS_AK_KEY: undefined, ALIBABA_CLOUD_ROLE_ARN: 'acs:ram::1:role/r' },
    ALIBABA_CLOUD_OIDC_PROVIDER_ARN: 'acs:ram::1:oidc-provider/p',
  }
  const profile = { SLS_AK_ID: undefined, SLS_AK_KEY: undefined }
  const cases: [name: string, more: Record<string, undefined | string>][] = [
    ['SLS_AK_KEY_FILE', { SLS_AK_KEY: undefined }],
    ['SPLUNK_HEC_TOKEN_FILE', { SPLUNK_HEC_TOKEN: undefined }],
    ['SLS_QUERY_FILE', {}],
    ['SPLUNK_HEC_TLS_CA_FILE', {}],
    ['SPLUNK_HEC_TLS_CERT_FILE', { SPLUNK_HEC_TLS_KEY_FILE_FILE: '/not/there/yet' }],
    ['ALIBABA_CLOUD_OIDC_TOKEN_FILE', oidc],
    ['ALIBABA_CLOUD_CREDENTIALS_FILE', profile],
  ]

  test.each(cases)('%s', (name, more) => {
    const { directory } = temporaryFiles()
    const fifo = join(directory, 'fifo')
    execFileSync('mkfifo', [fifo])
    const kinds: [path: string, kind: RegExp][] = [
      [fifo, /FIFO/],
      ['/dev/zero', /device/],
      [directory, /directory/],
    ]
    for (const [path, kind] of kinds) {
      const found = refused({ ...more, [name]: path }).find(({ variable }) => variable === name)
      expect(found?.problem).toMatch(kind)
      expect(found?.passing).not.toBe(true)
    }
  })
})

describe('credentials', () => {
  test('half an access key pair is a problem that names the other half', () => {
    expect(blamed({ SLS_AK_KEY: '' })).toEqual(['SLS_AK_KEY'])
    expect(blamed({ SLS_AK_ID: '' })).toEqual(['SLS_AK_ID'])
  })

  test('an STS token without an access key pair is a problem', () => {
    expect(blamed({ SLS_AK_ID: '', SLS_AK_KEY: '', SLS_STS_TOKEN: 'x' })).toContain('SLS_STS_TOKEN')
    expect(accepted({ SLS_STS_TOKEN: 'x' }).warnings).toEqual([])
  })

  test('a region other than the endpoint’s is a warning', () => {
    expect(accepted({ SLS_REGION: 'cn-shanghai' }).warnings.join()).toContain('SLS_REGION')
    for (const host of ['cn-hangzhou', 'cn-hangzhou-intranet']) {
      const env = { SLS_REGION: 'cn-hangzhou', SLS_ENDPOINT: `https://${host}.log.aliyuncs.com` }
      expect(accepted(env).warnings).toEqual([])
    }
  })
})

describe('acknowledgement', () => {
  test('needs a poll interval shorter than its timeout', () => {
    expect(blamed({ SPLUNK_HEC_ACK_POLL_SECONDS: '300' })).toEqual(['SPLUNK_HEC_ACK_POLL_SECONDS'])
    expect(blamed({ SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '2' })).toEqual(['SPLUNK_HEC_ACK_TIMEOUT_SECONDS'])
    expect(accepted({ SPLUNK_HEC_ACK_TIMEOUT_SECONDS: '2.1' }).warnings).toEqual([])
  })

  test('settings of it have no effect while it is off, which is a warning', () => {
    const { warnings } = accepted({ SPLUNK_HEC_ACK: 'false', SPLUNK_HEC_ACK_POLL_SECONDS: '1' })
    expect(warnings.join()).toContain('SPLUNK_HEC_ACK_POLL_SECONDS')
  })
})

test('a body may not be larger than the bytes in flight may be', () => {
  const sizes = (body: string, inFlight: string) => ({ SPLUNK_HEC_MAX_BYTES: body, MAX_IN_FLIGHT_BYTES: inFlight })
  expect(accepted(sizes('5000', '5000')).config.hec.maxBytes).toBe(5000)
  expect(blamed(sizes('5001', '5000'))).toEqual(['SPLUNK_HEC_MAX_BYTES'])
})

describe('a connection without encryption', () => {
  test.each([
    ['SLS_ENDPOINT', 'http://cn-hangzhou.log.aliyuncs.com'],
    ['SPLUNK_HEC_URL', 'http://splunk.example.com:8088'],
    ['SPLUNK_SEARCH_URL', 'http://splunk.example.com:8089'],
  ])('to another machine is a warning: %s', (name, url) => {
    expect(accepted({ [name]: url }).warnings).toEqual([
      expect.stringMatching(`^${name}: the connection to ${url} is not encrypted`),
    ])
    expect(accepted({ [name]: url.replace('http:', 'https:') }).warnings).toEqual([])
    for (const host of ['localhost', '127.0.0.1', '[::1]'])
      expect(accepted({ [name]: `http://${host}:8080` }).warnings).toEqual([])
  })
})

describe('a peer that the command does not ask', () => {
  const missing = '/no/such.pem'
  const COLLECTOR = {
    SPLUNK_HEC_TLS_CA_FILE: missing,
    SPLUNK_HEC_TLS_CERT_FILE: missing,
    SPLUNK_HEC_TLS_VERIFY: 'perhaps',
    SPLUNK_HEC_URL: 'splunk',
    SPLUNK_HEC_TOKEN: undefined,
    SPLUNK_HEC_TOKEN_FILE: missing,
  }
  const SEARCH = {
    SPLUNK_SEARCH_URL: 'splunk',
    SPLUNK_SEARCH_TOKEN_FILE: missing,
    SPLUNK_SEARCH_TLS_VERIFY: 'perhaps',
    SPLUNK_SEARCH_TLS_CA_FILE: missing,
  }

  test('may have wrong connection settings', () => {
    expect(accepted({ ...COLLECTOR, ...SEARCH }, []).warnings).toEqual([])
    expect(accepted({ SPLUNK_HEC_URL: undefined, SPLUNK_HEC_TOKEN: undefined }, []).config.hec.urls).toEqual([])
    const url = 'http://splunk.example.com:8089'
    expect(accepted({ ...COLLECTOR, SPLUNK_SEARCH_URL: url }, ['search']).config.search.url).toBe(url)
    expect(accepted(SEARCH, ['collector']).config.search).toEqual({ tls: { verify: true, files: {} } })
  })

  test('does not hide problems of another peer', () => {
    expect(blamed({ ...COLLECTOR, ...SEARCH }, ['search'])).toEqual(expect.arrayContaining(Object.keys(SEARCH)))
    expect(blamed({ ...COLLECTOR, ...SEARCH }, ['search']).join()).not.toContain('SPLUNK_HEC')
    expect(blamed({ ...COLLECTOR, ...SEARCH }, ['collector']).join()).not.toContain('SPLUNK_SEARCH')
    expect(blamed({ SPLUNK_HEC_URL: undefined, SPLUNK_HEC_TOKEN: undefined }, ['collector'])).toEqual([
      'SPLUNK_HEC_URL',
      'SPLUNK_HEC_TOKEN',
    ])
  })

  test('leaves the settings of events in force, since a search looks for those events', () => {
    const { hec } = accepted({ SPLUNK_HEC_INDEX: 'audit', SPLUNK_HEC_SOURCE: 's' }, ['search']).config
    expect(hec).toMatchObject({ index: 'audit', source: 's' })
    expect(blamed({ SPLUNK_HEC_INDEX: '-' }, ['search'])).toEqual(['SPLUNK_HEC_INDEX'])
  })

  test('has variables that are known', () => {
    expect(accepted(SEARCH, ['collector']).warnings).toEqual([])
  })
})

describe('a file whose content others may choose', () => {
  const open = (path: string): string => {
    chmodSync(path, 0o666)
    return path
  }

  test('is a warning that names the variable, and neither the path nor the content', () => {
    const { write } = temporaryFiles()
    const pem = readFileSync(new URL('../sinks/tls/ca.pem', import.meta.url))
    const { warnings } = accepted({
      ...{ SPLUNK_HEC_TOKEN: undefined, SPLUNK_HEC_TOKEN_FILE: open(write('token', 'hush')) },
      SPLUNK_HEC_TLS_CA_FILE: open(write('ca.pem', pem)),
    })
    expect(warnings).toEqual([
      'SPLUNK_HEC_TOKEN_FILE: others may choose what its file holds: everybody may change it',
      'SPLUNK_HEC_TLS_CA_FILE: others may choose what its file holds: everybody may change it',
    ])
  })

  test.skipIf(process.geteuid?.() !== 0)('is also one that belongs to another user', () => {
    const path = temporaryFiles().write('key', 'hush')
    chownSync(path, 54_321, 54_321)
    const { warnings } = accepted({ SLS_AK_KEY: undefined, SLS_AK_KEY_FILE: path })
    expect(warnings).toEqual([
      expect.stringMatching(/^SLS_AK_KEY_FILE: .* it belongs to uid 54321, and this is uid 0$/),
    ])
  })
})

test('no time to drain is a warning', () => {
  expect(accepted({ SHUTDOWN_GRACE_SECONDS: '0' }).warnings.join()).toContain('SHUTDOWN_GRACE_SECONDS')
})

describe('TLS', () => {
  test('takes files that fit together', () => {
    const { write } = temporaryFiles()
    const caFile = write('ca.pem', CERTIFICATE)
    const keyFile = write('key.pem', KEY)
    const { config } = accepted({
      SPLUNK_HEC_TLS_CA_FILE: caFile,
      SPLUNK_HEC_TLS_CERT_FILE: caFile,
      SPLUNK_HEC_TLS_KEY_FILE: keyFile,
    })
    const { key, ...tls } = config.hec.tls
    const files = { ca: caFile, cert: caFile, key: keyFile }
    expect(tls).toEqual({ verify: true, ca: CERTIFICATE, cert: CERTIFICATE, files })
    expect(key?.reveal()).toBe(KEY)
    expect(JSON.stringify(config) + inspect(config, { depth: null })).not.toContain(KEY.slice(30, 60))
  })

  test('certificate and key need each other', () => {
    const { write } = temporaryFiles()
    const cert = { SPLUNK_HEC_TLS_CERT_FILE: write('cert.pem', CERTIFICATE) }
    const key = { SPLUNK_HEC_TLS_KEY_FILE: write('key.pem', KEY) }
    expect(blamed(cert)).toEqual(['SPLUNK_HEC_TLS_KEY_FILE'])
    expect(blamed(key)).toEqual(['SPLUNK_HEC_TLS_CERT_FILE'])
  })

  test.each(['SPLUNK_HEC_TLS_CA_FILE', 'SPLUNK_HEC_TLS_CERT_FILE', 'SPLUNK_HEC_TLS_KEY_FILE'])(
    '%s that is missing, a directory or not PEM is a problem',
    (name) => {
      const { directory, write } = temporaryFiles()
      for (const path of [
        '/no/such.pem',
        directory,
        write('der', 'junk'),
        write('cut', '-----BEGIN CERTIFICATE-----\nA'),
      ]) {
        const good = { SPLUNK_HEC_TLS_CERT_FILE: write('c', CERTIFICATE), SPLUNK_HEC_TLS_KEY_FILE: write('k', KEY) }
        expect(blamed({ ...good, [name]: path }), path).not.toEqual([])
      }
    },
  )

  test('a key that belongs to another certificate is a problem', () => {
    const { write } = temporaryFiles()
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const env = {
      SPLUNK_HEC_TLS_CERT_FILE: write('cert.pem', CERTIFICATE),
      SPLUNK_HEC_TLS_KEY_FILE: write('key.pem', other.export({ type: 'pkcs8', format: 'pem' }).toString()),
    }
    expect(blamed(env)).toEqual(['SPLUNK_HEC_TLS_CERT_FILE'])
  })

  test('the content of a key file shows in no problem', () => {
    const { write } = temporaryFiles()
    const problems = refused({ SPLUNK_HEC_TLS_KEY_FILE: write('key.pem', KEY) })
    expect(JSON.stringify(problems)).not.toContain(KEY.slice(30, 60))
  })

  test('options on http:// are a warning', () => {
    const env = { SPLUNK_HEC_URL: 'http://127.0.0.1:8088', SPLUNK_HEC_TLS_SERVER_NAME: 'splunk' }
    expect(accepted(env).warnings.join()).toContain('SPLUNK_HEC_TLS_SERVER_NAME')
  })

  test('without verification is a warning, and so is a CA that then has no effect', () => {
    const { write } = temporaryFiles()
    const env = { SPLUNK_HEC_TLS_VERIFY: 'false', SPLUNK_HEC_TLS_CA_FILE: write('ca.pem', CERTIFICATE) }
    expect(accepted(env).warnings).toHaveLength(2)
  })
})

test('a search head without verification is a warning, and so is a CA that then has no effect', () => {
  const { write } = temporaryFiles()
  const off = { SPLUNK_SEARCH_URL: 'https://splunk.example.com:8089', SPLUNK_SEARCH_TLS_VERIFY: 'false' }
  expect(accepted(off).warnings).toEqual([expect.stringMatching(/^SPLUNK_SEARCH_TLS_VERIFY is off: .*token/)])
  expect(accepted({ ...off, SPLUNK_SEARCH_TLS_CA_FILE: write('ca.pem', CERTIFICATE) }).warnings).toHaveLength(2)
})

describe('paths', () => {
  test('a dead letter directory that is a file is a problem; one that does not exist yet is not', () => {
    const { directory, write } = temporaryFiles()
    expect(blamed({ DEAD_LETTER_DIR: write('file', '') })).toEqual(['DEAD_LETTER_DIR'])
    expect(accepted({ DEAD_LETTER_DIR: `${directory}/new` }).config.deadLetterDir).toBe(`${directory}/new`)
    expect(accepted({ DEAD_LETTER_DIR: directory }).config.deadLetterDir).toBe(directory)
  })

  test('one below a file, a link to nowhere or a folder of the kernel is a problem that names the path', () => {
    const { directory, write } = temporaryFiles()
    const file = write('file', '')
    symlinkSync('nowhere', `${directory}/dangling`)
    const why = (env: Record<string, string>) =>
      refused(env).map(({ variable, problem, passing }) => [variable, problem, passing])
    for (const [name, below] of [
      ['DEAD_LETTER_DIR', ''],
      ['LOG_FILE', '/bridge.log'],
    ] as const) {
      expect(why({ [name]: `${file}/x${below}` })).toEqual([[name, `${file} exists and is not a directory`, undefined]])
      expect(why({ [name]: `${directory}/dangling/x${below}` })).toEqual([
        [name, `${directory}/dangling is a link to a folder that is not there`, true],
      ])
      expect(why({ [name]: `/proc/1/x${below}` })).toEqual([
        [name, '/proc/1 belongs to the kernel, and no folder can be made there', undefined],
      ])
    }
    expect(accepted({ LOG_FILE: `${directory}/dangling` }).config.log.file).toBe(`${directory}/dangling`)
  })

  test('a log file must be a plain file or not there yet', () => {
    expect(blamed({ LOG_FILE: temporaryFiles().directory })).toEqual(['LOG_FILE'])
    expect(blamed({ LOG_FILE: '/dev/null' })).toEqual(['LOG_FILE'])
  })
})

test.each([
  ['https://splunk:8089', /^SPLUNK_HEC_URL: 8089 is mostly the port of Splunk's management\. HEC has 8088, /],
  ['https://splunk:8000/splunk/services/collector', /^SPLUNK_HEC_URL: 8000 is mostly the port of Splunk Web\. /],
])('a port of Splunk that is not the collector’s is a warning: %s', (url, warning) => {
  expect(accepted({ SPLUNK_HEC_URL: url }).warnings).toEqual([expect.stringMatching(warning)])
  expect(accepted({ SPLUNK_HEC_URL: 'https://splunk:8088,https://splunk' }).warnings).toEqual([])
})
