import { test } from 'vitest'
import { FUZZING, fuzz } from './fuzz.ts'
import { adminRequests } from './targets/admin-requests.ts'

const PATHS = [
  '/',
  '/metrics',
  '/livez',
  '/readyz',
  '/status.json',
  '/nothing',
  '/%00%0d%0a',
  '//x',
  '*',
  'http://x/livez',
  '',
]
const HEADS = [
  'Host: x',
  'Accept: application/json',
  'Connection: close',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
]
const WORDS = [
  ...['\r\n', '\n', '\0', ' ', ':', '?', '#', '%', '..', 'HTTP/1.0', 'HTTP/9.9', 'HEAD', 'POST', 'CONNECT', 'OPTIONS'],
  ...[
    'Content-Length: -1\r\n',
    'Expect: 100-continue\r\n',
    'Upgrade: h2c\r\n',
    'Connection: upgrade\r\n',
    '5\r\nhello\r\n0\r\n\r\n',
  ],
  ...[
    'X: y\r\n'.repeat(500),
    'x'.repeat(20_000),
    '/'.repeat(3_000),
    'Host: a\r\nHost: b\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ],
]

test('any bytes on the admin port: answered or refused, and the next request is served', FUZZING, async () => {
  const seeds = PATHS.flatMap((path, index) =>
    ['GET', 'HEAD', 'POST'].map((method) => {
      const heads = HEADS.filter((_, head) => head === 0 || head === index % HEADS.length)
      return Buffer.from(`${method} ${path} HTTP/1.1\r\n${heads.join('\r\n')}\r\n\r\nhello`)
    }),
  )
  await fuzz(adminRequests, seeds, WORDS)
})
