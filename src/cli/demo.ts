import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { choice, wholeNumber } from '../config/parsers.ts'
import { Fault, messageOf } from '../core/errors.ts'
import { command, defaulting, EXIT } from './command.ts'
import { ACTS } from './demo/acts.ts'
import { Stage } from './demo/stage.ts'

const HELP = `Show the whole job on this machine, without a cloud account. It takes about 25 seconds.

usage: sls-siem-bridge demo [--sink TYPE] [--logs N] [--seed N]

Each act starts the SLS emulator and its sinks on loopback, writes logs with @alicloud/log, runs bridge
replicas as real processes, and ends with a ledger for each sink.

  act 1: one logstore, one sink; one of two replicas is killed with SIGKILL half way
  act 2: two logstores, two sinks, three routes; one sink is killed while logs are written, and comes back

Exit code 0: nothing is missing at any sink. Ctrl-C ends it with what was counted so far, a second one at once.

  --sink TYPE  splunk_hec (default) plays the two acts above. syslog plays one: the collector reads no more, is killed
               with what it had not read, and comes back; one of two replicas is killed with SIGKILL meanwhile
  --logs N     number of logs to write (default 60000)
  --seed N     the same N generates the same logs (default 1)
  --help
`

export const demoCommand = command({
  name: 'demo',
  help: HELP,
  options: {
    sink: defaulting('splunk_hec', choice('splunk_hec', 'syslog')),
    logs: defaulting('60000', wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    seed: defaulting('1', wholeNumber(0, Number.MAX_SAFE_INTEGER)),
  },
  async run({ sink, logs, seed }, { stdout: out, signal: end }) {
    const folder = temporaryFolder()
    const remove = (): void => rmSync(folder, { recursive: true, force: true })
    // A second Ctrl-C ends the process without a `finally`.
    process.once('exit', remove)
    try {
      for (const [index, act] of ACTS[sink].entries()) {
        const share = Math.max(1, Math.round(logs * act.share))
        const done = await Stage.play({ act, logs: share, seed, folder: join(folder, `act-${index + 1}`), out, end })
        if (!done) return EXIT.failed
      }
      return EXIT.done
    } finally {
      remove()
      process.off('exit', remove)
    }
  },
})

const ROOM_BYTES = 1_000_000

/** A new one, on a disk with room for dead letters and configuration files. */
function temporaryFolder(): string {
  let folder: string | undefined
  try {
    folder = mkdtempSync(join(resolve(tmpdir()), 'sls-siem-bridge-demo-'))
    const trial = join(folder, 'room')
    writeFileSync(trial, Buffer.alloc(ROOM_BYTES))
    rmSync(trial)
    return folder
  } catch (error) {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    throw new Fault('configuration', `cannot make a temporary folder: ${messageOf(error)}`, {
      code: 'temporary_folder',
      advice: 'set TMPDIR to a folder that this user may write, on a disk with 1 MB of room',
    })
  }
}
