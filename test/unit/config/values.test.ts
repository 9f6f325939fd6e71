import { describe, expect, test } from 'vitest'
import { accepted, blamed, refused } from './given-environment.ts'

describe('names', () => {
  test.each([
    ['SLS_PROJECT', ['abc', 'a-1', 'a'.repeat(63)], ['ab', 'a'.repeat(64), 'Audit', 'a_b', '-abc', 'abc-', 'a.b']],
    ['SLS_LOGSTORE', ['ab', 'a_b-c', '0x'], ['a', 'a'.repeat(64), 'AB', '_ab', 'ab-', 'a b', 'a/b']],
    ['SLS_CG', ['ab', 'siem_1', 'a'.repeat(63)], ['a', 'Siem', 'siem-', '-siem', 'siem.bridge', 'a'.repeat(64)]],
    ['SLS_REGION', ['cn-hangzhou', 'ap-southeast-1'], ['CN-Hangzhou', 'cn_hangzhou', 'cn hangzhou']],
    ['SPLUNK_HEC_INDEX', ['main', '_audit', 'a-1'], ['Main', '-a', 'a b', 'a/b']],
    ['SLS_CONSUMER', ['pod-0', 'A.b:c@d'], ['a b', 'a/b', 'ü']],
  ])('%s', (name, good, bad) => {
    for (const value of good) expect(accepted({ [name]: value }).config).toBeDefined()
    for (const value of bad) expect(blamed({ [name]: value })).toEqual([name])
  })
})

describe('FILTER_TOPICS', () => {
  test.each([
    ['audit', ['audit']],
    ['audit, login', ['audit', 'login']],
    ['sas-*,aegis-log-*', ['sas-*', 'aegis-log-*']],
    ['*', ['*']],
    ['""', ['']],
    ['audit,""', ['audit', '']],
    ['"my topic"', ['my topic']],
  ])('%s', (text, topics) => expect(accepted({ FILTER_TOPICS: text }).config.sls.topics).toEqual(topics))

  test.each([
    ['audit;login', 'needs commas between topics: write audit,login'],
    ['audit login', 'needs commas between topics: write audit,login'],
    ['audit | login,x', 'needs commas between topics: write audit,login'],
    ['audit，login、x', 'needs commas between topics: write audit,login,x'],
    ["'audit','login'", "holds 'audit': write names alone, or in double quotes if these signs belong to one"],
    ['[audit,login]', 'holds [audit: write names alone, or in double quotes if these signs belong to one'],
    ['audit,"login', 'has a quote that is not closed'],
    ['a*b', 'may have * only at the end of a topic: a*b'],
    ['**', 'may have * only at the end'],
  ])('%s is refused: %s', (text, problem) => {
    const [only, ...others] = refused({ FILTER_TOPICS: text })
    expect(only).toMatchObject({ variable: 'FILTER_TOPICS', problem: expect.stringContaining(problem) })
    expect(others).toEqual([])
  })
})

describe('EVENT_JSON_FIELDS', () => {
  const json = { name: 'json', into: 'value', required: false, onFailure: 'keep' }
  test.each([
    ['event', ['event']],
    [' event , a b ,event', ['event', 'a b']],
    ['*', '*'],
    ['event,*', '*'],
  ])('%j', (text, fields) => {
    expect(accepted({ EVENT_JSON_FIELDS: text }).config.sls.shape).toEqual([{ ...json, fields }])
  })

  test('none by default', () => expect(accepted({}).config.sls.shape).toEqual([]))
})

test('EVENT_RESERVED_KEYS is override or rename', () => {
  const chosen = (text?: string) =>
    accepted(text === undefined ? {} : { EVENT_RESERVED_KEYS: text }).config.sls.reservedKeys
  expect([chosen(), chosen('rename'), chosen('Override')]).toEqual(['override', 'rename', 'override'])
  expect(blamed({ EVENT_RESERVED_KEYS: 'drop' })).toEqual(['EVENT_RESERVED_KEYS'])
})

describe('sizes', () => {
  test.each([
    ['64MiB', 67_108_864],
    ['1GB', 1_000_000_000],
    ['1.5 GiB', 1_610_612_736],
    ['500kb', 500_000],
    ['8000000', 8_000_000],
  ])('%s is %d bytes', (text, bytes) => {
    expect(accepted({ MAX_IN_FLIGHT_BYTES: text }).config.maxInFlightBytes).toBe(bytes)
  })

  test.each(['64M', '1 TB', '1.5', 'MiB', '99999GB', '0KB', '1e3KB'])('%s is refused', (text) => {
    expect(blamed({ MAX_IN_FLIGHT_BYTES: text })).toEqual(['MAX_IN_FLIGHT_BYTES'])
  })
})

describe('numbers', () => {
  const whole = [
    ['SLS_HEARTBEAT_SECONDS', '1', '0'],
    ['SLS_FETCH_COUNT', '1', '0'],
    ['SLS_FETCH_COUNT', '1000', '1001'],
    ['SPLUNK_HEC_MAX_BYTES', '1', '0'],
    ['SPLUNK_HEC_CONCURRENCY', '1', '0'],
    ['MAX_IN_FLIGHT_BYTES', '1', '0'],
    ['ADMIN_PORT', '65535', '65536'],
  ] as const

  test.each(whole)('%s takes %s and not %s', (name, inside, outside) => {
    expect(accepted({ [name]: inside }).config).toBeDefined()
    expect(blamed({ [name]: outside })).toEqual([name])
  })

  test.each(whole)('%s takes whole numbers only', (name) => {
    for (const value of [
      '1.5',
      '1.0',
      '1e2',
      '-1',
      '+1',
      '0x10',
      '1k',
      '10s',
      '1_0',
      '1,0',
      'ten',
      '１',
      '9'.repeat(30),
    ]) {
      expect(blamed({ [name]: value }), value).toEqual([name])
    }
  })

  test.each(['SLS_FETCH_INTERVAL_SECONDS', 'SPLUNK_HEC_ACK_POLL_SECONDS', 'SPLUNK_HEC_TIMEOUT_SECONDS'])(
    '%s takes decimals, and no unit, sign or exponent',
    (name) => {
      for (const value of ['0.2', '.5', '3', '1.25']) expect(accepted({ [name]: value }).config, value).toBeDefined()
      for (const value of ['-1', '-0.5', '1s', '500ms', '1e2', '.', 'Infinity', 'NaN', '1,5', '99999']) {
        expect(blamed({ [name]: value }), value).toEqual([name])
      }
    },
  )

  test('a pause of 0 between pulls is allowed; polling acknowledgements without a pause is not', () => {
    expect(accepted({ SLS_FETCH_INTERVAL_SECONDS: '0' }).config.sls.fetchIntervalMs).toBe(0)
    expect(blamed({ SPLUNK_HEC_ACK_POLL_SECONDS: '0' })).toEqual(['SPLUNK_HEC_ACK_POLL_SECONDS'])
  })
})

test('booleans take eight words in any case, and nothing else', () => {
  for (const word of ['true', 'TRUE', '1', 'yes', 'Yes', 'on']) {
    expect(accepted({ SPLUNK_HEC_GZIP: word, SLS_IN_ORDER: word }).config.hec.gzip).toBe(true)
  }
  for (const word of ['false', 'False', '0', 'no', 'OFF']) {
    expect(accepted({ SPLUNK_HEC_GZIP: word }).config.hec.gzip).toBe(false)
  }
  for (const word of ['ja', '2', 't', 'auto', 'truefalse']) {
    expect(blamed({ SPLUNK_HEC_GZIP: word })).toEqual(['SPLUNK_HEC_GZIP'])
  }
})

test('SPLUNK_HEC_ACK is auto, true or false', () => {
  const ack = (value: string) => accepted({ SPLUNK_HEC_ACK: value }).config.hec.ack
  expect([ack('auto'), ack('AUTO'), ack('true'), ack('0')]).toEqual(['auto', 'auto', true, false])
  expect(blamed({ SPLUNK_HEC_ACK: 'maybe' })).toEqual(['SPLUNK_HEC_ACK'])
})

test('choices take any case and refuse the rest', () => {
  expect(accepted({ LOG_LEVEL: 'WARN' }).config.log.level).toBe('warn')
  expect(blamed({ LOG_LEVEL: 'verbose' })).toEqual(['LOG_LEVEL'])
  expect(blamed({ SLS_EXPIRED_CURSOR: 'end' })).toEqual(['SLS_EXPIRED_CURSOR'])
})

describe('SLS_START', () => {
  const start = (text: string) => accepted({ SLS_START: text }).config.sls.start

  test('takes begin and end', () => {
    expect(start('begin')).toEqual({ kind: 'begin' })
    expect(start('END')).toEqual({ kind: 'end' })
  })

  test.each([
    ['1700000000', 1_700_000_000],
    ['2023-11-14T22:13:20Z', 1_700_000_000],
    ['2023-11-14t22:13:20.999z', 1_700_000_000],
    ['2023-11-15T06:13:20+08:00', 1_700_000_000],
    ['2023-11-15 06:13:20+0800', 1_700_000_000],
    ['2023-11-15T06:13:20+08', 1_700_000_000],
    ['2023-11-14T16:43:20-05:30', 1_700_000_000],
    ['2023-11-14T22:13:20', 1_700_000_000],
    ['2023-11-14T22:13', 1_699_999_980],
    ['2023-11-14', 1_699_920_000],
    ['2024-02-29', 1_709_164_800],
    ['0', 0],
  ])('reads %s as %i, in UTC unless it has a time zone', (text, unixSeconds) => {
    expect(start(text)).toEqual({ kind: 'time', unixSeconds })
  })

  test.each([
    'yesterday',
    '2023-02-29',
    '2023-02-30T00:00:00Z',
    '2023-13-01',
    '2023-11-14T24:00:00Z',
    '2023-11-14T12:60:00Z',
    '2023-11-14T12:00:61Z',
    '2023-11-14T12:00:00+15:00',
    '2023-11-14T12:00:00+08:60',
    '2023-11-14T12:00:00 Europe/Berlin',
    '14.11.2023',
    '1969-12-31',
    '-1',
    '1700000000.5',
    '1700000000000',
  ])('refuses %s', (text) => {
    expect(blamed({ SLS_START: text })).toEqual(['SLS_START'])
  })

  test('milliseconds are recognised', () => {
    expect(refused({ SLS_START: '1700000000000' })[0]?.problem).toContain('milliseconds')
  })

  test('a time in the future is a warning', () => {
    expect(accepted({ SLS_START: '2999-01-01' }).warnings.join()).toContain('SLS_START')
    expect(accepted({ SLS_START: '2023-01-01' }).warnings).toEqual([])
  })
})

describe('SLS_ENDPOINT', () => {
  test.each([
    ['cn-hangzhou.log.aliyuncs.com', 'https://cn-hangzhou.log.aliyuncs.com'],
    ['https://CN-Hangzhou.log.aliyuncs.com/', 'https://cn-hangzhou.log.aliyuncs.com'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['localhost:8080', 'https://localhost:8080'],
    ['HTTP://[::1]:8080', 'http://[::1]:8080'],
    ['https://host:443', 'https://host'],
  ])('%s becomes %s', (given, endpoint) => {
    expect(accepted({ SLS_ENDPOINT: given }).config.sls.endpoint).toBe(endpoint)
  })

  test.each([
    'ftp://host',
    'https://',
    'https://host/path',
    'https://host?x=1',
    'https://host#x',
    'https://user@host',
    'host:99999',
    'a b',
  ])('refuses %s', (given) => {
    expect(blamed({ SLS_ENDPOINT: given })).toEqual(['SLS_ENDPOINT'])
  })

  test('with a name before an IP address is refused with what to do', () => {
    expect(JSON.stringify(refused({ SLS_ENDPOINT: 'http://try-it.127.0.0.1:26010' }))).toContain(
      'has a name before an IP address: leave the name out',
    )
    expect(JSON.stringify(refused({ SLS_ENDPOINT: 'http://127.0.0.999' }))).toContain('is not a valid URL')
  })

  test('with the project in front is used without it, with a warning', () => {
    const { config, warnings } = accepted({ SLS_ENDPOINT: 'audit-prod.cn-hangzhou.log.aliyuncs.com' })
    expect(config.sls.endpoint).toBe('https://cn-hangzhou.log.aliyuncs.com')
    expect(warnings.join()).toContain('SLS_ENDPOINT')
  })
})

describe('SPLUNK_HEC_URL', () => {
  const urls = (text: string) => accepted({ SPLUNK_HEC_URL: text }).config.hec.urls

  test.each([
    '',
    '/',
    '/services',
    '/services/collector',
    '/services/collector/',
    '/services/collector/event',
    '/services/collector/event/1.0',
    '/services/collector/raw',
    '/services/collector/raw/1.0',
  ])('with the path "%s" comes down to the base URL', (path) => {
    expect(urls(`https://Splunk.example.com:8088${path}`)).toEqual(['https://splunk.example.com:8088'])
  })

  test('keeps a reverse proxy’s prefix before the collector’s path', () => {
    expect(urls('https://proxy/splunk/services/collector/event')).toEqual(['https://proxy/splunk'])
  })

  test('takes several, in order, each once', () => {
    const list = 'https://a:8088, https://b:8088/services/collector ,https://a:8088/,'
    expect(urls(list)).toEqual(['https://a:8088', 'https://b:8088'])
  })

  test.each([
    'splunk:8088',
    'splunk.example.com',
    'tcp://splunk:8088',
    'https://',
    'https://user:pass@splunk',
    'https://splunk?x',
    'https://splunk/en-US/app',
    'https://splunk/service/collector',
    'https://a:8088,b:8088',
    ',',
  ])('refuses %s', (given) => {
    expect(blamed({ SPLUNK_HEC_URL: given })).toEqual(['SPLUNK_HEC_URL'])
  })

  test('that is not encrypted is a warning, except on this machine', () => {
    expect(accepted({ SPLUNK_HEC_URL: 'http://splunk:8088' }).warnings.join()).toContain('not encrypted')
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      expect(accepted({ SPLUNK_HEC_URL: `http://${host}:8088` }).warnings).toEqual([])
    }
  })
})
