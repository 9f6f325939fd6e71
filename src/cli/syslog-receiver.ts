import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { TlsOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { choice, text, wholeNumber } from '../config/parsers.ts'
import { messageOf } from '../core/errors.ts'
import type { SyslogFault, SyslogReceiver } from '../emulator/syslog/server.ts'
import { NOT_IMPLEMENTED, startSyslogReceiver } from '../emulator/syslog/server.ts'
import { command, defaulting, EXIT, endOf, optional, repeatable, UsageError } from './command.ts'
import { listenProblem } from './listen-error.ts'
import { tellReady } from './ready.ts'
import { jsonLinesTo } from './terminal.ts'

const HELP = `Receive messages as a syslog collector would, and write each as one line of JSON.

usage: sls-siem-bridge syslog-receiver [options]

  --transport T       tcp (default), tls, udp, relp or relp+tls
  --port N            port to listen on (default 0: a free one)
  --host ADDRESS      address to listen on (default 127.0.0.1)
  --framing F         octet (a length before each message), lf (a line end behind each), or auto (default): each message
                      that begins with a digit has a length, as rsyslog has it; RELP and UDP have no framing
  --cert FILE         certificate of this server in PEM, for tls and relp+tls; for a trial one that its senders trust by
                      SYSLOG_TLS_CA_FILE=cert.pem: openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem
                      -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1
  --key FILE          its key
  --client-ca FILE    ask for a client certificate of this authority, and refuse others
  --output FILE       append the messages to a file (default: standard output)
  --max-bytes N       longest message (default 10000000)
  --oversize HOW      what a longer one does: close the connection (default), split (the rest is a message of its own), or
                      truncate (the rest is thrown away; over RELP it is answered 200 all the same)
  --max-connections N one more is closed without being read (default 1000)
  --fault JSON        what the next connection does wrong; repeatable, each for one connection unless "times" says otherwise:
                        {"does": "fin", "afterMessages": 100}   closes before it has read everything
                        {"does": "late", "delayMs": 5000}       closes so long after the sender has closed
                        {"does": "deaf", "times": 0}            never closes, and never answers; all connections
                        {"does": "stop", "afterMessages": 100}  reads no more
                        {"does": "reset", "at": "poison"}       resets at a message that matches
                        {"does": "refuse", "at": "poison"}      RELP: answers 500
                        {"does": "serverclose"}                 RELP: closes the session
  --help

When ready it prints SYSLOG_URL as a NAME=value line, then an empty line. Runs until SIGTERM or SIGINT. It has no other
port, and nothing that a sender says changes what it does.

A line has receivedAt, from, header (rfc5424, rfc3164, or none), facility, severity, time, host, appName, procId, msgId,
structuredData and text. It reads RFC 5424 strictly: a header that is wrong has a "problem". Tests in JavaScript start
it without this command: docs/emulator.md.

Not implemented:
${NOT_IMPLEMENTED.map((line) => `  - ${line}`).join('\n')}
`

/** Runs a receiver until the signal. Exit 1 when the output can't be written any more. */
export const syslogReceiverCommand = command({
  name: 'syslog-receiver',
  help: HELP,
  options: {
    transport: defaulting('tcp', choice('tcp', 'tls', 'udp', 'relp', 'relp+tls')),
    port: defaulting('0', wholeNumber(0, 65_535)),
    host: defaulting('127.0.0.1', text),
    framing: defaulting('auto', choice('octet', 'lf', 'auto')),
    cert: optional(text),
    key: optional(text),
    clientCa: optional(text),
    output: optional(text),
    maxBytes: defaulting('10000000', wholeNumber(1, 1_000_000_000)),
    oversize: defaulting('close', choice('close', 'split', 'truncate')),
    maxConnections: defaulting('1000', wholeNumber(1, 1_000_000)),
    fault: repeatable(text),
  },
  async run({ transport: kind, cert, key, clientCa, output, maxBytes, fault, ...options }, io) {
    const isTls = kind === 'tls' || kind === 'relp+tls'
    const transport = kind === 'tls' ? 'tcp' : kind === 'relp+tls' ? 'relp' : kind
    const tls = tlsOf(kind, isTls, { cert, key, clientCa })
    const faults = fault.map(faultOf)
    const ended = new AbortController()
    let failure: Error | undefined
    let receiver: SyslogReceiver
    try {
      receiver = await startSyslogReceiver({
        ...{ ...options, transport, faults, keep: false, maxMessageBytes: maxBytes },
        ...(tls && { tls }),
        output: output ?? jsonLinesTo(io.stdout),
        onOutputFailed: (error) => {
          failure = error
          ended.abort()
        },
      })
    } catch (error) {
      if (error instanceof TypeError) throw new UsageError(`--${error.message}`)
      io.stderr.write(`sls-siem-bridge syslog-receiver: ${listenProblem(error)}\n`)
      return EXIT.usage
    }
    tellReady(io, receiver.environment())
    const end = AbortSignal.any([endOf(io), ended.signal])
    if (!end.aborted) await once(end, 'abort')
    await receiver.close()
    if (!failure || io.readerGone?.aborted) return EXIT.done
    io.stderr.write(`sls-siem-bridge syslog-receiver: the output can't be written any more: ${failure.message}\n`)
    return EXIT.failed
  },
})

interface TlsFiles {
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly clientCa: string | undefined
}

function tlsOf(kind: string, isTls: boolean, { cert, key, clientCa }: TlsFiles): TlsOptions | undefined {
  const given = [cert, key, clientCa].some((file) => file !== undefined)
  if (!isTls) {
    if (given) throw new UsageError(`--cert, --key and --client-ca are for tls and relp+tls, not for ${kind}`)
    return undefined
  }
  if (cert === undefined || key === undefined) throw new UsageError(`${kind} needs --cert and --key`)
  try {
    const own = { cert: readFileSync(cert), key: readFileSync(key) }
    const clients = clientCa === undefined ? {} : { ca: readFileSync(clientCa), requestCert: true }
    createSecureContext({ ...own, ...clients })
    return { ...own, ...clients }
  } catch (error) {
    throw new UsageError(`--cert, --key or --client-ca cannot be used: ${messageOf(error)}`)
  }
}

function faultOf(given: string): SyslogFault {
  try {
    const fault = JSON.parse(given) as SyslogFault & { at?: string }
    return typeof fault?.at === 'string' ? { ...fault, at: new RegExp(fault.at) } : fault
  } catch (error) {
    throw new UsageError(`--fault is no JSON with such a text: ${messageOf(error)}`)
  }
}
