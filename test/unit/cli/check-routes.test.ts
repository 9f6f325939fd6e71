import { expect, test } from 'vitest'
import { routesFound } from '../../../src/cli/check/routes.ts'
import { accepted } from '../config/file/given-file.ts'

const KEYS = { SLS_AK_ID: 'i', SLS_AK_KEY: 'k', TOKEN: 'x' }

function foundFor(routes: string, source = ''): string[] {
  const text = `version: 1
sources:
  web: {endpoint: cn-hangzhou.log.aliyuncs.com, project: proj, logstore: [access, errors], group: siem${source}}
sinks: {splunk: {type: splunk_hec, url: "https://splunk.example.com:8088", token: "\${TOKEN}"}}
routes:
${routes}
`
  return routesFound(accepted(text, { env: KEYS }).config)
}

const REST = '  - {name: rest, to: splunk}'
const route = (name: string, when: string): string => `  - {name: ${name}, when: '${when}', to: splunk}\n${REST}`

test('a file with one plain route has nothing to tell', () => {
  expect(foundFor(REST)).toEqual([])
})

test.for([
  'status >= 500',
  'event.user.name in (root, admin)',
  'uri icontains X and not __topic__ = a',
  '@logstore = errors',
])('WebAssembly runs: %s', (when) => {
  expect(foundFor(route('own', when))).toEqual(['WebAssembly runs all of them'])
})

test.for<[when: string, part: string]>([
  ['status = 500 and msg matches x', 'matches'],
  ['not uri glob /api/*', 'glob'],
  ['client cidr (10.0.0.0/8) or a pmatch (/x)', 'cidr, pmatch'],
  ['tolower(user) = root', 'tolower()'],
])('%s: the logs that come to the part are slower', ([when, part]) => {
  expect(foundFor(route('own', when))).toEqual([
    `route own: TypeScript runs logs that come to ${part}, at about a twentieth of the speed`,
  ])
})

test('a source whose shape WebAssembly does not know is told with the reason, for each of its logstores', () => {
  const [access, errors, ...others] = foundFor(route('own', 'x exists'), ', shape: [{kv: {field: msg}}]')
  expect(access).toMatch(
    /^proj\/access: TypeScript runs all routes, at about a twentieth of the speed, because of .*kv/,
  )
  expect(errors).toMatch(/^proj\/errors: /)
  expect(others).toEqual([])
})

test('the speed of grok is told, except where a parser reads its lines', () => {
  const shaped = (match: string) =>
    foundFor(`  - {name: r, to: splunk, shape: [{grok: {field: msg, match: "${match}"}}]}`)
  const slow = 'route r: grok reads about 1,000 lines a second; parse is much faster where it has the shape'
  expect(shaped('%{SYSLOGLINE}')).toContain(slow)
  expect(shaped('%{COMBINEDAPACHELOG}')).not.toContain(slow)
})
