import { describe, expect, test } from 'vitest'
import { parseApacheCombined, parseApacheCommon, parseApacheError } from '../../../../src/pipeline/lines/apache.ts'

const object = (fields: ReadonlyMap<string, string> | undefined) => fields && Object.fromEntries(fields)

const FRANK = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326'
const frank = {
  ...{ clientip: '127.0.0.1', ident: '-', auth: 'frank', timestamp: '10/Oct/2000:13:55:36 -0700' },
  ...{ verb: 'GET', request: '/apache_pb.gif', httpversion: '1.0', response: '200', bytes: '2326' },
}

describe('apache_common', () => {
  test.each<[string, string, object]>([
    ['the line of the Apache documentation', FRANK, frank],
    ['no bytes', FRANK.replace('2326', '-'), { ...frank, bytes: undefined }],
    ['IPv6', FRANK.replace('127.0.0.1', '2001:db8::1'), { ...frank, clientip: '2001:db8::1' }],
    ['a user with blanks', FRANK.replace('frank', 'frank b'), { ...frank, auth: 'frank b' }],
    ['a request without version', FRANK.replace(' HTTP/1.0"', '"'), { ...frank, httpversion: undefined }],
    ['what follows is left to others', `${FRANK} "http://a/" "b"`, frank],
  ])('%s', (_, line, expected) => expect(object(parseApacheCommon(line))).toEqual(expected))

  test.each([
    ['"-"', '-'],
    ['"\\x16\\x03\\x01"', '\\x16\\x03\\x01'],
    ['"GET /a b HTTP/1.0"', 'GET /a b HTTP/1.0'],
    ['"a \\"quoted\\" request"', 'a \\"quoted\\" request'],
  ])('a request that is none is raw: %s', (quoted, rawrequest) => {
    const fields = object(parseApacheCommon(FRANK.replace('"GET /apache_pb.gif HTTP/1.0"', quoted)))
    expect(fields).toMatchObject({ rawrequest, response: '200' })
    expect(fields).not.toHaveProperty('verb')
  })

  test.each([
    ...[
      '',
      '-',
      'hello',
      FRANK.slice(0, 60),
      FRANK.slice(0, -5),
      FRANK.replace('200', 'OK'),
      FRANK.replace('2326', '2,326'),
    ],
    ...[
      FRANK.replace('10/Oct/2000', '2000-10-10'),
      FRANK.replace('"GET', 'GET'),
      ` ${FRANK}`,
      FRANK.replace(' - ', '  '),
    ],
    // Apache escapes quotes in names, so a name cannot make up a request.
    FRANK.replace('frank', 'x [10/Oct/2000:00:00:00 -0700] \\"GET /fake HTTP/1.0\\" 200 1'),
  ])('%j is none', (line) => expect(parseApacheCommon(line)).toBe(undefined))
})

describe('apache_combined and nginx_combined', () => {
  test('the line of Logstash’s introduction, without its quotes', () => {
    const line =
      '127.0.0.1 - - [11/Dec/2013:00:01:45 -0800] "GET /xampp/status.php HTTP/1.1" 200 3891 "http://cadenza/xampp/navi.php" "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.9; rv:25.0) Gecko/20100101 Firefox/25.0"'
    expect(object(parseApacheCombined(line))).toEqual({
      ...{ clientip: '127.0.0.1', ident: '-', auth: '-', timestamp: '11/Dec/2013:00:01:45 -0800', verb: 'GET' },
      ...{ request: '/xampp/status.php', httpversion: '1.1', response: '200', bytes: '3891' },
      referrer: 'http://cadenza/xampp/navi.php',
      agent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10.9; rv:25.0) Gecko/20100101 Firefox/25.0',
    })
  })

  test.each<[string, string, string, string]>([
    ['"-" "-"', '-', '-', 'no referrer'],
    ['"" ""', '', '', 'empty'],
    ['"http://a/?q=\\"x\\"" "\\\\"', 'http://a/?q=\\"x\\"', '\\\\', 'escapes stay'],
    ['"-" "curl/8.0" "203.0.113.7"', '-', 'curl/8.0', 'nginx’s own format with the forwarded address'],
  ])('%s', (end, referrer, agent) =>
    expect(object(parseApacheCombined(`${FRANK} ${end}`))).toEqual({ ...frank, referrer, agent }),
  )

  test.each([FRANK, `${FRANK} "-"`, `${FRANK} "-" "cut`, `${FRANK} - -`, `${FRANK} "-" "-"x`])('%j is none', (line) =>
    expect(parseApacheCombined(line)).toBe(undefined),
  )
})

describe('apache_error', () => {
  test.each<[string, object]>([
    [
      '[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server configuration: /export/home/live/ap/htdocs/test',
      {
        ...{ timestamp: 'Wed Oct 11 14:32:52 2000', level: 'error', clientip: '127.0.0.1' },
        message: 'client denied by server configuration: /export/home/live/ap/htdocs/test',
      },
    ],
    [
      '[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:55] File does not exist: /favicon.ico',
      {
        ...{
          timestamp: 'Fri Sep 09 10:42:29.902022 2011',
          module: 'core',
          level: 'error',
          pid: '35708',
          tid: '4328636416',
        },
        ...{ clientip: '72.15.99.187', clientport: '55', message: 'File does not exist: /favicon.ico' },
      },
    ],
    [
      '[Fri Sep 09 10:42:29 2011] [:error] [pid 1] (13)Permission denied: [client 2001:db8::1:443] AH00132: file permissions deny access',
      {
        ...{
          timestamp: 'Fri Sep 09 10:42:29 2011',
          level: 'error',
          pid: '1',
          clientip: '2001:db8::1',
          clientport: '443',
        },
        message: '(13)Permission denied: AH00132: file permissions deny access',
      },
    ],
    [
      '[Sat Oct  1 00:00:00 2011] [mpm_event:notice] [pid 9:tid 1] AH00489: Apache/2.4 configured [client of nobody]',
      {
        ...{ timestamp: 'Sat Oct  1 00:00:00 2011', module: 'mpm_event', level: 'notice', pid: '9', tid: '1' },
        message: 'AH00489: Apache/2.4 configured [client of nobody]',
      },
    ],
    [
      '[Wed Oct 11 14:32:52 2000] [error] [client ::1] x',
      { timestamp: 'Wed Oct 11 14:32:52 2000', level: 'error', clientip: '::1', message: 'x' },
    ],
  ])('%s', (line, expected) => expect(object(parseApacheError(line))).toEqual(expected))

  test.each([
    '',
    '[error] x',
    '[Wed Oct 11 14:32:52 2000] error',
    '[2000-10-11 14:32:52] [error] x',
    '[Wed Oct 11 14:32:52 2000] [error',
  ])('%j is none', (line) => expect(parseApacheError(line)).toBe(undefined))
})
