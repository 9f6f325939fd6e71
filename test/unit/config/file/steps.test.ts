import { describe, expect, test } from 'vitest'
import { mmdb } from '../../../support/mmdb.ts'
import { accepted, fileOf, told } from './given-file.ts'

/** A file with one step, in line 4. */
const withStep = (step: string) => fileOf({ routes: `[{name: all, to: splunk, shape: [${step}]}]` })

describe('replace is refused', () => {
  test.each([
    ['{field: a, matches: "(?<=x)b", with: c}', /4:72 .*\.matches: invalid or unsupported: .*look-behind/],
    ['{field: a, matches: "(b)", with: "x$2"}', /4:87 .*\.with: there is no group 2; a dollar is written \$\$$/],
    ['{field: a, matches: b, with: $1}', /4:81 .*\.with: there is no group 1/],
    ['{field: a, with: c}', /4:\d+ .*\.matches: is required and not set$/],
  ])('at the place of the mistake: %s', (step, problem) => {
    expect(told(withStep(`{replace: ${step}}`))).toEqual([expect.stringMatching(problem)])
  })
})

describe('grok', () => {
  const folder = { 'patterns/own': '# Ours.\nTICKET [A-Z]+-%{POSINT}\n\nBROKEN a(\n', 'patterns/.hidden': 'TICKET x\n' }

  test('has patterns of the user in a folder beside the file', () => {
    const { config } = accepted(withStep('{grok: {field: a, match: "%{TICKET:ticket}", patterns_dir: patterns}}'), {
      files: folder,
    })
    const [step] = config.routing.routes[0]?.shape ?? []
    if (step?.name !== 'grok' || !step.match[0] || 'as' in step.match[0]) throw new Error('no pattern')
    expect(step.match[0].match('see ABC-12')).toEqual([['ticket', 'ABC-12']])
  })

  test.each([
    ['%{COMBINEDAPACHELOG}', 'apache_combined'],
    ['^%{HTTPD_COMMONLOG}', 'apache_common'],
    ['%{COMBINEDAPACHELOG} %{WORD:x}', undefined],
    ['%{COMBINEDAPACHELOG:all}', undefined],
  ])('%s has the parser %s', (pattern, as) => {
    const { config } = accepted(withStep(`{grok: {field: a, match: ["%{IP}", "${pattern}"]}}`))
    const [step] = config.routing.routes[0]?.shape ?? []
    if (step?.name !== 'grok') throw new Error('no step')
    expect(step.match.map((one) => ('as' in one ? one.as : undefined))).toEqual([undefined, as])
  })

  test('has no parser for a pattern that the user replaced', () => {
    const { config } = accepted(withStep('{grok: {field: a, match: "%{COMMONAPACHELOG}", patterns_dir: [p]}}'), {
      files: { 'p/x': 'HTTPDUSER [a-z]+\n' },
    })
    expect(config.routing.routes[0]?.shape).toEqual([
      expect.objectContaining({ match: [expect.not.objectContaining({ as: expect.anything() })] }),
    ])
  })

  test.each([
    ['{field: a, match: "x %{IPP:a}"}', /^4:70 .*grok\.match\[0\]: there is no pattern IPP; did you mean IP\?$/],
    [
      '{field: a, match: ["%{IP}", "a(?!b)"]}',
      /^4:79 .*grok\.match\[1\]: invalid or unsupported: \(\?! \(RE2 has no look-ahead\)$/,
    ],
    [
      '{field: a, match: "%{BROKEN}", patterns_dir: [patterns]}',
      /^4:68 .*: missing closing \) \(in BROKEN, patterns\/own:4\)$/,
    ],
    [
      '{field: a, match: "%{IP}", patterns_dir: [patterns, none]}',
      /^4:\d+ .*patterns_dir\[1\]: cannot be read: ENOENT/,
    ],
    ['{field: a}', /grok\.match: is required and not set$/],
  ])('is refused at the place of the mistake: %s', (step, problem) => {
    expect(told(withStep(`{grok: ${step}}`), { files: folder })).toEqual([expect.stringMatching(problem)])
  })
})

describe('geoip', () => {
  const CITY = mmdb({ '203.0.113.0/24': { city: { names: { en: 'Hangzhou' } } } })

  test('opens a database beside the file', () => {
    const { config } = accepted(withStep('{geoip: {field: clientip, database: city.mmdb}}'), {
      files: { 'city.mmdb': CITY },
    })
    expect(config.routing.routes[0]?.shape).toMatchObject([{ name: 'geoip', into: 'geo', onFailure: 'keep' }])
  })

  test.each([
    ['none.mmdb', /^4:\d+ .*geoip\.database: cannot be used: ENOENT/],
    ['broken.mmdb', /^4:\d+ .*geoip\.database: cannot be used: it is no MaxMind database, or is not whole$/],
    ['.', /^4:\d+ .*geoip\.database: cannot be used: it is a directory, not a regular file$/],
  ])('refuses the database %s', (database, problem) => {
    const files = { 'broken.mmdb': CITY.subarray(0, CITY.length - 40) }
    const step = `{geoip: {field: a, database: ${database}}}`
    expect(told(withStep(step), { files })).toEqual([expect.stringMatching(problem)])
  })
})
