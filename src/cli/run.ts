import cluster from 'node:cluster'
import type { Config } from '../config/model.ts'
import { formatProblems } from '../config/problems.ts'
import { Fault } from '../core/errors.ts'
import { onOneLine } from '../core/text.ts'
import type { LoadedAgain } from '../replica.ts'
import { runReplica } from '../replica.ts'
import type { CommandIo } from './command.ts'
import { command, EXIT, WrongConfiguration, withAdvice } from './command.ts'
import { configurationOf, exposedDotEnv, verificationRefused } from './configuration.ts'
import { CLUSTER_REFUSED, killedEarly } from './pm2.ts'

const HELP = `Run one replica: lease shards of the consumer group, deliver their logs, commit what was acknowledged.

usage: sls-siem-bridge run [--config FILE]

  --config FILE   the configuration file (default: BRIDGE_CONFIG): see docs/configuration-file.md
  --help

Without a file the environment and .env are its whole configuration: see docs/configuration.md, and begin with .env.example.
SIGHUP reads the configuration file again. Changed routes, lists, macros and shapes are used from the next pull on. A wrong
file is refused, and any other change needs a restart; the log says so. SIGHUP also opens LOG_FILE again.

A file is wrong, too, if one of its tests fails. Shards are leased only after all of them have passed.

Start more replicas to scale. With pm2's wait_ready a replica tells when it has joined its consumer groups.
SIGTERM or SIGINT drains, commits within SHUTDOWN_GRACE_SECONDS and exits with 0. A second SIGINT exits at once.

Exit code 1: start it again, because the cause may have passed. Exit code 2: somebody must change the configuration.
`

/** A supervisor starts a replica again after exit code 1, and not after 2. */
export const runCommand = command({
  name: 'run',
  help: HELP,
  configured: true,
  options: {},
  async run(_, io) {
    // The signal came while this module was loaded.
    if (io.signal.aborted) return EXIT.done
    const told = (text: string, code: number): number => {
      io.stderr.write(`${text}\n`)
      return code
    }
    if (cluster.isWorker) return told(CLUSTER_REFUSED, EXIT.usage)
    try {
      const { config, warnings, origin } = await testedConfigurationOf(io)
      const refused = verificationRefused(io)
      if (refused !== undefined) warnings.push(`${refused.found}. ${refused.advice}`)
      const exposed = exposedDotEnv()
      if (exposed !== undefined) warnings.push(exposed)
      warnings.push(...killedEarly(io.env, config.shutdownGraceMs))
      const reloading = { onHangup: io.onHangup ?? (() => {}), load: () => loadAgain(io) }
      const joined = io.ready ?? (() => {})
      return (await runReplica(config, { warnings, origin, joined, end: io.signal, reloading }))
        ? EXIT.done
        : EXIT.failed
    } catch (error) {
      if (error instanceof WrongConfiguration && error.passing)
        return told(`${error.message}\n\n${PASSING}`, EXIT.failed)
      if (!(error instanceof Fault)) throw error
      return told(`sls-siem-bridge: ${withAdvice(error)}`, error.kind === 'configuration' ? EXIT.usage : EXIT.failed)
    }
  },
})

/** Throws WrongConfiguration also if tests of the file fail: its author wanted logs to go another way than they would. */
async function testedConfigurationOf(io: CommandIo): Promise<{ config: Config; warnings: string[]; origin: string }> {
  const loaded = await configurationOf(io)
  // Most replicas have no tests, and need no memory for what runs them.
  if (loaded.config.tests.length === 0) return loaded
  const { runTests } = await import('./trial/tests.ts')
  const problems = runTests(loaded.config)
    .filter(({ differences }) => differences.length > 0)
    .map(({ test: { name, place }, differences }) => ({
      ...{ variable: 'test', place, value: onOneLine(name) },
      problem: `fails: ${differences.map(onOneLine).join('; ')}`,
      allowed: 'tests that pass; `sls-siem-bridge test` shows the decisions about each log',
    }))
  if (problems.length > 0) throw new WrongConfiguration(problems, formatProblems(problems))
  return loaded
}

async function loadAgain(io: CommandIo): Promise<LoadedAgain> {
  try {
    return await testedConfigurationOf(io)
  } catch (error) {
    if (!(error instanceof WrongConfiguration)) throw error
    return { refused: error.message }
  }
}

const PASSING = 'This may pass by itself. The exit code is 1, after which a supervisor starts the replica again.'
