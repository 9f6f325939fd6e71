import type { ChildProcess } from 'node:child_process'
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import type { Certificates } from '../../test/conformance/certificates.ts'
import type { CollectorOptions } from './collector.ts'
import type { Contender } from './contender.ts'
import { DROPPED, REST, routesFile } from './routes.ts'
import type { SinkOptions, SinkReady, SinkState } from './sink.ts'
import type { SourceOptions, SourceReady, SourceState } from './source.ts'

export interface Measured {
  /** MB of raw logs per second of CPU time of all its processes, and per second of the clock. */
  readonly perCpuSecond: number
  readonly perSecond: number
  /** Highest resident size of the first process, MB. */
  readonly residentMb: number
  /** For a bridge: percentage of timers more than 10 ms late, and the largest delay in seconds (upper end of a bucket). */
  readonly late?: { readonly percent: number; readonly most: number }
}

const SHARDS = 4
/** The rest of the backlog does not count, because shards run dry one by one. */
const TO = 0.97
const SAMPLE_MS = 100
/** Linux's unit of CPU time. */
const TICKS_PER_SECOND = 100
const LONGEST_MS = 600_000

/** Set by the launcher and the image too (bin/sls-siem-bridge.cjs). */
export const AS_INSTALLED = { MALLOC_MMAP_THRESHOLD_: '131072' }

/** Lets one contender deliver one backlog and measures `cpuSeconds` of it. Throws if the bridge did not deliver all of it. */
export async function measure(
  contender: Contender,
  kind: SampleKind,
  { cpuSeconds, certificates }: { cpuSeconds: number; certificates: Certificates },
): Promise<Measured> {
  const tls = contender.tls ? { tls: certificates.server } : {}
  const seconds = contender.warmUpSeconds + cpuSeconds
  const megabytes = (contender.about * seconds) / TO
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const source = helper<SourceOptions, SourceReady, SourceState>('source', { kind, shards: SHARDS, megabytes, ...tls })
  const sinks = Array.from({ length: contender.routes ? 2 : 1 }, () => sinkFor(contender, certificates))
  const { env, rawBytes, logs } = await source.ready
  const urls = (await Promise.all(sinks.map(({ ready }) => ready))).map(({ url }) => url)
  const settings = contender.routes
    ? fileSettings(folder, kind, env, urls)
    : { ...settingsOf(env, urls, contender, certificates), ...contender.envOf?.(kind) }
  const processes = Array.from({ length: contender.replicas ?? 1 }, (_, index) =>
    spawn(contender.program, [...contender.args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...AS_INSTALLED,
        ...{ PATH: process.env['PATH'], LANG: 'C.UTF-8', SLS_CONSUMER: `bench-${index}`, DEAD_LETTER_DIR: folder },
        ...{ ADMIN_PORT: String(ADMIN_PORT + index), LOG_LEVEL: 'warn', NODE_EXTRA_CA_CERTS: certificates.ca },
        ...settings,
      },
    }),
  )
  try {
    let warm: string | undefined
    const samples = await watch(processes, source, sinks, async ({ cpuSeconds }) => {
      if (contender.singles || warm !== undefined || cpuSeconds < contender.warmUpSeconds) return
      warm = (await metrics(ADMIN_PORT)) || undefined
    })
    const done = samples.at(-1) as Sample
    // A rival may lose logs; its figure is still valid.
    if (contender.singles && done.requests !== logs)
      process.stderr.write(`  ${done.requests} of ${logs} logs arrived\n`)
    const exposed = contender.singles ? [] : await Promise.all(processes.map((_, index) => metrics(ADMIN_PORT + index)))
    if (contender.program === process.execPath) checkDelivered(exposed.join('\n'), logs)
    const first = samples.find(({ bytes }) => bytes >= (TO * contender.warmUpSeconds * done.bytes) / seconds) as Sample
    const last = samples.findLast(({ bytes }) => bytes <= TO * done.bytes) as Sample
    const megabytes = (((last.bytes - first.bytes) / done.bytes) * rawBytes) / 1e6
    return {
      perCpuSecond: megabytes / (last.cpuSeconds - first.cpuSeconds),
      perSecond: (1000 * megabytes) / (last.at - first.at),
      residentMb: residentMb(processes[0] as ChildProcess, 'VmHWM'),
      ...(warm && exposed[0] && { late: lateness(warm, exposed[0]) }),
    }
  } finally {
    await Promise.all(processes.map((process) => ended(process)))
    source.end()
    for (const sink of sinks) sink.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

function sinkFor({ ack, tls, syslog }: Contender, { server }: Certificates): Helper<SinkReady, SinkState> {
  if (syslog === undefined) {
    return helper<SinkOptions, SinkReady, SinkState>('sink', { ack: ack === true, ...(tls && { tls: server }) })
  }
  const options = { relp: syslog === 'relp', ...(syslog === 'tls' && { tls: server }) }
  return helper<CollectorOptions, SinkReady, SinkState>('collector', options)
}

const ADMIN_PORT = 19_464
/** The goal: no work blocks the event loop for longer. */
const IN_TIME_SECONDS = 0.01

function settingsOf(
  source: Record<string, string>,
  urls: readonly string[],
  { tls, syslog, env }: Contender,
  certificates: Certificates,
): NodeJS.ProcessEnv {
  const common = { ...source, SLS_CG: 'bench', SLS_HEARTBEAT_SECONDS: '5' }
  if (syslog !== undefined) {
    const ca = syslog === 'tls' ? certificates.ca : undefined
    return { ...common, SYSLOG_URL: urls.join(','), SYSLOG_TLS_CA_FILE: ca, ...env }
  }
  return {
    ...common,
    ...{ SPLUNK_HEC_URL: urls.join(','), SPLUNK_HEC_TOKEN: 'bench' },
    ...{ SPLUNK_HEC_TLS_CA_FILE: tls ? certificates.ca : undefined, ...env },
  }
}

function fileSettings(
  folder: string,
  kind: SampleKind,
  source: Record<string, string>,
  urls: readonly string[],
): NodeJS.ProcessEnv {
  const file = join(folder, 'bridge.yaml')
  writeFileSync(file, routesFile(kind, source, urls))
  const { SLS_AK_ID, SLS_AK_KEY } = source
  return { SLS_AK_ID, SLS_AK_KEY, TOKEN: 'bench', BRIDGE_CONFIG: file }
}

/** Every log has to take its last route or be dropped by one, and every copy has to arrive. */
function checkDelivered(exposed: string, logs: number): void {
  const sumOf = (series: string): number =>
    [...exposed.matchAll(new RegExp(`^sls_bridge_${series} (\\d+)`, 'gm'))].reduce((sum, [, n]) => sum + Number(n), 0)
  const decided =
    sumOf(`events_routed_total\\{.*route="(?:default|${REST})"\\}`) +
    sumOf(`logs_filtered_total\\{.*reason="${DROPPED}"\\}`)
  const [delivered, routed] = [sumOf('events_delivered_total\\S*'), sumOf('events_routed_total\\S*')]
  if (decided !== logs || delivered !== routed) {
    throw new Error(`${decided} logs of ${logs}, ${delivered} events of ${routed}`)
  }
}

interface Sample extends SinkState {
  at: number
  cpuSeconds: number
}

async function watch(
  processes: readonly ChildProcess[],
  source: Helper<SourceReady, SourceState>,
  sinks: readonly Helper<SinkReady, SinkState>[],
  each: (sample: Sample) => Promise<void>,
): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const deadline = performance.now() + LONGEST_MS; performance.now() < deadline; await sleep(SAMPLE_MS)) {
    const dead = processes.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)
    if (dead) throw new Error(`it ended with ${dead.exitCode ?? dead.signalCode}`)
    const cpuSeconds = processes.reduce((sum, process) => sum + cpuSecondsOf(process), 0)
    const total = (key: keyof SinkState): number => sinks.reduce((sum, { state }) => sum + (state?.[key] ?? 0), 0)
    const sample = { requests: total('requests'), bytes: total('bytes'), at: performance.now(), cpuSeconds }
    samples.push(sample)
    await each(sample)
    if (source.state?.behind === 0) return samples
  }
  throw new Error(`not done within ${LONGEST_MS / 1000} s; log groups behind: ${source.state?.behind}`)
}

export interface Helper<Ready, State> {
  readonly ready: Promise<Ready>
  state: State | undefined
  end(): void
}

export function helper<Options, Ready, State>(name: string, options: Options): Helper<Ready, State> {
  const child = fork(new URL(`${name}.ts`, import.meta.url), [JSON.stringify(options)])
  const ready = Promise.withResolvers<Ready>()
  const itself: Helper<Ready, State> = { ready: ready.promise, state: undefined, end: () => child.disconnect() }
  child.once('exit', () => ready.reject(new Error(`${name} ended`)))
  child.once('message', (message) => {
    ready.resolve(message as Ready)
    child.on('message', (state) => {
      itself.state = state as State
    })
  })
  return itself
}

/** User and system time of all threads. */
function cpuSecondsOf({ pid }: ChildProcess): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const [user, system] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  return (Number(user) + Number(system)) / TICKS_PER_SECOND
}

/** Resident size by the operating system, highest or current. */
export function residentMb({ pid }: ChildProcess, what: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return ((numberOf(status, new RegExp(`^${what}:\\s+(\\d+)`, 'm')) ?? 0) * 1024) / 1e6
}

async function metrics(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
  return (await response?.text()) ?? ''
}

/** Difference between two moments of one process. */
function lateness(before: string, after: string): { percent: number; most: number } {
  const earlier = delays(before)
  const buckets = delays(after).map(({ le, count }, index) => ({ le, count: count - (earlier[index]?.count ?? 0) }))
  const all = buckets.at(-1)?.count ?? Number.NaN
  const inTime = buckets.find(({ le }) => le === IN_TIME_SECONDS)?.count ?? Number.NaN
  return { percent: 100 * (1 - inTime / all), most: buckets.find(({ count }) => count === all)?.le ?? Number.NaN }
}

function delays(exposed: string): Array<{ le: number; count: number }> {
  return [...exposed.matchAll(/^sls_bridge_event_loop_delay_seconds_bucket\{le="([^"]+)"\} (\d+)/gm)].map(
    ([, le, count]) => ({ le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), count: Number(count) }),
  )
}

function numberOf(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

export async function ended(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await exit
  clearTimeout(late)
}
