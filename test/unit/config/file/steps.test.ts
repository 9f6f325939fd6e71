import { describe, expect, test } from 'vitest'
import { fileOf, told } from './given-file.ts'

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
