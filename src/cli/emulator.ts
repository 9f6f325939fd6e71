import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { messageOf } from '../core/errors.ts'
import type { SlsEmulator, SlsEmulatorOptions } from '../emulator/sls/server.ts'
import { NOT_IMPLEMENTED, startSlsEmulator } from '../emulator/sls/server.ts'
import type { CommandIo } from './command.ts'
import { EXIT } from './command.ts'

const HELP = `A local stand-in for Alibaba Cloud Log Service (SLS): official Python, Go, Java and Node clients run against it
unchanged, consumer groups included.

usage: sls-siem-bridge emulator [options]

  --port N                   port to listen on (default 0: a free one)
  --host ADDRESS             address to listen on (default 127.0.0.1)
  --project NAME             project made at the start (default emulator)
  --logstore NAME            logstore made at the start (default audit); may be given several times, and as
                             PROJECT/NAME for one of another project
  --shards N                 shards of each logstore (default 2)
  --retention-seconds N      forget log groups after this long (default: the logstore's ttl, 30 days)
  --expired-cursor HOW       answer an expired cursor with an error, "refuse" (default), or with what is "oldest"
  --read-bytes-per-second N  read quota of each shard, inflated bytes (default none)
  --read-qps N               read quota of each shard, pulls per second (default none)
  --anonymous                take unsigned and wrongly signed requests too
  --help

SLS_AK_ID and SLS_AK_KEY name the key pair to accept (default: a new one), SLS_STS_TOKEN the STS token it needs, if any.
When ready it prints SLS_ENDPOINT, SLS_AK_ID, SLS_AK_KEY, SLS_PROJECT and SLS_LOGSTORE (the first) as NAME=value lines,
then an empty line. Runs until SIGTERM or SIGINT.

Clients that insist on a host name (http://PROJECT.HOST) use the emulator as their HTTP proxy, with any http:// endpoint:
http_proxy=http://127.0.0.1:PORT for Python and Go, LogHubConfig.setProxyHost/setProxyPort for Java.

While it runs, "curl SLS_ENDPOINT/_emulator/state" shows logstores, shards, consumers and checkpoints. /_emulator/commits
and /_emulator/requests show what clients asked. POST to /_emulator/faults, split, merge, readonly, expire or logstores
makes things happen. Tests in JavaScript start it without this command: docs/emulator.md.

Not implemented:
${NOT_IMPLEMENTED.map((line) => `  - ${line}`).join('\n')}
`

const OPTIONS = {
  port: { type: 'string', default: '0' },
  host: { type: 'string', default: '127.0.0.1' },
  project: { type: 'string', default: 'emulator' },
  logstore: { type: 'string', multiple: true, default: ['audit'] as string[] },
  shards: { type: 'string', default: '2' },
  'retention-seconds': { type: 'string' },
  'expired-cursor': { type: 'string', default: 'refuse' },
  'read-bytes-per-second': { type: 'string' },
  'read-qps': { type: 'string' },
  anonymous: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** Runs an emulator until the signal. */
export async function emulatorCommand(argv: string[], io: CommandIo): Promise<number> {
  let emulator: SlsEmulator
  try {
    const options = optionsOf(argv, io.env)
    if (!options) {
      io.stdout.write(HELP)
      return EXIT.done
    }
    emulator = await startSlsEmulator(options)
  } catch (error) {
    io.stderr.write(`emulator: ${explain(error)}\n`)
    return EXIT.usage
  }
  const { SLS_STS_TOKEN: _, ...environment } = emulator.environment()
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}\n`)
  io.stdout.write(`${lines.join('')}\n`)
  if (!io.signal.aborted) await once(io.signal, 'abort')
  await emulator.close()
  return EXIT.done
}

/** `undefined` when only help was asked for. Throws what is wrong with the arguments. */
function optionsOf(argv: string[], env: NodeJS.ProcessEnv): SlsEmulatorOptions | undefined {
  const { values } = parseArgs({ args: argv, options: OPTIONS })
  if (values.help) return undefined
  const { project, logstore, host, anonymous } = values
  const expiredCursor = values['expired-cursor']
  if (expiredCursor !== 'refuse' && expiredCursor !== 'oldest') {
    throw new Error(`--expired-cursor must be "refuse" or "oldest", not "${expiredCursor}"`)
  }
  const retention = values['retention-seconds']
  const bytes = values['read-bytes-per-second']
  const qps = values['read-qps']
  return {
    ...{ host, expiredCursor, strictSignatures: !anonymous, ...credentialsOf(env) },
    port: wholeNumber('--port', values.port, 0, 65_535),
    shards: wholeNumber('--shards', values.shards, 1, 20_000),
    projects: projectsOf(logstore, project),
    ...(retention !== undefined && { retentionSeconds: wholeNumber('--retention-seconds', retention, 1) }),
    readQuota: {
      ...(bytes !== undefined && { bytesPerSecond: wholeNumber('--read-bytes-per-second', bytes, 1) }),
      ...(qps !== undefined && { requestsPerSecond: wholeNumber('--read-qps', qps, 1) }),
    },
  }
}

/** `NAME` is a logstore of the project that `--project` names, `PROJECT/NAME` one of another. */
function projectsOf(logstores: readonly string[], project: string): Record<string, Record<string, object>> {
  const projects: Record<string, Record<string, object>> = {}
  for (const given of logstores) {
    const [name = '', owner = project] = given.split('/').reverse()
    projects[owner] = { ...projects[owner], [name]: {} }
  }
  return projects
}

function credentialsOf(env: NodeJS.ProcessEnv): Partial<SlsEmulatorOptions> {
  const accessKeyId = env['SLS_AK_ID'] ?? ''
  const accessKeySecret = env['SLS_AK_KEY'] ?? ''
  const securityToken = env['SLS_STS_TOKEN'] ?? ''
  if ((accessKeyId === '') !== (accessKeySecret === '')) {
    throw new Error('SLS_AK_ID and SLS_AK_KEY must be given both, or neither for a new pair')
  }
  if (accessKeyId !== '' && !/^[^:/,\s]+$/.test(accessKeyId))
    throw new Error('SLS_AK_ID must not hold white space or any of : / ,')
  return {
    ...(accessKeyId !== '' && { accessKeyId, accessKeySecret }),
    ...(securityToken !== '' && { securityToken }),
  }
}

function wholeNumber(name: string, text: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new Error(`${name} must be a whole number from ${min} to ${max}, not "${text}"`)
}

function explain(error: unknown): string {
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string }
  if (code === 'EADDRINUSE') return `port ${port} is taken; choose another with --port (0 takes a free one)`
  if (code === 'EACCES' && port !== undefined) return `port ${port} needs more rights; choose one above 1023`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `this machine has no address ${address ?? 'like that of --host'}`
  return messageOf(error)
}
