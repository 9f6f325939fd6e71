import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Certificates } from './certificates.ts'
import { LIBRARIES, UNPACKED } from './debian.ts'
import { freePort, untilListening } from './listening.ts'

/** How rsyslog takes messages, each at a port of its own. */
const INPUTS = ['tcp', 'tls', 'tls-ossl', 'mtls', 'mtls-ossl', 'relp', 'relp-tls', 'relp-mtls'] as const
export type Input = (typeof INPUTS)[number]

/** One message as rsyslog understood it. */
export interface RsyslogRecord {
  input: string
  pri: string
  /** RFC 3339, with the digits that the message had. */
  ts: string
  /** When it came. */
  at: string
  host: string
  app: string
  sd: string
  msg: string
}

const PROPERTIES = {
  ...{ input: 'inputname', pri: 'pri', host: 'hostname', app: 'app-name', sd: 'structured-data', msg: 'msg' },
} as const

export interface RsyslogOptions {
  /** For its configuration, its working files and its output. */
  readonly folder: string
  /** Without them it has only the inputs without TLS. */
  readonly certificates?: Certificates
  /** Others are free ones. */
  readonly ports?: Partial<Record<Input, number>>
}

/**
 * Debian's rsyslog as a process of its own, with an input for each way. Its queue is direct: what it has answered, or has read
 * before it answers a FIN, is in its file.
 */
export class Rsyslog {
  readonly ports: Readonly<Partial<Record<Input, number>>>
  readonly #options: RsyslogOptions
  #child: ChildProcess | undefined
  #said = ''
  #runs = 0

  private constructor(options: RsyslogOptions, ports: Rsyslog['ports']) {
    this.#options = options
    this.ports = ports
  }

  /** Throws when `install.sh` has not unpacked it. The caller must end it. */
  static async start(options: RsyslogOptions): Promise<Rsyslog> {
    const inputs = options.certificates ? INPUTS : (['tcp', 'relp'] as const)
    const free = await Promise.all(inputs.map(async (input) => [input, await freePort()]))
    const rsyslog = new Rsyslog(options, { ...Object.fromEntries(free), ...options.ports })
    await rsyslog.run()
    return rsyslog
  }

  /** As `SYSLOG_URL` takes it. */
  url(input: Input): string {
    const scheme = { relp: 'relp', 'relp-tls': 'relp+tls', 'relp-mtls': 'relp+tls', tcp: 'tcp' } as const
    return `${scheme[input as 'tcp'] ?? 'tls'}://127.0.0.1:${this.ports[input]}`
  }

  /** Starts it (again) at the same ports, with a new file: one that was killed may leave half a line. */
  async run(): Promise<void> {
    const { folder } = this.#options
    this.#runs++
    writeFileSync(join(folder, 'rsyslog.conf'), configuration(this.#options, this.ports, this.#output(this.#runs)))
    const program = join(UNPACKED, 'usr/sbin/rsyslogd')
    if (!existsSync(program))
      throw new Error(`rsyslog is not unpacked: ${program}. Leave syslog out of CONFORMANCE to do without`)
    const files = ['-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'rsyslog.pid')]
    const child = spawn(program, ['-n', '-M', join(LIBRARIES[0], 'rsyslog'), ...files], {
      env: { ...process.env, LD_LIBRARY_PATH: LIBRARIES.join(':'), TZ: 'UTC' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    child.stderr.on('data', (text) => {
      this.#said += text
    })
    await untilListening(Object.values(this.ports), child, () => this.#said)
  }

  /** Ends it, if it runs. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
  }

  /** For so long it reads nothing, and ends nothing. */
  async pause(ms: number): Promise<void> {
    this.#child?.kill('SIGSTOP')
    await sleep(ms)
    this.#child?.kill('SIGCONT')
  }

  /** Everything in its files, in order. */
  records(): RsyslogRecord[] {
    return this.#outputs.flatMap((path) => {
      const lines = readFileSync(path, 'utf8').split('\n')
      return lines.flatMap((line) => (line.endsWith('}') ? [JSON.parse(line)] : []))
    })
  }

  get receivedBytes(): number {
    return this.#outputs.reduce((sum, path) => sum + statSync(path).size, 0)
  }

  /** Its complaints. */
  get said(): string {
    return this.#said
  }

  #output(run: number): string {
    return join(this.#options.folder, `rsyslog.${run}.jsonl`)
  }

  /** Those that are there: a run that got nothing has none. */
  get #outputs(): string[] {
    return Array.from({ length: this.#runs }, (_, run) => this.#output(run + 1)).filter(existsSync)
  }
}

function configuration({ folder, certificates }: RsyslogOptions, ports: Rsyslog['ports'], output: string): string {
  const { ca, server } = certificates ?? {}
  const driver = (name: string, more: string): string => `streamDriver.name="${name}" streamDriver.mode="1" ${more}`
  const relpTls = `tls="on" tls.caCert="${ca}" tls.myCert="${server?.cert}" tls.myPrivKey="${server?.key}"`
  const settings: Record<Input, [module: string, more: string]> = {
    tcp: ['imtcp', ''],
    tls: ['imtcp', driver('gtls', 'streamDriver.authMode="anon"')],
    'tls-ossl': ['imtcp', driver('ossl', 'streamDriver.authMode="anon"')],
    mtls: ['imtcp', driver('gtls', 'streamDriver.authMode="x509/name" permittedPeer=["client"]')],
    'mtls-ossl': ['imtcp', driver('ossl', 'streamDriver.authMode="x509/certvalid"')],
    relp: ['imrelp', ''],
    'relp-tls': ['imrelp', relpTls],
    'relp-mtls': ['imrelp', `${relpTls} tls.authMode="name" tls.permittedPeer=["client"]`],
  }
  const inputs = Object.entries(ports).map(([name, port]) => {
    const [module, more] = settings[name as Input]
    return `input(type="${module}" address="127.0.0.1" port="${port}" name="${name}" ruleset="out" ${more})`
  })
  const files = certificates
    ? `defaultNetstreamDriverCAFile="${ca}" defaultNetstreamDriverCertFile="${server?.cert}" defaultNetstreamDriverKeyFile="${server?.key}"`
    : ''
  const properties = Object.entries(PROPERTIES).map(
    ([outname, name]) => `property(outname="${outname}" name="${name}" format="jsonf")`,
  )
  return `global(workDirectory="${folder}" maxMessageSize="64k" net.enableDNS="off" parser.escapeControlCharactersOnReceive="off" ${files})
module(load="imtcp")
module(load="imrelp" tls.tlslib="openssl")
template(name="line" type="list" option.jsonf="on") {
  ${properties.join('\n  ')}
  property(outname="ts" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="at" name="timegenerated" dateFormat="rfc3339" format="jsonf")
}
ruleset(name="out" queue.type="direct") {
  action(type="omfile" file="${output}" template="line" action.resumeRetryCount="-1")
}
${inputs.join('\n')}
`
}
