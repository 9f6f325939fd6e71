import { describe, expect, test } from 'vitest'
import { decideForGroup, explain, holds } from '../../../src/pipeline/reference/conditions.ts'
import type { Log } from '../../../src/pipeline/reference/log.ts'
import { applyShape } from '../../../src/pipeline/reference/shape.ts'
import { expressionOf, logOf, logWith } from './condition-logs.ts'
import { content, log as logField, source, tag, time, timeNs, topic } from './wire.ts'

function expectAll(log: Log, answers: Readonly<Record<string, boolean>>): void {
  const found = Object.keys(answers).map((text) => [text, holds(expressionOf(text), log)])
  expect(Object.fromEntries(found)).toEqual(answers)
}

const GROUP = [topic('audit'), source('10.0.0.1'), tag('host', 'old'), tag('host', 'web-1'), tag('a.b', '{"c":"d"}')]

describe('names', () => {
  test('topic, source and tags are those of the group, whatever a content is called', () => {
    const log = logOf([content('__topic__', 'x'), content('__tag__:host', 'x'), content('__source__', 'x')], GROUP)
    expectAll(log, {
      '__topic__ = audit': true,
      '["__topic__"] = audit': true,
      '__source__ = 10.0.0.1': true,
      '__tag__:host = web-1': true,
      '__tag__:other exists': false,
      '__tag__:a.b.c = d': true,
      '__tag__:a.b exists': true,
    })
    expectAll(logWith({ '__tag__:other': 'x' }), { '__topic__ = ""': true, '__tag__:other exists': false })
  })

  test('the bridge knows where the log came from, when, and its size', () => {
    const fields = [time(1_790_000_000), timeNs(1_500_000_000), content('@time', 'own'), content('@timestamp', 'own')]
    const size = Buffer.concat(fields).length
    expect(logField(...fields).length).toBe(size + 2)
    expectAll(logOf(fields), {
      '@project = p and @logstore = audit and @source = default and @shard = 3': true,
      '@time = 1790000001': true,
      [`@size = ${size}`]: true,
      '@time.x exists': false,
      '["@time"] = own': true,
      '@timestamp = own': true,
    })
  })

  test('the longest key that is there counts, even if its JSON lacks the rest', () => {
    expectAll(logWith({ 'a.b': '{"x":1}', a: '{"b":{"c":2}}' }), {
      'a.b.x = 1': true,
      'a.b.c exists': false,
      'a["b"].c = 2': true,
      'a.b["x"] = 1': true,
    })
    expectAll(logWith({ a: '{"b.c":1,"b":{"c":2}}' }), { 'a.b.c = 2': true, 'a["b.c"] = 1': true })
    expectAll(logWith({ 'a.b': '', a: '{"b":1}' }), { 'a.b = ""': true })
  })

  test('of equal keys in a log the last counts, of equal keys in JSON the first', () => {
    const log = logOf([content('a', '{"x":1,"x":2}'), content('k', '1'), content('k', '2')])
    expectAll(log, { 'k = 2': true, 'k = 1': false, 'a.x = 1': true, 'a.x = 2': false })
    expectAll(logWith({ a: '{"x":null,"x":2}' }), { 'a.x exists': false })
    expectAll(logWith({ a: '{"x":{"y":1},"x":{"z":2}}' }), { 'a.x.y = 1': true, 'a.x.z exists': false })
  })
})

describe('values', () => {
  test('bytes are compared, UTF-8 or not', () => {
    expectAll(logWith({ a: Buffer.from('x\xff用', 'latin1'), b: '用户' }), {
      'b = 用户': true,
      'b startswith 用': true,
      'b endswith 户': true,
      'len(b) = 6': true,
      'len(a) = 3': true,
      'a = "x\ufffd(" or a contains "\ufffd"': false,
      'b glob ??': true,
      'b glob ?': false,
      'b glob "[!a]户"': true,
      'b glob *户': true,
    })
  })

  test('of JSON: scalars are as written, strings without escapes, lists are lists, the rest is text', () => {
    const json = String.raw`{ "n": 1.50, "big": 12345678901234567890, "t": true, "s": "a\u0026b\ud83d\ude00\n", "o": { "x" : [ 1 ] },
      "l": [ "a", null, 2, false ], "e": [], "m": [1, {"y":2}], "half": "\ud83d!", "v\u0065rb": "get" }`
    expectAll(logWith({ j: json, text: '["a","b"]' }), {
      'j.n = 1.50': true,
      'j.n = 1.5': false,
      'j.n >= 1.5 and j.n <= 1.5': true,
      'j.big = 12345678901234567890 and j.big > 12345678901234567889': true,
      'j.t = true': true,
      'j.s = "a&b😀\\n"': true,
      'j.o = "{ \\"x\\" : [ 1 ] }"': true,
      'j.l = a and j.l = 2 and j.l = false': true,
      'j.l = null': false,
      'len(j.l) = 3': true,
      'j.l in (a, 2, false)': true,
      'j.l in (a, 2)': false,
      'j.l contains als': true,
      'j.l > 1': true,
      'j.e exists and j.e != x and len(j.e) = 0': true,
      'j.e in (x) or j.e = x or j.e intersects (x)': false,
      'j.m startswith "[1,"': true,
      'j.m[1].y = 2': true,
      'j.half = "\ufffd!"': true,
      'j.verb = get': true,
      'text = a': false,
      'text[1] = b': true,
      'text[2] exists or text["1"] exists or text[0].x exists': false,
    })
  })

  test('white space before JSON does not hide it', () => {
    expectAll(logWith({ a: ' \t\r\n{"b":1}' }), { 'a.b = 1': true })
    expectAll(logWith({ a: '"{}"', b: '\ufeff{"b":1}' }), { 'a.b exists or b.b exists': false })
  })

  test('a step makes JSON of text: a list is a list then', () => {
    const { member, shaped } = (() => {
      const member = logWith({ g: '["a","b"]', n: '{"x":null,"s":"\\u0041"}' })
      const json = { name: 'json', required: false, onFailure: 'keep' } as const
      const once = applyShape(member, [{ ...json, fields: ['g'], into: 'value' }], 'r')
      return { member, shaped: applyShape(once, [{ ...json, fields: ['n'], into: 'merge' }], 'r') }
    })()
    expectAll(member, { 'g = b': false })
    expectAll(shaped, { 'g = b': true, 'g[1] = b': true, 'x exists': false, 's = A': true })
  })
})

describe('absent is false', () => {
  test.for([
    'no exists',
    'no = x',
    'no != x',
    'no < 1',
    'no >= 1',
    'no contains ""',
    'no icontains ""',
    'no startswith ""',
    'no endswith ""',
    'no glob *',
    'no iglob *',
    'no regex ".*"',
    'no matches ""',
    'no in ("", x)',
    'no intersects ("", x)',
    'no pmatch (/)',
    'no cidr (0.0.0.0/0, ::/0)',
    'len(no) >= 0',
    'tolower(no) != x',
    'severity(no) != 9',
    'a = val(no)',
    'a != val(no)',
    'no != val(a)',
    'severity(a) != 9',
  ])('%s', (text) => {
    const log = logWith({ a: 'x', empty: '' })
    expect(holds(expressionOf(text), log)).toBe(false)
    expect(holds(expressionOf(`not ${text}`), log)).toBe(true)
  })

  test('and an empty value is there', () => {
    expectAll(logWith({ empty: '' }), {
      'empty exists': true,
      'empty != x': true,
      'empty contains ""': true,
      'empty glob *': true,
      'empty regex ".*"': true,
      'empty in ("")': true,
      'len(empty) = 0': true,
      'empty pmatch (/)': true,
      'empty pmatch (/x)': false,
      'empty < 1': false,
    })
  })
})

describe('operators', () => {
  test('order takes numbers only, exactly', () => {
    expectAll(logWith({ a: '9007199254740993', h: '0x1F', f: '1e3', t: '12 ', n: '-0' }), {
      'a > 9007199254740992': true,
      'a <= 9007199254740992': false,
      'h > 30 and h < 0x20': true,
      'f >= 1000 and f <= 1000': true,
      't > 0 or t <= 0': false,
      'n >= 0': true,
      'a > val(f)': true,
      'a < val(f)': false,
    })
  })

  test('text: case counts but for icontains, iglob and tolower, which know ASCII', () => {
    expectAll(logWith({ a: 'Fehler ÄÖ' }), {
      'a icontains FEHLER': true,
      'a contains fehler': false,
      'a icontains äö': false,
      'a iglob FEHL*': true,
      'tolower(a) = "fehler ÄÖ"': true,
      'toupper(a) startswith FEHLER': true,
    })
  })

  test.for<[glob: string, yes: string[], no: string[]]>([
    ['*', ['', 'x', 'a/b'], []],
    ['a*b*c', ['abc', 'axxbxxc', 'abcbc'], ['abcb', 'xabc']],
    ['?', ['x', '用'], ['', 'xy']],
    ['[a-c]x[!0-9]', ['bxx', 'axé'], ['dxx', 'ax5', 'ax']],
    ['[]a]', [']', 'a'], ['b']],
    ['[[:digit:]]*', ['5x'], ['x5']],
    ['\\*x', ['*x'], ['xx']],
    ['[a', ['[a'], ['a']],
    ['*.log', ['a.log', '.log', 'a.log.log'], ['a.log.gz']],
    ['**a', ['a', 'bba'], ['ab']],
  ])('glob %s', ([glob, yes, no]) => {
    const matches = (value: string) => holds(expressionOf(`v glob ${glob}`), logWith({ v: value }))
    expect(yes.filter((value) => !matches(value))).toEqual([])
    expect(no.filter(matches)).toEqual([])
  })

  test('pmatch compares whole components and does not mind slashes', () => {
    expectAll(logWith({ p: '/opt//dir/x', rel: 'opt/dir' }), {
      'p pmatch (/opt/dir)': true,
      'p pmatch (/opt/di)': false,
      'p pmatch (/opt/dir/x/y)': false,
      'p pmatch (/opt/*/x)': true,
      'p pmatch (/a, /opt/d?r/)': true,
      'p pmatch (/*)': true,
      'p pmatch ()': false,
      'rel pmatch (/opt)': true,
    })
  })

  test('regex takes the whole value, matches a part; both take linear time', () => {
    const long = `${'a'.repeat(200_000)}!`
    expectAll(logWith({ a: 'x\ny', long }), {
      'a regex "x.y"': false,
      'a regex "(?s)x.y"': true,
      'a regex x': false,
      'a matches "^x$"': false,
      'a matches "(?m)^x$"': true,
      'long regex "(a+)+"': false,
      'long matches "(a|aa)+$"': false,
    })
  })

  test('cidr takes addresses of both kinds', () => {
    expectAll(
      logWith({ v4: '10.1.2.3', v6: '2001:DB8::1', mapped: '::ffff:10.1.2.3', no: '10.1.2', port: '10.1.2.3:80' }),
      {
        'v4 cidr (10.0.0.0/8)': true,
        'v4 cidr (10.1.2.3)': true,
        'v4 cidr (10.1.2.4/32)': false,
        'v6 cidr (2001:db8::/32)': true,
        'mapped cidr (10.0.0.0/8)': true,
        'no cidr (0.0.0.0/0)': false,
        'port cidr (0.0.0.0/0)': false,
      },
    )
  })

  test('severity knows the names of Falco and of syslog', () => {
    const names = ['Emergency', 'ALERT', 'crit', 'err', 'Warn', 'notice', 'Informational', 'debug']
    for (const [severity, name] of names.entries()) {
      expectAll(logWith({ s: name }), { [`severity(s) = ${severity}`]: true })
    }
    expectAll(logWith({ s: 'info', u: 'fatal', l: '["debug","fatal","error"]' }), {
      'severity(s) <= 6 and severity(s) > 5': true,
      'severity(u) exists': false,
      'severity(l) exists': false,
      'severity(["l"][0]) = 7': true,
    })
  })

  test('functions go over lists, and into one another', () => {
    expectAll(logWith({ j: '{"l":["/a/B","/c/D"],"s":["debug","fatal","error"],"u":["x"]}' }), {
      'tolower(basename(j.l)) in (b, d)': true,
      'basename(j.l) = D': true,
      'len(j.l) = 2': true,
      'len(basename(j.l[0])) = 1': true,
      'severity(j.s) in (7, 3)': true,
      'severity(j.u) exists': false,
    })
  })

  test('val compares two fields; of lists, some element with some other', () => {
    expectAll(logWith({ a: 'x', b: 'x', j: '{"l":["x","y"],"m":["y","z"],"n":["q"]}' }), {
      'a = val(b)': true,
      'a != val(b)': false,
      'toupper(a) = val(toupper(b))': true,
      'a = val(j.l)': true,
      'j.l = val(j.m)': true,
      'j.l = val(j.n)': false,
      'j.l != val(j.n)': true,
    })
  })
})

describe('for a group', () => {
  const log = logOf([content('a', '1')], GROUP)
  const decide = (text: string) => decideForGroup(expressionOf(text), log.group)

  test.for<[text: string, decided: boolean | string]>([
    ['__topic__ = audit', true],
    ['__topic__ = other and a = 1', false],
    ['__topic__ = audit or a = 1', true],
    ['not __tag__:host startswith web', false],
    ['@project = p and @shard < 4 and not @source = x', true],
    ['__topic__ = audit and a = 1', 'a = 1'],
    ['__topic__ = x or not (a = 1 or __source__ = y)', 'not a = 1'],
    ['(a = 1 or __topic__ = x) and (b = 2 or __topic__ = audit)', 'a = 1'],
    ['a = 1 and b = 2', 'a = 1 and b = 2'],
    ['@time > 0', '@time > 0'],
    ['@size > 0', '@size > 0'],
    ['__topic__ = val(a)', '__topic__ = val(a)'],
    ['__topic__ = val(__source__)', false],
    ['a = 1 and (b = 2 or c = 3) and __topic__ exists', 'a = 1 and (b = 2 or c = 3)'],
  ])('%s', ([text, decided]) => {
    const plain = (value: unknown) =>
      JSON.stringify(value, (key, part) => (key === 'text' || key === 'offset' ? undefined : part))
    expect(plain(decide(text))).toEqual(plain(typeof decided === 'string' ? expressionOf(decided) : decided))
  })
})

test('explained: every comparison with what it found, and the same answer', () => {
  const log = logWith({ status: '404', groups: '{"l":["a","b"]}' })
  const { holds: answer, outcomes } = explain(
    expressionOf('status = 404 or not tolower(nope) in (x) and groups.l = val(status)'),
    log,
  )
  expect(answer).toBe(true)
  expect(
    outcomes.map(({ text, holds, found }) => ({
      text,
      holds,
      found: found.map(({ field, value }) => `${field}: ${value?.texts.map(String).join(' ')}`),
    })),
  ).toEqual([
    { text: 'status = 404', holds: true, found: ['status: 404'] },
    { text: 'tolower(nope) in (x)', holds: false, found: ['tolower(nope): undefined'] },
    { text: 'groups.l = val(status)', holds: false, found: ['groups.l: a b', 'status: 404'] },
  ])
})
