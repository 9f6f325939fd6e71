import pRetry from 'p-retry'
import type { Config } from '../config/model.ts'
import { wholeNumber } from '../config/parsers.ts'
import type { Problem } from '../config/problems.ts'
import { Fault } from '../core/errors.ts'
import { escapedJson, onOneLine } from '../core/text.ts'
import { checksOf } from './check/ends.ts'
import type { Blamed, Check, Verdict } from './check/finding.ts'
import { routesFound } from './check/routes.ts'
import { command, defaulting, EXIT, flag, WrongConfiguration } from './command.ts'
import { configurationOf, verificationRefused } from './configuration.ts'
import { mayPass } from './persistently.ts'
import { runTests } from './trial/tests.ts'

const HELP = `Validate the configuration and try both ends. Ingests nothing and commits nothing. Makes DEAD_LETTER_DIR and
the folder of LOG_FILE if they are missing.

usage: sls-siem-bridge check [--config FILE] [--static] [--send-test-event] [--wait SECONDS] [--json]

  --config FILE       the configuration file (default: BRIDGE_CONFIG; without one, the environment)
  --static, -t        offline: only the configuration itself, and the tests of the file
  --send-test-event   also send one marked event to each URL, and wait for its acknowledgement if there is one. Only this
                      shows whether the token of HEC may write to the index, and whether a syslog port takes messages
  --wait SECONDS      try again after failures that may pass (not reachable, busy), for this time in total (default 0)
  --json              one JSON document: {"ok", "checks": [{"check", "verdict", "found", "advice", "code"}]};
                      advice and code are null if there is none
  --help

One line per check:
  ok    works
  warn  works, but needs a look
  FAIL  does not work; the next line says what to do
  skip  does not apply, or only a change would show it

The last line is the verdict: "ready", or "not ready: N failed" and what was not tried because of it.

It fits an init container: it ends, and the replica starts when nothing fails.

Exit code 0: ready to run; 1: a check failed; 2: the configuration itself is wrong.
`

const RETRY_MS = 2_000
const CONFIGURATION = { about: 'configuration' }
const ROUTES = { about: 'routes' }
const TESTS = { about: 'tests' }

interface Line {
  readonly check: string
  readonly verdict: Verdict
  readonly found: string
  readonly advice: string | null
  /** A stable code of the failure. The server's own code, if it has one. */
  readonly code: string | null
}

export const checkCommand = command({
  name: 'check',
  help: HELP,
  configured: true,
  options: {
    sendTestEvent: flag,
    wait: defaulting('0', wholeNumber(0, 999_999)),
    json: flag,
    static: { ...flag, short: 't' },
  },
  async run({ sendTestEvent, wait, json, static: offline }, io) {
    const lines: Line[] = []
    const tell = (line: Line): void => {
      lines.push(line)
      if (!json) io.stdout.write(asText(line))
    }
    const untried: Check[] = []
    const ended = (ok: boolean, failed = lines.filter(({ verdict }) => verdict === 'fail').length): number => {
      io.stdout.write(
        json ? `${escapedJson(JSON.stringify({ ok, checks: lines }))}\n` : `${verdictOf(ok, failed, untried)}\n`,
      )
      return ok ? EXIT.done : EXIT.failed
    }
    const { config, warnings, remarks, origin } = await configurationOf(io).catch((error: unknown) => {
      // Standard error lists the problems, as for every command. A program that reads JSON gets them as failed checks.
      if (error instanceof WrongConfiguration) {
        if (json) for (const problem of error.problems) tell(asLine(problem))
        ended(false, error.problems.length)
      }
      throw error
    })
    tell(lineOf(CONFIGURATION, 'ok', wayOf(config)))
    for (const found of [...warnings, ...remarks]) tell(lineOf(CONFIGURATION, 'warn', found))
    tell(lineOf({ about: 'settings' }, 'ok', origin))
    const refused = verificationRefused(io)
    if (refused !== undefined) tell(lineOf({ about: 'TLS' }, 'fail', refused.found, refused.advice))
    for (const found of routesFound(config)) tell(lineOf(ROUTES, 'ok', found))
    for (const line of testLines(config)) tell(line)
    if (!offline) {
      const deadline = performance.now() + wait * 1000
      untried.push(...(await runAll(config, { testEvent: sendTestEvent, deadline }, tell, io.signal)))
    }
    return ended(!io.signal.aborted && lines.every(({ verdict }) => verdict !== 'fail'))
  },
})

/** One for each test of the configuration file that fails, or one for all that pass. */
function testLines(config: Config): Line[] {
  const tested = runTests(config)
  const failed = tested.filter(({ differences }) => differences.length > 0)
  if (tested.length > 0 && failed.length === 0) return [lineOf(TESTS, 'ok', `${tested.length} passed`)]
  return failed.map(({ test, differences }) => ({
    ...lineOf(
      TESTS,
      'fail',
      `${test.place} ${test.name}: ${differences.join('; ')}`,
      'See its way: sls-siem-bridge test',
    ),
    code: 'test',
  }))
}

/** `trail, web → splunk, archive`, or the logstore and the URLs where there is one of each. */
function wayOf({ sources, sinks }: Config): string {
  const [source, ...others] = sources
  const [sink, ...more] = sinks
  const isOne = others.length + more.length === 0 && source?.logstores.length === 1
  if (isOne && sink !== undefined && sink.type !== 'file')
    return `${source.project}/${source.logstores[0]} → ${sink.urls.join(', ')}`
  const names = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name).join(', ')
  return `${names(sources)} → ${names(sinks) || 'nowhere'}`
}

async function runAll(
  config: Config,
  { testEvent, deadline }: { testEvent: boolean; deadline: number },
  tell: (line: Line) => void,
  signal: AbortSignal,
): Promise<Check[]> {
  const { checks, close } = checksOf(config, testEvent)
  const shut = new Set<string>()
  const blamed = new Set<string>()
  const untried: Check[] = []
  try {
    for (const check of checks) {
      if (check.behind !== undefined && shut.has(check.behind)) {
        // These checks would fail too, with less precise messages.
        if (check.opens !== undefined) shut.add(check.opens)
        // The failure may have this very name.
        if (blamed.has(nameOf(check, check.about))) continue
        untried.push(check)
        tell(lineOf(check, 'skip', 'not tried, because of the failure above'))
        continue
      }
      const outcome = await outcomeOf(check, deadline, signal)
      if (signal.aborted) break
      if (outcome.verdict === 'fail') {
        blamed.add(nameOf(check, outcome.check))
        if (check.opens !== undefined) shut.add(check.opens)
      }
      tell(outcome)
    }
    return untried
  } finally {
    await close()
  }
}

/** One name at one end. */
function nameOf({ end = '' }: Check, about: string): string {
  return `${end}\0${about}`
}

/** The last line of standard output. */
function verdictOf(ok: boolean, failed: number, untried: readonly Check[]): string {
  if (ok) return 'ready'
  if (failed === 0) return 'not ready: 0 failed; the command was ended before everything was tried'
  const ends = new Map<string, string[]>()
  for (const { end = '', about } of untried) ends.set(end, [...(ends.get(end) ?? []), about])
  const told = [...ends].map(([end, names]) => `${end === '' ? '' : `${end}: `}${names.join(', ')}`)
  return `not ready: ${failed} failed${told.length === 0 ? '' : `; not tried: ${told.join('; ')}`}`
}

function lineOf(
  check: Pick<Check, 'about' | 'end'>,
  verdict: Verdict,
  found: string,
  advice: string | null = null,
): Line {
  const { about, end } = check
  return { check: about, verdict, found: end === undefined ? found : `${end}: ${found}`, advice, code: null }
}

async function outcomeOf(check: Check, deadline: number, signal: AbortSignal): Promise<Line> {
  try {
    const { verdict, found, advice } = await pRetry(() => check.run(signal), {
      ...{ retries: Number.POSITIVE_INFINITY, minTimeout: RETRY_MS, factor: 1 },
      maxRetryTime: Math.max(0, deadline - performance.now()),
      signal,
      shouldRetry: ({ error }) => mayPass(error),
    })
    return lineOf(check, verdict, found, advice)
  } catch (error) {
    if (signal.aborted) return lineOf(check, 'skip', 'the command was ended')
    if (!(error instanceof Fault)) throw error
    const { about, advice }: Blamed = check.blames?.(error) ?? check
    const blamed = { about, ...(check.end !== undefined && { end: check.end }) }
    return { ...lineOf(blamed, 'fail', error.message, error.advice ?? advice), code: error.code }
  }
}

function asText({ check, verdict, found, advice }: Line): string {
  const shown = verdict === 'fail' ? 'FAIL' : verdict
  const first = `${shown.padEnd(4)}  ${check.padEnd(22)} ${onOneLine(found)}\n`
  return advice === null ? first : `${first}${' '.repeat(29)}→ ${onOneLine(advice)}\n`
}

function asLine({ place, variable, problem, allowed }: Problem): Line {
  const advice = allowed === undefined ? null : `allowed: ${allowed}`
  const found = [place, variable, problem].filter(Boolean).join(' ')
  return { ...lineOf(CONFIGURATION, 'fail', found, advice), code: variable }
}
