import type { Config } from '../config/model.ts'
import { escapedJson, onOneLine } from '../core/text.ts'
import { filesIn, ODD_ADVICE, readDeadLetters } from '../sinks/dead-letter-files.ts'
import type { DeadLetterLine } from '../sinks/dead-letter-line.ts'
import { sameLine } from '../sinks/dead-letter-line.ts'
import type { CommandIo } from './command.ts'
import { command, EXIT, flag } from './command.ts'
import { configurationOf, WITHOUT_FILE } from './configuration.ts'
import { replay } from './dead-letter/replay.ts'

const HELP = `List or replay the events that the SIEM refused for good, in DEAD_LETTER_DIR.

usage: sls-siem-bridge dead-letter list [--json] [--config FILE]
       sls-siem-bridge dead-letter replay [--config FILE]

  list     one line per event: time, reason, origin, and with a configuration file route and sink (--json: the whole
           entries)
  replay   deliver the events again without changes, each to the sink that refused it; fix the cause there first. A file
           is renamed to *.replayed when all of its events are settled. Events that are refused again go into a new
           dead-letter file. An event that is delivered twice keeps its sls_event_id. Replicas may run meanwhile. Exit
           code 1 if an event was refused again, its sink is no longer configured (it stays), a line is damaged, or a
           file is left, for example because another replay has it, or because its sink takes nothing for a minute.
  --help

Both read only regular files that this user, root or the owner of the folder has, and that nobody else may change.
Both read the settings of "run"; "list" does without those about the connection to the SIEM.
`

export const deadLetterCommand = command({
  name: 'dead-letter',
  help: HELP,
  configured: true,
  words: ['list', 'replay'],
  options: { json: flag },
  async run({ json }, io, word) {
    const { config } = await configurationOf(io, word === 'list' ? [] : undefined, WITHOUT_FILE)
    return word === 'list' ? list(config, json, io) : replay(config, io)
  },
})

async function list({ deadLetterDir }: Config, json: boolean, io: CommandIo): Promise<number> {
  for (const { path, odd } of await filesIn(deadLetterDir)) {
    if (odd !== undefined) io.stderr.write(`${onOneLine(`${path} is not read: ${odd}`)}\n  → ${ODD_ADVICE}\n`)
  }
  let letters = 0
  let damaged = 0
  for await (const { letter, problem, file, line } of readDeadLetters(deadLetterDir)) {
    if (problem !== undefined) {
      damaged++
      io.stderr.write(`${onOneLine(`${file}:${line}: ${problem}`)}\n`)
      continue
    }
    if (io.readerGone?.aborted) return EXIT.done
    letters++
    io.stdout.write(json ? `${escapedJson(sameLine(letter).toString())}\n` : `${summary(letter)}\n`)
  }
  io.stderr.write(`${letters} events in ${deadLetterDir}${damaged > 0 ? `, ${damaged} damaged lines` : ''}\n`)
  return EXIT.done
}

function summary({ at, reason, origin, event }: DeadLetterLine): string {
  const where = origin.event_id ?? `${origin.logstore} shard ${origin.shard} cursor ${origin.cursor}`
  const why = `${reason.code} ${reason.text} (HTTP ${reason.status ?? '-'})`
  const by = origin.sink === undefined ? '' : `  route ${origin.route ?? '-'}  sink ${origin.sink}`
  return onOneLine(`${at}  ${why}  ${where}${by}  ${Buffer.byteLength(event)} bytes`)
}
