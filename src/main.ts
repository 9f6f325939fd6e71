import { close as closeDebugger, url as debuggerUrl } from 'node:inspector'
import { setImmediate } from 'node:timers/promises'
import { isatty } from 'node:tty'
import { setFlagsFromString } from 'node:v8'
import type { Command } from './cli/command.ts'

refuseOldNode()

// Nothing of ours is imported before the handlers are there: until then a signal kills the process.
const end = endSignal()
refuseDebugger()

/** The commands of `sls-siem-bridge`. Only the one that runs is loaded. */
const COMMANDS: Record<string, { summary: string; load: () => Promise<Command> }> = {
  run: {
    summary: 'run one replica until SIGTERM or SIGINT',
    load: async () => {
      keepHeapSmall()
      return (await import('./cli/run.ts')).runCommand
    },
  },
  check: {
    summary: 'validate the configuration and try both ends; ingests nothing',
    load: async () => (await import('./cli/check.ts')).checkCommand,
  },
  test: {
    summary: 'run the tests of the configuration file',
    load: async () => (await import('./cli/test.ts')).testCommand,
  },
  explain: {
    summary: 'the way of one log: every route, every comparison, and the bytes that would leave',
    load: async () => (await import('./cli/explain.ts')).explainCommand,
  },
  lag: {
    summary: 'table of shards: owner, checkpoint, lag, state',
    load: async () => (await import('./cli/lag.ts')).lagCommand,
  },
  reconcile: {
    summary: 'compare wanted logs in SLS with events in the SIEM: missing, duplicated, dead-lettered',
    load: async () => (await import('./cli/reconcile.ts')).reconcileCommand,
  },
  'dead-letter': {
    summary: 'list or replay the events that the SIEM refused',
    load: async () => (await import('./cli/dead-letter.ts')).deadLetterCommand,
  },
  schema: {
    summary: 'JSON Schema of the configuration file, for editors',
    load: async () => (await import('./cli/schema.ts')).schemaCommand,
  },
  demo: {
    summary: 'the whole job on this machine, with a kill -9 half way and a ledger at the end',
    load: async () => (await import('./cli/demo.ts')).demoCommand,
  },
  produce: {
    summary: 'write generated or file logs into a logstore',
    load: async () => (await import('./cli/produce.ts')).produceCommand,
  },
  emulator: {
    summary: 'an SLS emulator for real clients',
    load: async () => (await import('./cli/emulator.ts')).emulatorCommand,
  },
  'hec-receiver': {
    summary: 'a Splunk HEC receiver for real clients',
    load: async () => (await import('./cli/hec-receiver.ts')).hecReceiverCommand,
  },
  'syslog-receiver': {
    summary: 'a syslog collector, also with RELP, for real senders',
    load: async () => (await import('./cli/syslog-receiver.ts')).syslogReceiverCommand,
  },
}

/**
 * The heap holds little. Pulls and batches are bytes outside of it that count like objects, and V8 would let both grow before
 * it collects. The flags are set before anything is loaded, because the young generation never shrinks from the size that
 * loading gives it. Measured: docs/performance.md, "Memory".
 */
function keepHeapSmall(): void {
  // A small young generation is collected often, with the buffers of sockets, so little reaches the old generation.
  setFlagsFromString('--semi-space-growth-factor=1')
  // With 20, V8 marked the old generation five times a second at full speed: 30 % of all CPU.
  setFlagsFromString('--heap-growing-percent=50')
}

/** Before anything is loaded that an older Node does not have. The launcher finds a Node that does. */
function refuseOldNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 24 || (major === 24 && minor >= 12)) return
  process.stderr.write(
    `sls-siem-bridge needs Node 24.12 or newer: this is ${process.version}. Start the command sls-siem-bridge instead of dist/main.js: it finds the Node that npm brought.\n`,
  )
  process.exit(1)
}

const LINGER_MS = 3_000

function usage(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length))
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'Carries audit logs from Alibaba Cloud Log Service (SLS) into your SIEM; checkpoints only what the SIEM acknowledged.',
    '',
    'usage: sls-siem-bridge <command> [options]      sls-siem-bridge <command> --help',
    '',
    ...lines,
    '',
    'exit codes: 0 done, 1 failed, 2 wrong usage or configuration',
    '',
  ].join('\n')
}

/** Aborted by the first SIGTERM or SIGINT, however early. The second SIGINT ends the process at once. */
function endSignal(): AbortSignal {
  const end = new AbortController()
  let interrupts = 0
  process.on('SIGTERM', () => end.abort())
  process.on('SIGINT', () => {
    if (++interrupts > 1) process.exit(130)
    end.abort()
  })
  // nohup ignores SIGHUP, but Node undoes this, so the end of the terminal would end us. Without a terminal we ignore it again.
  if (![0, 1, 2].some(isatty)) process.on('SIGHUP', () => {})
  return end.signal
}

function onHangup(listener: () => void): void {
  process.on('SIGHUP', listener)
}

/** pm2 waits for this word, and so does whoever forks us. A parent that is gone needs no word. */
function ready(): void {
  process.send?.('ready', undefined, undefined, () => {})
}

/**
 * On SIGUSR1 Node opens its debugger, and with it keys and tokens to every user of this machine. A listener takes the signal.
 * Node may have taken one before this line runs; the flag --disable-sigusr1, where we start Node ourselves, prevents that.
 */
function refuseDebugger(): void {
  process.on('SIGUSR1', () => {})
  const wanted = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((option) => option.includes('--inspect'))
  if (debuggerUrl() !== undefined && !wanted) closeDebugger()
}

/**
 * Aborted when the reader of our output closes it (`| head`). That is no error, and says nothing about the command's success:
 * later output is lost, and its exit code stays its own. A disk that is full is an error like others. Standard error
 * carries no results, so its errors do not count.
 */
function endOfReader(): AbortSignal {
  const gone = new AbortController()
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return gone.abort()
    process.stderr.write(`sls-siem-bridge: the output cannot be written: ${error.message}\n`)
    process.exit(1)
  })
  process.stderr.on('error', () => {})
  return gone.signal
}

async function main(argv: string[]): Promise<number> {
  const readerGone = endOfReader()
  const { EXIT } = await import('./cli/command.ts')
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage())
    return name === undefined ? EXIT.usage : EXIT.done
  }
  if (name === '--version') {
    process.stdout.write(`${(await import('./version.ts')).VERSION}\n`)
    return EXIT.done
  }
  const command = COMMANDS[name]
  if (!command) {
    process.stderr.write(`sls-siem-bridge: there is no command "${name}"\n\n${usage()}`)
    return EXIT.usage
  }
  const run = await command.load()
  // A signal that came meanwhile is heard in the next round of the event loop. This one may have looked already.
  await setImmediate()
  await setImmediate()
  return run(rest, {
    env: given,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: end,
    readerGone,
    onHangup,
    ready,
  })
}

/**
 * On an older Node, bin/sls-siem-bridge.cjs starts this process as its child. When the launcher dies, even by SIGKILL, this
 * process must die too, or a "killed" replica would go on working. Returns a function that detaches from the launcher.
 */
function followLauncher(): () => void {
  const die = (): void => {
    process.kill(process.pid, 'SIGKILL')
  }
  if (process.env['SLS_SIEM_BRIDGE_LAUNCHED']) process.on('disconnect', die)
  return () => {
    process.off('disconnect', die)
    // A channel of pm2's cluster mode would keep this process.
    if (process.connected) process.disconnect()
  }
}

const given = { ...process.env }
// With DEBUG set, the vendor's HTTP layer prints whole requests and answers, keys included.
delete process.env['DEBUG']
// It would end the verification of certificates in every library that does not ask for it. `run` and `check` say so.
delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
const letGo = followLauncher()
const code = await main(process.argv.slice(2))
process.exitCode = code
letGo()
// At a regular end nothing is left running. The process ends even if something hangs, like a file system that does not answer.
setTimeout(() => process.exit(code), LINGER_MS).unref()
