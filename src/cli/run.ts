import { parseArgs } from 'node:util'
import { Fault, messageOf } from '../core/errors.ts'
import { runReplica } from '../replica.ts'
import type { CommandIo } from './command.ts'
import { EXIT } from './command.ts'
import { configurationOf } from './configuration.ts'

const HELP = `Run one replica: lease shards of the consumer group, deliver their logs, commit what was acknowledged.

usage: sls-siem-bridge run

Configured by the environment and .env alone: see docs/configuration.md, or .env.example for a start.
Scale by starting more of them. SIGTERM or SIGINT drains and commits within SHUTDOWN_GRACE_SECONDS and exits 0; a second
SIGINT leaves at once.
`

export async function runCommand(argv: string[], io: CommandIo): Promise<number> {
  let help: boolean
  try {
    help = parseArgs({ args: argv, options: { help: { type: 'boolean', default: false } } }).values.help
  } catch (error) {
    io.stderr.write(`sls-siem-bridge run: ${messageOf(error)} (see --help)\n`)
    return EXIT.usage
  }
  if (help) {
    io.stdout.write(HELP)
    return EXIT.done
  }
  const configuration = configurationOf(io)
  if (!configuration) return EXIT.usage
  const { config, warnings } = configuration
  try {
    return (await runReplica(config, warnings, io.signal)) ? EXIT.done : EXIT.failed
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    io.stderr.write(`sls-siem-bridge: ${error.message}${error.advice ? `\n  → ${error.advice}` : ''}\n`)
    return EXIT.usage
  }
}
