import { text } from 'node:stream/consumers'
import { multiLine, printable } from '../config/parsers.ts'
import { escaped, escapedJson } from '../core/text.ts'
import { command, EXIT, optional, required } from './command.ts'
import { trialConfigurationOf } from './configuration.ts'
import { isTerminal } from './terminal.ts'
import { givenLog, placeOf } from './trial/given-log.ts'
import { leavingBytes } from './trial/leaving.ts'
import { tryText } from './trial/log.ts'
import { wayOf } from './trial/way.ts'

const HELP = `Show the way of one log: every route with each comparison, the value that it found and whether it holds, to the route
that took the log; then the bytes that would leave. Opens no connection.

usage: sls-siem-bridge explain [--config FILE] --source NAME [--logstore NAME] --log JSON

  --config FILE     the configuration file (default: BRIDGE_CONFIG; without one, the environment)
  --source NAME     the source that the log comes from; a dead-letter line names its own. With the environment alone: default
  --logstore NAME   a logstore of the source (default: the first)
  --log JSON        contents by name; __topic__, __source__, __tag__:K and __time__ (unix seconds, now if absent) give those.
                    A number, list or object becomes its JSON text. Or a line of a dead-letter file. "-": standard input
  --help

Exit code 0: done, also for a log that is dropped; 2: the file is wrong, the source is not known, or the log is no JSON.
`

export const explainCommand = command({
  name: 'explain',
  help: HELP,
  configured: true,
  options: { source: optional(printable), logstore: optional(printable), log: required(multiLine) },
  async run({ source: name, logstore: wanted, log: written }, io) {
    const given = givenLog(written === '-' && io.stdin ? await text(io.stdin) : written)
    const config = await trialConfigurationOf(io)
    const { source, logstore } = placeOf(config, { source: name, logstore: wanted }, given)
    const trial = tryText(config, source, logstore, given.log)
    io.stdout.write(`source ${source.name}, logstore ${source.project}/${logstore}\n`)
    for (const line of wayOf(trial)) io.stdout.write(`${line}\n`)
    const origin = { source: source.name, project: source.project, logstore, shard: 0, cursor: '' }
    for (const copy of trial.copies) {
      const { bytes, isJson } = leavingBytes(copy, config, origin)
      io.stdout.write(`→ ${copy.sink} (route ${copy.route})\n`)
      // A program gets the bytes that would leave. In a terminal they would act, so it gets the same text without them.
      const harmless = isJson ? escapedJson : escaped
      io.stdout.write(isTerminal(io.stdout) ? `${harmless(bytes.toString().trimEnd())}\n` : bytes)
    }
    return EXIT.done
  },
})
