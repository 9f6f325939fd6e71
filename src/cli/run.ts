import { Fault } from '../core/errors.ts'
import { runReplica } from '../replica.ts'
import { command, EXIT, withAdvice } from './command.ts'
import { configurationOf } from './configuration.ts'

const HELP = `Run one replica: lease shards of the consumer group, deliver their logs, commit what was acknowledged.

usage: sls-siem-bridge run

The environment and .env are its whole configuration: see docs/configuration.md, and begin with .env.example.
Start more replicas to scale. SIGTERM or SIGINT drains, commits within SHUTDOWN_GRACE_SECONDS and exits with 0. A second
SIGINT exits at once.
`

export const runCommand = command({
  name: 'run',
  help: HELP,
  options: {},
  async run(_, io) {
    const { config, warnings } = configurationOf(io)
    try {
      return (await runReplica(config, warnings, io.signal)) ? EXIT.done : EXIT.failed
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      io.stderr.write(`sls-siem-bridge: ${withAdvice(error)}\n`)
      return EXIT.usage
    }
  },
})
