/** Bodies of HEC answers, and how proxies may change them. */
export const HEC_BODIES = [
  ...[0, 24, 25].map((code) => `{"text":"Success","code":${code}}`),
  '{"text":"Success","code":0,"ackId":0}',
  ...[6, 12, 13, 15, 7].map((code) => `{"text":"bad","code":${code},"invalid-event-number":2}`),
  ...[1, 2, 3, 4, 5, 8, 10, 14, 16, 23, 26, 27, 28].map((code) => `{"text":"no","code":${code}}`),
  '{"text":"Server is busy","code":9,"invalid-event-number":3}',
  '{"acks":{"0":true,"1":false,"2":true}}',
  '{"code":5,"message":"Not Found","details":[]}',
  '<html><body>Sign in</body></html>',
  '',
]

export const HEC_WORDS = [
  ...[
    '0',
    '-0',
    '0.0',
    '1e-400',
    '"0"',
    '[0]',
    'true',
    'null',
    '24.5',
    '-1',
    '1e999',
    '9007199254740993',
    '{"code":0}',
  ],
  ...[
    '"code":0',
    '"code":6,',
    '"code":0,',
    '"invalid-event-number":',
    '"ackId":',
    '"acks":{"0":true}',
    '"acks":[true]',
  ],
  ...['"__proto__":{"code":0},', '"text":"\\u001b[2J\\n"', '\ufeff', '\0', '[', '{', '}}', ',', '\u2028', '"\\ud800"'],
  ...['[['.repeat(2_000), 'x'.repeat(3_000)],
]
