import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { messageOf } from '../core/errors.ts'
import type { HecReceiver, HecReceiverOptions } from '../emulator/hec/server.ts'
import { NOT_IMPLEMENTED, startHecReceiver } from '../emulator/hec/server.ts'
import type { CommandIo } from './command.ts'
import { EXIT } from './command.ts'

const HELP = `Receive events as a Splunk HTTP Event Collector (HEC) would, and write each envelope as one line of JSON.

usage: sls-siem-bridge hec-receiver [options]

  --port N            port to listen on (default 8088; 0 takes a free one)
  --host ADDRESS      address to listen on (default 127.0.0.1)
  --token TOKEN       the token clients must send (default: SPLUNK_HEC_TOKEN, else a new GUID)
  --ack               the token has indexer acknowledgement: requests need a channel, and clients poll for acks
  --ack-delay-ms N    with --ack: time from acceptance to acknowledgement (default 1000)
  --index NAME        an index the token may write to; repeatable, the first is the default (default: any, main)
  --search-token T    keep the events in memory and answer the searches of "reconcile" at SPLUNK_SEARCH_URL
  --keep-seconds N    with --search-token: forget events received longer ago (default: never)
  --output FILE       append the events to a file (default: standard output)
  --max-bytes N       refuse larger bodies with 413, measured before compression (default 838860800)
  --help

When ready it prints SPLUNK_HEC_URL and SPLUNK_HEC_TOKEN as NAME=value lines, then an empty line. Runs until SIGTERM or
SIGINT. While it runs, "curl URL/_receiver/state" shows its counts, and faults are scripted at
URL/_receiver/faults.

It behaves as splunkd does: the events before a refused one are indexed, an ack is true once, and an unknown key of an
envelope drops data behind a 200. Tests in JavaScript start it without this command: docs/emulator.md.

Not implemented:
${NOT_IMPLEMENTED.map((line) => `  - ${line}`).join('\n')}
`

const OPTIONS = {
  port: { type: 'string', default: '8088' },
  host: { type: 'string', default: '127.0.0.1' },
  token: { type: 'string' },
  ack: { type: 'boolean', default: false },
  'ack-delay-ms': { type: 'string', default: '1000' },
  index: { type: 'string', multiple: true },
  'search-token': { type: 'string' },
  'keep-seconds': { type: 'string' },
  output: { type: 'string' },
  'max-bytes': { type: 'string', default: '838860800' },
  help: { type: 'boolean', default: false },
} as const

/** Runs a receiver until the signal. Exit 1 when the output can't be written any more. */
export async function hecReceiverCommand(argv: string[], io: CommandIo): Promise<number> {
  const ended = new AbortController()
  let failure: Error | undefined
  let receiver: HecReceiver
  try {
    const options = optionsOf(argv, io)
    if (!options) {
      io.stdout.write(HELP)
      return EXIT.done
    }
    const onOutputFailed = (error: Error) => {
      failure = error
      ended.abort()
    }
    const keep = options.searchToken !== undefined
    receiver = await startHecReceiver({ ...options, keep, onOutputFailed })
  } catch (error) {
    io.stderr.write(`hec-receiver: ${explain(error)}\n`)
    return EXIT.usage
  }
  const lines = Object.entries(receiver.environment()).map(([name, value]) => `${name}=${value}\n`)
  io.stdout.write(`${lines.join('')}\n`)
  const end = AbortSignal.any([io.signal, ended.signal])
  if (!end.aborted) await once(end, 'abort')
  await receiver.close()
  if (!failure) return EXIT.done
  io.stderr.write(`hec-receiver: the output can't be written any more: ${failure.message}\n`)
  return EXIT.failed
}

/** `undefined` when only help was asked for. Throws what is wrong with the arguments. */
function optionsOf(argv: string[], io: CommandIo): HecReceiverOptions | undefined {
  const { values } = parseArgs({ args: argv, options: OPTIONS })
  if (values.help) return undefined
  const { 'keep-seconds': keepSeconds } = values
  const token = values.token ?? (io.env['SPLUNK_HEC_TOKEN'] || undefined)
  if (token !== undefined && !/^\S+$/.test(token)) throw new Error('--token must not be empty or hold white space')
  return {
    port: wholeNumber('--port', values.port, 65_535),
    host: values.host,
    ...(token === undefined ? {} : { token }),
    ack: values.ack,
    ackDelayMs: wholeNumber('--ack-delay-ms', values['ack-delay-ms'], 86_400_000),
    ...(values.index ? { indexes: values.index } : {}),
    ...(values['search-token'] ? { searchToken: values['search-token'] } : {}),
    ...(keepSeconds === undefined ? {} : { keepMs: wholeNumber('--keep-seconds', keepSeconds, 1e9) * 1000 }),
    output: values.output ?? io.stdout,
    maxContentLength: wholeNumber('--max-bytes', values['max-bytes'], Number.MAX_SAFE_INTEGER),
  }
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= max) return value
  throw new Error(`${name} must be a whole number from 0 to ${max}, not "${text}"`)
}

function explain(error: unknown): string {
  const { code, port, path } = error as NodeJS.ErrnoException & { port?: number }
  if (code === 'EADDRINUSE') return `port ${port} is taken; choose another with --port (0 takes a free one)`
  if (code === 'EACCES' && port !== undefined) return `port ${port} needs more rights; choose one above 1023`
  if (path !== undefined) return `can't write to ${path} (${code})`
  return messageOf(error)
}
