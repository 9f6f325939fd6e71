import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Certificates } from './certificates.ts'
import { LIBRARIES, UNPACKED } from './debian.ts'
import { freePort, untilListening } from './listening.ts'

/** One message as syslog-ng understood it. */
export interface SyslogNgRecord {
  HOST: string
  PROGRAM: string
  /** Unix time with its fraction, in UTC. */
  AT: string
  SDATA: string
  MESSAGE: string
}

export type SyslogNgInput = 'tcp' | 'tls' | 'mtls' | 'lines'

/** Debian's syslog-ng as a process of its own: RFC 5424 with octet counts over TCP and TLS, and lines of RFC 3164. */
export class SyslogNg {
  readonly ports: Readonly<Record<SyslogNgInput, number>>
  readonly #folder: string
  readonly #child: ChildProcess
  #said = ''

  private constructor(folder: string, ports: SyslogNg['ports']) {
    this.#folder = folder
    this.ports = ports
    const program = join(UNPACKED, 'usr/sbin/syslog-ng')
    if (!existsSync(program))
      throw new Error(`syslog-ng is not unpacked: ${program}. Leave syslog out of CONFORMANCE to do without`)
    const files = ['-f', 'syslog-ng.conf', '-R', 'persist', '-c', 'control', '-p', 'pid'].map((word) =>
      word.startsWith('-') ? word : join(folder, word),
    )
    const modules = `--module-path=${join(UNPACKED, 'usr/lib/syslog-ng/3.38')}`
    this.#child = spawn(program, ['-F', '--no-caps', modules, ...files], {
      env: { ...process.env, LD_LIBRARY_PATH: LIBRARIES.join(':'), TZ: 'UTC' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child.stderr?.on('data', (text) => {
      this.#said += text
    })
  }

  /** The caller must end it. */
  static async start(folder: string, certificates: Certificates): Promise<SyslogNg> {
    const [tcp, tls, mtls, lines] = [await freePort(), await freePort(), await freePort(), await freePort()]
    const ports = { tcp, tls, mtls, lines }
    writeFileSync(join(folder, 'syslog-ng.conf'), configuration(folder, certificates, ports))
    const syslogNg = new SyslogNg(folder, ports)
    await untilListening(Object.values(ports), syslogNg.#child, () => syslogNg.#said)
    return syslogNg
  }

  /** As `SYSLOG_URL` takes it. */
  url(input: SyslogNgInput): string {
    return `${input.endsWith('tls') ? 'tls' : 'tcp'}://127.0.0.1:${this.ports[input]}`
  }

  async end(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    await closed
  }

  /** Everything from one input, in order. Complete after it was ended. */
  records(input: SyslogNgInput): SyslogNgRecord[] {
    const lines = readFileSync(join(this.#folder, `syslog-ng.${input}.jsonl`), 'utf8').split('\n')
    return lines.filter(Boolean).map((line) => JSON.parse(line))
  }
}

function configuration(folder: string, { ca, server }: Certificates, ports: SyslogNg['ports']): string {
  const files = `key-file("${server.key}") cert-file("${server.cert}") ca-file("${ca}")`
  const at = (input: SyslogNgInput, more: string): string => `ip(127.0.0.1) port(${ports[input]}) ${more}`
  const sources: Record<SyslogNgInput, string> = {
    tcp: `syslog(${at('tcp', 'transport("tcp")')})`,
    tls: `syslog(${at('tls', `transport("tls") tls(${files} peer-verify(optional-untrusted))`)})`,
    mtls: `syslog(${at('mtls', `transport("tls") tls(${files} peer-verify(required-trusted))`)})`,
    lines: `network(${at('lines', 'transport("tcp")')})`,
  }
  const pairs = ['HOST', 'PROGRAM', 'SDATA', 'MESSAGE'].map((name) => `${name}=$${name}`).join(' ')
  const ways = Object.entries(sources).map(
    ([input, source]) => `log {
  source { ${source}; };
  destination { file("${folder}/syslog-ng.${input}.jsonl" template("$(format-json AT=$UNIXTIME.$USEC ${pairs})\\n")); };
  flags(flow-control);
};`,
  )
  return `@version: 3.38
${['afsocket', 'affile', 'syslogformat', 'json-plugin', 'basicfuncs'].map((name) => `@module ${name}`).join('\n')}
options { keep-hostname(yes); use-dns(no); dns-cache(no); log-msg-size(65536); };
${ways.join('\n')}
`
}
