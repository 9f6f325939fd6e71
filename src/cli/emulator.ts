import { once } from 'node:events'
import { choice, matching, text, wholeNumber } from '../config/parsers.ts'
import type { SlsEmulator, SlsEmulatorOptions } from '../emulator/sls/server.ts'
import { NOT_IMPLEMENTED, startSlsEmulator } from '../emulator/sls/server.ts'
import type { CommandIo } from './command.ts'
import { command, defaulting, EXIT, endOf, flag, optional, repeatable, UsageError } from './command.ts'
import { textOf } from './configuration.ts'
import { listenProblem } from './listen-error.ts'
import { tellReady } from './ready.ts'

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
  --anonymous                take unsigned and wrongly signed requests too, but none of a web page
  --help

SLS_AK_ID and SLS_AK_KEY name the key pair to accept (default: a new one), SLS_STS_TOKEN the STS token it needs, if any.
When ready it prints SLS_ENDPOINT, SLS_AK_ID, SLS_AK_KEY, SLS_PROJECT and SLS_LOGSTORE (the first) as NAME=value lines,
then an empty line and CONTROL_SECRET. It does not print keys that it took from the environment. Runs until SIGTERM or
SIGINT.

Clients that insist on a host name (http://PROJECT.HOST) use the emulator as their HTTP proxy, with any http:// endpoint:
http_proxy=http://127.0.0.1:PORT for Python and Go, LogHubConfig.setProxyHost/setProxyPort for Java.

While it runs, "curl SLS_ENDPOINT/_emulator/state" shows logstores, shards, consumers and checkpoints. /_emulator/commits
and /_emulator/requests show what clients asked. POST to /_emulator/faults, split, merge, readonly, expire or logstores
makes things happen. These answer programs of this machine, and from elsewhere whoever shows CONTROL_SECRET:
curl -H "x-control-secret: …". Tests in JavaScript start it without this command: docs/emulator.md.

Not implemented:
${NOT_IMPLEMENTED.map((line) => `  - ${line}`).join('\n')}
`

const count = (least: number) => wholeNumber(least, Number.MAX_SAFE_INTEGER)

/** Runs an emulator until the signal. */
export const emulatorCommand = command({
  name: 'emulator',
  help: HELP,
  options: {
    port: defaulting('0', wholeNumber(0, 65_535)),
    host: defaulting('127.0.0.1', text),
    project: defaulting('emulator', text),
    logstore: repeatable(matching(/^[^/]+(\/[^/]+)?$/, 'NAME or PROJECT/NAME'), ['audit']),
    shards: defaulting('2', wholeNumber(1, 20_000)),
    retentionSeconds: optional(count(1)),
    expiredCursor: defaulting('refuse', choice('refuse', 'oldest')),
    readBytesPerSecond: optional(count(1)),
    readQps: optional(count(1)),
    anonymous: flag,
  },
  async run({ project, logstore, retentionSeconds, readBytesPerSecond, readQps, anonymous, ...others }, io) {
    const credentials = credentialsOf(io)
    const options = {
      ...others,
      ...credentials,
      strictSignatures: !anonymous,
      projects: projectsOf(logstore, project),
      ...(retentionSeconds !== undefined && { retentionSeconds }),
      readQuota: {
        ...(readBytesPerSecond !== undefined && { bytesPerSecond: readBytesPerSecond }),
        ...(readQps !== undefined && { requestsPerSecond: readQps }),
      },
    }
    let emulator: SlsEmulator
    try {
      emulator = await startSlsEmulator(options)
    } catch (error) {
      io.stderr.write(`sls-siem-bridge emulator: ${listenProblem(error)}\n`)
      return EXIT.usage
    }
    const { SLS_ENDPOINT, SLS_AK_ID, SLS_AK_KEY, SLS_PROJECT, SLS_LOGSTORE } = emulator.environment()
    // Keys of the environment may be real ones, and standard output may be a log.
    const madeUp = credentials.accessKeyId === undefined ? { SLS_AK_ID, SLS_AK_KEY } : {}
    tellReady(io, { SLS_ENDPOINT, ...madeUp, SLS_PROJECT, SLS_LOGSTORE }, emulator.controlSecret)
    const end = endOf(io)
    if (!end.aborted) await once(end, 'abort')
    await emulator.close()
    return EXIT.done
  },
})

/** `NAME` is a logstore of the project that `--project` names, `PROJECT/NAME` one of another. */
function projectsOf(logstores: readonly string[], project: string): Record<string, Record<string, object>> {
  const projects: Record<string, Record<string, object>> = {}
  for (const given of logstores) {
    const [name = '', owner = project] = given.split('/').reverse()
    projects[owner] = { ...projects[owner], [name]: {} }
  }
  return projects
}

function credentialsOf(io: CommandIo): Partial<SlsEmulatorOptions> {
  const accessKeyId = textOf(io, 'SLS_AK_ID')
  const accessKeySecret = textOf(io, 'SLS_AK_KEY')
  const securityToken = textOf(io, 'SLS_STS_TOKEN')
  if ((accessKeyId === '') !== (accessKeySecret === '')) {
    throw new UsageError('SLS_AK_ID and SLS_AK_KEY must be given both, or neither for a new pair')
  }
  if (accessKeyId !== '' && !/^[^:/,\s]+$/.test(accessKeyId))
    throw new UsageError('SLS_AK_ID must not hold white space or any of : / ,')
  return {
    ...(accessKeyId !== '' && { accessKeyId, accessKeySecret }),
    ...(securityToken !== '' && { securityToken }),
  }
}
