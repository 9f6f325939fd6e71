import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { open, stat, statfs, unlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { request } from 'undici'
import type { Config, SinkConfig } from '../../config/model.ts'
import { Fault, messageOf } from '../../core/errors.ts'
import { exposureOf } from '../../core/exposure.ts'
import { DESCRIPTORS_KEPT, descriptorLimit } from '../../net/descriptors.ts'
import { DurableDirectory } from '../../sinks/durable-directory.ts'
import { PULLS_AT_ONCE } from '../../sls/client.ts'
import type { Check, Finding } from './finding.ts'
import { ok, skip, warn } from './finding.ts'

/** Dead letters need little room, but on a disk this full another program's log soon takes the rest. */
const LEAST_FREE_BYTES = 100 * 1024 * 1024
const LOOK_TIMEOUT_MS = 2_000
/** Our metrics are near the beginning of the page. A page of another program may have no end. */
const LOOK_CHARACTERS = 64 << 10

export function hostChecks(config: Config): Check[] {
  const { deadLetterDir, log } = config
  return [
    ...secretsFile(join(process.cwd(), '.env')),
    {
      about: 'dead letter',
      run: () =>
        writable(deadLetterDir, 'Set DEAD_LETTER_DIR to a folder that this user may write, on a disk with room.'),
    },
    ...(log.file === undefined ? [] : [logFile(log.file)]),
    { about: 'admin port', run: (signal) => adminPort(config, signal) },
    ...openFiles(config),
  ]
}

const READABLE_BY_OTHERS = 0o044

/** No check if there is no such file. */
function secretsFile(path: string): Check[] {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return []
  const reads = (stats.mode & READABLE_BY_OTHERS) !== 0
  const change = exposureOf(stats)
  const problems = [
    ...(reads ? [`others may read ${path} and the secrets in it`] : []),
    ...(change === undefined ? [] : [`others may choose the settings in ${path}: ${change}`]),
  ]
  const advice = change?.startsWith('it belongs')
    ? `Give it to this user: chown and chmod 600 ${path}`
    : `chmod 600 ${path}`
  const found = problems.length === 0 ? ok(`only its owner may read ${path}`) : warn(problems.join('; '), advice)
  return [{ about: '.env', run: async () => found }]
}

function logFile(path: string): Check {
  return {
    about: 'log file',
    run: () =>
      writable(dirname(path), 'Set LOG_FILE to a path in a folder that this user may write, on a disk with room.'),
  }
}

/** The file, its lock, and one while they rotate. */
const FILES_OF_SINK = 3
/** Node's own descriptors, our files, and the connections of probes, people and Prometheus. */
const DESCRIPTORS_AT_REST = 128

/** No check where the system does not tell its limit. */
function openFiles(config: Config): Check[] {
  const limit = descriptorLimit()
  if (limit === undefined) return []
  // Each pull has a connection, and at most as many other requests of the same shards.
  const pulls = 2 * PULLS_AT_ONCE * config.sources.reduce((sum, { logstores }) => sum + logstores.length, 0)
  const needed = config.sinks.reduce(
    (sum, sink) => sum + connectionsOf(sink),
    DESCRIPTORS_AT_REST + DESCRIPTORS_KEPT + pulls,
  )
  const found =
    limit >= needed
      ? ok(`${limit} may be open, at most ${needed} are needed`)
      : warn(`${limit} may be open, and up to ${needed} are needed`, 'Raise ulimit -n (systemd: LimitNOFILE).')
  return [{ about: 'open files', run: async () => found }]
}

/** Connections to one collector that wait for their confirmation. */
const SYSLOG_CLOSING = 8

function connectionsOf(sink: SinkConfig): number {
  if (sink.type === 'syslog') return (sink.connections + SYSLOG_CLOSING) * sink.urls.length
  return sink.type === 'splunk_hec' ? sink.concurrency + 2 * sink.urls.length : FILES_OF_SINK
}

const CLOSE_FOLDER = 'Give the folder to the user of the replica, with mode 700.'

/** Writes a file there and removes it. `make`: a folder that is missing is made. */
export async function writable(dir: string, advice: string, make = true): Promise<Finding> {
  const directory = new DurableDirectory(resolve(dir))
  const path = join(dir, `.check-${randomUUID()}`)
  try {
    // A replica that finds the directory takes its name for safe on disk.
    if (make) await directory.make()
    await directory.sync()
    const file = await open(path, 'wx', 0o600)
    try {
      await file.write('check\n')
      await file.sync()
    } finally {
      await file.close()
      await unlink(path)
    }
    const exposure = exposureOf(await stat(dir))
    if (exposure !== undefined)
      return warn(`${dir} is writable, but others may take away files and add their own: ${exposure}`, CLOSE_FOLDER)
    const { bavail, bsize } = await statfs(dir)
    const free = bavail * bsize
    const room = `${Math.floor(free / 1e6)} MB free`
    return free < LEAST_FREE_BYTES
      ? warn(`${dir} is writable, but has ${room}`, advice)
      : ok(`${dir} is writable, ${room}`)
  } catch (error) {
    throw new Fault('configuration', messageOf(error), { code: 'not_writable', advice })
  }
}

async function adminPort({ admin }: Config, signal: AbortSignal): Promise<Finding> {
  const { host, port, portWasSet } = admin
  if (port === 0) return ok('any free port will be taken')
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
    return ok(`${host}:${port} is free`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE') {
      const advice =
        'Set ADMIN_HOST to an address of this machine, and ADMIN_PORT to a port on which this user may listen.'
      throw new Fault('configuration', messageOf(error), { code: 'admin_port', advice })
    }
    if (!portWasSet) return skip(`${host}:${port} is taken; the next free port above it will be used`)
    // A user may run "check" beside a replica with the same environment.
    if (await isReplica(host, port, signal)) return warn(`${host}:${port} is taken by a replica on this machine`)
    const advice = 'Set ADMIN_PORT to a free port, or to 0.'
    throw new Fault('configuration', `${host}:${port} is in use by another program`, { code: 'admin_port', advice })
  } finally {
    server.close()
  }
}

async function isReplica(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  const name = reachable.includes(':') ? `[${reachable}]` : reachable
  try {
    const soon = AbortSignal.any([signal, AbortSignal.timeout(LOOK_TIMEOUT_MS)])
    const { body } = await request(`http://${name}:${port}/metrics`, { signal: soon })
    let text = ''
    for await (const chunk of body) {
      text += chunk
      if (text.includes('sls_bridge_')) return true
      if (text.length > LOOK_CHARACTERS) break
    }
  } catch {}
  return false
}
