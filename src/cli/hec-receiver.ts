import { once } from 'node:events'
import { matching, text, wholeNumber } from '../config/parsers.ts'
import type { HecReceiver } from '../emulator/hec/server.ts'
import { NOT_IMPLEMENTED, startHecReceiver } from '../emulator/hec/server.ts'
import { command, defaulting, EXIT, endOf, flag, optional, repeatable, UsageError } from './command.ts'
import { textOf } from './configuration.ts'
import { listenProblem } from './listen-error.ts'
import { tellReady } from './ready.ts'
import { jsonLinesTo } from './terminal.ts'

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
  --max-bytes N       refuse larger bodies with 413, measured before compression (default 33554432; Splunk's own is
                      838860800)
  --help

When ready it prints SPLUNK_HEC_URL and SPLUNK_HEC_TOKEN as NAME=value lines, then an empty line and CONTROL_SECRET. It does
not print a token that it took from the environment. Runs until SIGTERM or SIGINT.

While it runs, "curl URL/_receiver/state" shows its counts, and faults are scripted at URL/_receiver/faults. These answer
programs of this machine, and from elsewhere whoever shows CONTROL_SECRET: curl -H "x-control-secret: …".

It behaves as splunkd does: the events before a refused one are indexed, an ack is true once, and an unknown key of an
envelope drops data behind a 200. Tests in JavaScript start it without this command: docs/emulator.md.

Not implemented:
${NOT_IMPLEMENTED.map((line) => `  - ${line}`).join('\n')}
`

/** Of bodies that come at once. A single one may have as much as the user allows. */
const LEAST_PENDING_BYTES = 64 * 1024 * 1024
const tokenText = matching(/^\S+$/, 'text without white space')

/** Runs a receiver until the signal. Exit 1 when the output can't be written any more. */
export const hecReceiverCommand = command({
  name: 'hec-receiver',
  help: HELP,
  options: {
    port: defaulting('8088', wholeNumber(0, 65_535)),
    host: defaulting('127.0.0.1', text),
    token: optional(tokenText),
    ack: flag,
    ackDelayMs: defaulting('1000', wholeNumber(0, 86_400_000)),
    index: repeatable(text),
    searchToken: optional(tokenText),
    keepSeconds: optional(wholeNumber(0, 1e9)),
    output: optional(text),
    maxBytes: defaulting('33554432', wholeNumber(0, Number.MAX_SAFE_INTEGER)),
  },
  async run({ index, keepSeconds, output, maxBytes, ...others }, io) {
    const ended = new AbortController()
    let failure: Error | undefined
    let receiver: HecReceiver
    const { token: chosen, searchToken, ...options } = others
    const found = chosen === undefined ? textOf(io, 'SPLUNK_HEC_TOKEN') || undefined : undefined
    const token = chosen ?? found
    if (token !== undefined && /\s/.test(token)) throw new UsageError('SPLUNK_HEC_TOKEN must not hold white space')
    try {
      receiver = await startHecReceiver({
        ...options,
        ...(token !== undefined && { token }),
        ...(index.length > 0 && { indexes: index }),
        ...(searchToken !== undefined && { searchToken }),
        ...(keepSeconds !== undefined && { keepMs: keepSeconds * 1000 }),
        keep: searchToken !== undefined,
        output: output ?? jsonLinesTo(io.stdout),
        maxContentLength: maxBytes,
        maxPendingBytes: Math.max(LEAST_PENDING_BYTES, maxBytes),
        onOutputFailed: (error) => {
          failure = error
          ended.abort()
        },
      })
    } catch (error) {
      io.stderr.write(`sls-siem-bridge hec-receiver: ${listenProblem(error)}\n`)
      return EXIT.usage
    }
    const { SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN, ...ofSearch } = receiver.environment()
    // A token of the environment may be a real one, and standard output may be a log.
    const ofToken = found === undefined ? { SPLUNK_HEC_TOKEN } : {}
    tellReady(io, { SPLUNK_HEC_URL, ...ofToken, ...ofSearch }, receiver.controlSecret)
    const end = AbortSignal.any([endOf(io), ended.signal])
    if (!end.aborted) await once(end, 'abort')
    await receiver.close()
    if (!failure || io.readerGone?.aborted) return EXIT.done
    io.stderr.write(`sls-siem-bridge hec-receiver: the output can't be written any more: ${failure.message}\n`)
    return EXIT.failed
  },
})
