import { isatty } from 'node:tty'
import { setFlagsFromString } from 'node:v8'
import type { Command } from './cli/command.ts'
import { EXIT } from './cli/command.ts'

/** Every command of `sls-siem-bridge`, loaded only when it is asked for. */
const COMMANDS: Record<string, { summary: string; load: () => Promise<Command> }> = {
  run: {
    summary: 'run one replica until SIGTERM or SIGINT',
    load: async () => {
      keepHeapSmall()
      return (await import('./cli/run.ts')).runCommand
    },
  },
  check: {
    summary: 'validate the configuration and preflight both ends; ingests nothing',
    load: async () => (await import('./cli/check.ts')).checkCommand,
  },
  lag: {
    summary: 'table of shards: owner, checkpoint, lag, state',
    load: async () => (await import('./cli/lag.ts')).lagCommand,
  },
  reconcile: {
    summary: 'logs wanted in SLS against events in the SIEM: missing, duplicated, dead-lettered',
    load: async () => (await import('./cli/reconcile.ts')).reconcileCommand,
  },
  'dead-letter': {
    summary: 'list or replay the events the SIEM refused',
    load: async () => (await import('./cli/dead-letter.ts')).deadLetterCommand,
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
}

/**
 * For a heap that holds little, beside pulls and batches that are bytes outside of it but count like objects: V8 would let
 * both grow before it looks. Before anything is loaded, since the young generation never shrinks from what loading made of it.
 * Measured: docs/performance.md, "Memory".
 */
function keepHeapSmall(): void {
  // Small, the young generation is cleaned often, and with it what came from sockets: seldom anything is left for the old one.
  setFlagsFromString('--semi-space-growth-factor=1')
  // With 20 the old generation was marked five times a second at full speed: 30 % of all CPU.
  setFlagsFromString('--heap-growing-percent=50')
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

/** Aborted by the first SIGTERM or SIGINT; the second SIGINT leaves at once, whatever is under way. */
function endSignal(): AbortSignal {
  const end = new AbortController()
  let interrupts = 0
  process.on('SIGTERM', () => end.abort())
  process.on('SIGINT', () => {
    if (++interrupts > 1) process.exit(130)
    end.abort()
  })
  // Node takes back that nohup had SIGHUP ignored, so the terminal's end would be ours. Who has no terminal does not hang up.
  if (![0, 1, 2].some(isatty)) process.on('SIGHUP', () => {})
  return end.signal
}

/** Who read our output has seen enough (`| head`). What goes to standard error is nobody's result. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit()
  })
}

async function main(argv: string[]): Promise<number> {
  endWithReader()
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
  return run(rest, { env: process.env, stdout: process.stdout, stderr: process.stderr, signal: endSignal() })
}

/**
 * Started by bin/sls-siem-bridge.cjs on an older Node: when that process dies, even by SIGKILL, this one must die alike, or a
 * "killed" replica would go on working unseen. Returns what lets go of the launcher at a regular end.
 */
function followLauncher(): () => void {
  if (!process.env['SLS_SIEM_BRIDGE_LAUNCHED'] || !process.connected) return () => {}
  const die = (): void => {
    process.kill(process.pid, 'SIGKILL')
  }
  process.on('disconnect', die)
  return () => {
    process.off('disconnect', die)
    process.disconnect?.()
  }
}

// The vendor's HTTP layer obeys it by printing whole requests and answers, keys included.
delete process.env['DEBUG']
const letGo = followLauncher()
const code = await main(process.argv.slice(2))
process.exitCode = code
letGo()
// A regular end leaves nothing running. If something does hang (a file system that does not answer), the process still ends.
setTimeout(() => process.exit(code), LINGER_MS).unref()
