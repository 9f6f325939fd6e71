import { escaped, onOneLine } from '../core/text.ts'
import { command, EXIT } from './command.ts'
import { trialConfigurationOf } from './configuration.ts'
import type { Tested } from './trial/tests.ts'
import { runTests } from './trial/tests.ts'

const HELP = `Run the tests of the configuration file, without a connection.

usage: sls-siem-bridge test [--config FILE]

  --config FILE   the configuration file (default: BRIDGE_CONFIG)
  --help

For a test that fails it shows the log, the decision of each route with its comparisons, and what differs.

Exit code 0: all pass, or there are none; 1: a test failed; 2: the file is wrong.
`

export const testCommand = command({
  name: 'test',
  help: HELP,
  configured: true,
  options: {},
  async run(_, io) {
    const config = await trialConfigurationOf(io)
    const tested = runTests(config)
    for (const one of tested) io.stdout.write(asText(one))
    const failed = tested.filter(({ differences }) => differences.length > 0).length
    io.stdout.write(`${summary(tested.length, failed)}\n`)
    return failed === 0 ? EXIT.done : EXIT.failed
  },
})

function summary(all: number, failed: number): string {
  if (all === 0) return 'no tests'
  return failed === 0 ? `${all} passed` : `${failed} of ${all} failed`
}

function asText({ test, way, differences }: Tested): string {
  if (differences.length === 0) return `ok    ${onOneLine(test.name)}\n`
  const lines = [
    `FAIL  ${onOneLine(test.name)} (${test.place})`,
    `      source ${test.source}, log ${JSON.stringify(Object.fromEntries(test.log))}`,
    ...way.map((line) => `      ${line}`),
    ...differences.map((line) => `      → ${line}`),
  ]
  return `${lines.map(escaped).join('\n')}\n`
}
