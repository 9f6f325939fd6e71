import pRetry from 'p-retry'
import { wholeNumber } from '../config/parsers.ts'
import type { Problem } from '../config/problems.ts'
import type { Single } from '../config/single.ts'
import { Fault } from '../core/errors.ts'
import { NO_TELEMETRY } from '../core/telemetry.ts'
import { onOneLine } from '../core/text.ts'
import { credentialSources, slsClient } from '../parts.ts'
import type { Check, Verdict } from './check/finding.ts'
import { hecChecks } from './check/hec.ts'
import { hostChecks } from './check/host.ts'
import { slsChecks } from './check/sls.ts'
import { command, defaulting, EXIT, flag, WrongConfiguration } from './command.ts'
import { singleConfigurationOf } from './configuration.ts'
import { mayPass } from './persistently.ts'

const HELP = `Validate the configuration and try both ends. Ingests nothing and commits nothing. Makes DEAD_LETTER_DIR and
the folder of LOG_FILE if they are missing.

usage: sls-siem-bridge check [--send-test-event] [--wait SECONDS] [--json]

  --send-test-event   also post one marked event and, if the token has acknowledgement, wait for it. Only this shows
                      whether the token may write to the index
  --wait SECONDS      try again after failures that may pass (not reachable, busy), for this time in total (default 0)
  --json              one JSON document: {"ok", "checks": [{"check", "verdict", "found", "advice", "code"}]};
                      advice and code are null if there is none
  --help

One line per check:
  ok    works
  warn  works, but needs a look
  FAIL  does not work; the next line says what to do
  skip  does not apply, or only a change would show it

It fits an init container: it ends, and the replica starts when nothing fails.

Exit code 0: ready to run; 1: a check failed; 2: the configuration itself is wrong.
`

const RETRY_MS = 2_000
const CONFIGURATION = { about: 'configuration' }

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
  options: { sendTestEvent: flag, wait: defaulting('0', wholeNumber(0, 999_999)), json: flag },
  async run({ sendTestEvent, wait, json }, io) {
    const lines: Line[] = []
    const tell = (line: Line): void => {
      lines.push(line)
      if (!json) io.stdout.write(asText(line))
    }
    const ended = (ok: boolean): number => {
      if (json) io.stdout.write(`${JSON.stringify({ ok, checks: lines })}\n`)
      return ok ? EXIT.done : EXIT.failed
    }
    let loaded: Awaited<ReturnType<typeof singleConfigurationOf>>
    try {
      loaded = await singleConfigurationOf(io)
    } catch (error) {
      // Standard error lists the problems, as for every command. A program that reads JSON gets them as failed checks.
      if (json && error instanceof WrongConfiguration) {
        for (const problem of error.problems) tell(asLine(problem))
        ended(false)
      }
      throw error
    }
    const { config, warnings } = loaded
    const where = `${config.sls.project}/${config.sls.logstore} → ${config.hec.urls.join(', ')}`
    tell(lineOf(CONFIGURATION, 'ok', where))
    for (const found of warnings) tell(lineOf(CONFIGURATION, 'warn', found))
    await runAll(config, { testEvent: sendTestEvent, deadline: performance.now() + wait * 1000 }, tell, io.signal)
    return ended(!io.signal.aborted && lines.every(({ verdict }) => verdict !== 'fail'))
  },
})

async function runAll(
  config: Single,
  { testEvent, deadline }: { testEvent: boolean; deadline: number },
  tell: (line: Line) => void,
  signal: AbortSignal,
): Promise<void> {
  const { sls, proxies } = config
  const credentials = credentialSources(NO_TELEMETRY)(sls)
  const client = slsClient({ source: sls, logstore: sls.logstore, proxies, telemetry: NO_TELEMETRY, credentials })
  const checks = [...slsChecks({ config, client, credentials }), ...hecChecks(config, testEvent), ...hostChecks(config)]
  const shut = new Set<string>()
  try {
    for (const check of checks) {
      if (check.behind !== undefined && shut.has(check.behind)) {
        // These checks would fail too, with less precise messages.
        if (check.opens !== undefined) shut.add(check.opens)
        tell(lineOf(check, 'skip', 'not tried, because of the failure above'))
        continue
      }
      const outcome = await outcomeOf(check, deadline, signal)
      if (signal.aborted) return
      if (outcome.verdict === 'fail' && check.opens !== undefined) shut.add(check.opens)
      tell(outcome)
    }
  } finally {
    await client.close()
  }
}

function lineOf({ about }: Pick<Check, 'about'>, verdict: Verdict, found: string, advice: string | null = null): Line {
  return { check: about, verdict, found, advice, code: null }
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
    return { ...lineOf(check, 'fail', error.message, error.advice), code: error.code }
  }
}

function asText({ check, verdict, found, advice }: Line): string {
  const shown = verdict === 'fail' ? 'FAIL' : verdict
  const first = `${shown.padEnd(4)}  ${check.padEnd(22)} ${onOneLine(found)}\n`
  return advice === null ? first : `${first}${' '.repeat(29)}→ ${onOneLine(advice)}\n`
}

function asLine({ variable, problem, allowed }: Problem): Line {
  const advice = allowed === undefined ? null : `allowed: ${allowed}`
  return { ...lineOf(CONFIGURATION, 'fail', `${variable} ${problem}`, advice), code: variable }
}
