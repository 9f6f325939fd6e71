/**
 * The whole path, each part in its own process: SLS emulator → contender → a HEC that accepts everything. CPU time is the
 * operating system's figure for all threads of the contender. A MB is a million bytes of inflated protobuf. The beginning of the
 * backlog warms up the compilers. Contenders take turns; the result is the median. If the bridge does not deliver and commit
 * everything, the run is an error.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import { SAMPLE_KINDS } from '../../src/emulator/sample-logs.ts'
import type { Certificates } from '../../test/conformance/certificates.ts'
import { issueCertificates } from '../../test/conformance/certificates.ts'
import type { Report } from '../report.ts'
import { median, shown } from '../report.ts'
import type { AloneOptions } from './alone.ts'
import type { Contender } from './contender.ts'
import { BRIDGE, rivals } from './contender.ts'
import type { Measured } from './measure.ts'
import { measure } from './measure.ts'

export interface EndToEndOptions {
  rounds: number
  /** Measured for each contender in each round. */
  cpuSeconds: number
}

const GZIP_ALONE = 'gzip level 1 alone (floor)'
const NAIVE_ALONE = 'protobufjs + JSON.stringify alone (no network)'
const FLOORS: Record<AloneOptions['what'], string> = { gzip: GZIP_ALONE, naive: NAIVE_ALONE }
const ALONE = Object.values(FLOORS)
/**
 * Goals of the bridge in MB per CPU-second, on a core where protobufjs + JSON.stringify alone reaches `naive`. That core was
 * faster, so other machines compare only the ratio.
 */
const GOALS: Record<SampleKind, { plain: number; tls: number; gzip: number; naive: number }> = {
  audit: { plain: 600, tls: 400, gzip: 170, naive: 82 },
  access: { plain: 500, tls: 350, gzip: 165, naive: 85 },
  kubernetes: { plain: 750, tls: 500, gzip: 190, naive: 315 },
}
const PYPY_SHIPPED = 'sample on PyPy, as shipped'

export async function* endToEnd(options: EndToEndOptions): AsyncGenerator<Report> {
  const { plain, query, acknowledged, tls, gzip, gzipQuery, gzipTls } = BRIDGE
  const ours = [plain, query, acknowledged, tls, gzip, gzipQuery, gzipTls]
  // Rivals run only in the first round: they are slow and far behind.
  const found = await turns((round) => (round === 0 ? [...ours, ...rivals()] : ours), options)
  yield rates(found)
  yield* asides(found)
}

/** One source, two sinks, three routes (a copy, a drop and the rest), beside the same logs on one route to one sink. */
export async function* routed(options: EndToEndOptions): AsyncGenerator<Report> {
  const { plain, routes } = BRIDGE
  const found = await turns(() => [plain, routes], options, [])
  const ratioOf = (kind: SampleKind): number =>
    middle(found, routes.name, kind, 'perCpuSecond') / middle(found, plain.name, kind, 'perCpuSecond')
  yield {
    id: 'end-to-end-routes',
    title: 'End to end with routes',
    columns: ['MB per CPU-second (lowest–highest)', ...SAMPLE_KINDS],
    rows: [...found].map(([name, byKind]) => [name, ...SAMPLE_KINDS.map((kind) => spread(byKind[kind]))]),
    ratios: Object.fromEntries(
      SAMPLE_KINDS.map((kind) => [`${kind}: end to end, two sinks and three routes ÷ one route`, ratioOf(kind)]),
    ),
  }
}

/** HEC without gzip, and syslog by each transport and payload. */
export async function* syslog(options: EndToEndOptions): AsyncGenerator<Report> {
  const { plain, syslogJson, syslogTls, syslogRelp, syslogCef, syslogLeef, syslogKv, syslogRaw } = BRIDGE
  const all = [plain, syslogJson, syslogTls, syslogRelp, syslogCef, syslogLeef, syslogKv, syslogRaw]
  const found = await turns(() => all, options, [])
  const shares = [
    { what: 'syslog, json over TCP ÷ HEC', of: syslogJson, to: plain, least: 0.8 },
    { what: 'syslog, cef over TCP ÷ HEC', of: syslogCef, to: plain, least: 0.5 },
    { what: 'syslog, leef over TCP ÷ HEC', of: syslogLeef, to: plain, least: 0.5 },
    { what: 'syslog, TLS ÷ TCP', of: syslogTls, to: syslogJson, least: 0.6 },
    { what: 'syslog, RELP ÷ TCP', of: syslogRelp, to: syslogJson, least: 0.6 },
  ]
  const ratios: Record<string, number> = {}
  const goals: Record<string, number> = {}
  for (const kind of SAMPLE_KINDS) {
    for (const { what, of, to, least } of shares) {
      const [over, under] = [of, to].map(({ name }) => middle(found, name, kind, 'perCpuSecond'))
      ratios[`${kind}: ${what}`] = (over as number) / (under as number)
      goals[`${kind}: ${what}`] = least
    }
  }
  yield {
    id: 'end-to-end-syslog',
    title: 'End to end to a syslog collector',
    columns: ['MB per CPU-second (lowest–highest)', ...SAMPLE_KINDS],
    rows: [...found].map(([name, byKind]) => [name, ...SAMPLE_KINDS.map((kind) => spread(byKind[kind]))]),
    ratios,
    goals,
  }
}

export async function* moreReplicas(options: EndToEndOptions): AsyncGenerator<Report> {
  const { plain, twoPlain, gzip, twoGzip } = BRIDGE
  yield replicas(await turns(() => [plain, twoPlain, gzip, twoGzip], options, []))
}

/** All measurements of each contender, by kind of log. */
type Found = Map<string, Record<SampleKind, Measured[]>>

async function turns(
  contenders: (round: number) => readonly Contender[],
  { rounds, cpuSeconds }: EndToEndOptions,
  floors: readonly (keyof typeof FLOORS)[] = ['gzip', 'naive'],
): Promise<Found> {
  const certificates = await issued()
  const found: Found = new Map()
  const note = (name: string, kind: SampleKind, measured: Measured): void => {
    const all = found.get(name) ?? { audit: [], kubernetes: [], access: [] }
    all[kind].push(measured)
    found.set(name, all)
    process.stderr.write(`  ${kind}, ${name}: ${shown(measured.perCpuSecond)} MB per CPU-second\n`)
  }
  for (let round = 0; round < rounds; round++) {
    for (const kind of SAMPLE_KINDS) {
      for (const contender of contenders(round))
        note(contender.name, kind, await measure(contender, kind, { cpuSeconds, certificates }))
      for (const floor of floors) note(FLOORS[floor], kind, await alone(floor, kind))
    }
  }
  return found
}

/** Exists until this program ends. */
async function issued(): Promise<Certificates> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return await issueCertificates(folder, ['bench.localhost', 'localhost'])
}

/**
 * Runs two at once. While a contender runs, source and sink keep the other core busy, and on a virtual machine both may be halves
 * of one physical core.
 */
async function alone(what: AloneOptions['what'], kind: SampleKind): Promise<Measured> {
  const options: AloneOptions = { what, kind }
  const one = async (): Promise<number> => {
    const [rate] = await once(fork(new URL('alone.ts', import.meta.url), [JSON.stringify(options)]), 'message')
    return rate as number
  }
  const [first, second] = await Promise.all([one(), one()])
  return { perCpuSecond: (first + second) / 2, perSecond: first + second, residentMb: 0 }
}

function rates(found: Found): Report {
  const ratio = (over: string, under: string, kind: SampleKind): number =>
    middle(found, over, kind, 'perCpuSecond') / middle(found, under, kind, 'perCpuSecond')
  const ratios: Record<string, number> = {}
  const goals: Record<string, number> = {}
  for (const kind of SAMPLE_KINDS) {
    if (found.has(PYPY_SHIPPED)) {
      ratios[`${kind}: bridge ÷ ${PYPY_SHIPPED}`] = ratio(BRIDGE.plain.name, PYPY_SHIPPED, kind)
      goals[`${kind}: bridge ÷ ${PYPY_SHIPPED}`] = kind === 'kubernetes' ? 40 : 100
    }
    for (const name of ['plain', 'tls', 'gzip'] as const) {
      const what = `${kind}: ${BRIDGE[name].name} ÷ ${NAIVE_ALONE}`
      ratios[what] = ratio(BRIDGE[name].name, NAIVE_ALONE, kind)
      goals[what] = Number((GOALS[kind][name] / GOALS[kind].naive).toFixed(1))
    }
    ratios[`${kind}: bridge with gzip ÷ gzip alone`] = ratio(BRIDGE.gzip.name, GZIP_ALONE, kind)
    goals[`${kind}: bridge with gzip ÷ gzip alone`] = 0.6
    ratios[`${kind}: with a query ÷ without`] = ratio(BRIDGE.query.name, BRIDGE.plain.name, kind)
    goals[`${kind}: with a query ÷ without`] = 0.6
    ratios[`${kind}: gzip, with a query ÷ without`] = ratio(BRIDGE.gzipQuery.name, BRIDGE.gzip.name, kind)
    goals[`${kind}: gzip, with a query ÷ without`] = 0.6
    ratios[`${kind}: HTTPS both ways ÷ HTTP`] = ratio(BRIDGE.tls.name, BRIDGE.plain.name, kind)
    goals[`${kind}: HTTPS both ways ÷ HTTP`] = 0.6
  }
  return {
    id: 'end-to-end',
    title: 'End to end',
    columns: ['MB per CPU-second (lowest–highest)', ...SAMPLE_KINDS],
    rows: [...found].map(([name, byKind]) => [name, ...SAMPLE_KINDS.map((kind) => spread(byKind[kind]))]),
    ratios,
    goals,
  }
}

/** Other results of the same runs. */
function* asides(found: Found): Generator<Report> {
  const names = [...found.keys()].filter((name) => !ALONE.includes(name))
  yield {
    id: 'resident',
    title: 'Highest resident size in those runs',
    columns: ['MB', ...SAMPLE_KINDS],
    rows: names.map((name) => [
      name,
      ...SAMPLE_KINDS.map((kind) => middle(found, name, kind, 'residentMb').toFixed(0)),
    ]),
  }
  yield eventLoops(
    found,
    names.filter((name) => name.startsWith('bridge')),
  )
}

function eventLoops(found: Found, bridges: readonly string[]): Report {
  const seen = (name: string, kind: SampleKind) => found.get(name)?.[kind].flatMap(({ late }) => late ?? []) ?? []
  const latePercent = (name: string, kind: SampleKind): number => median(seen(name, kind).map(({ percent }) => percent))
  const latestMs = (name: string, kind: SampleKind): number =>
    1000 * Math.max(...seen(name, kind).map(({ most }) => most))
  const inTime = SAMPLE_KINDS.map((kind) => [
    `${kind}: timers less than 10 ms late, %, least of all bridges`,
    100 - Math.max(...bridges.map((name) => latePercent(name, kind))),
  ])
  return {
    id: 'event-loop',
    title: 'Delay of the event loop in those runs',
    columns: ['timers more than 10 ms late, %; largest delay, ms (upper end of its bucket)', ...SAMPLE_KINDS],
    rows: bridges.map((name) => [
      name,
      ...SAMPLE_KINDS.map((kind) => `${latePercent(name, kind).toFixed(2)}; ${latestMs(name, kind)}`),
    ]),
    ratios: Object.fromEntries(inTime),
    goals: Object.fromEntries(inTime.map(([what]) => [what, 99])),
  }
}

function replicas(found: Found): Report {
  return {
    id: 'replicas',
    title: 'One replica and two, on two cores that source and sink also use',
    columns: ['MB per CPU-second, and per second of the clock', ...SAMPLE_KINDS],
    rows: [...found.keys()].map((name) => [
      name,
      ...SAMPLE_KINDS.map(
        (kind) =>
          `${shown(middle(found, name, kind, 'perCpuSecond'))}, ${shown(middle(found, name, kind, 'perSecond'))}`,
      ),
    ]),
  }
}

function middle(
  found: Found,
  name: string,
  kind: SampleKind,
  key: 'perCpuSecond' | 'perSecond' | 'residentMb',
): number {
  return median(found.get(name)?.[kind].map((measured) => measured[key]) ?? [])
}

function spread(measured: readonly Measured[]): string {
  const all = measured.map(({ perCpuSecond }) => perCpuSecond)
  const range = all.length > 1 ? ` (${shown(Math.min(...all))}–${shown(Math.max(...all))})` : ''
  return `${shown(median(all))}${range}`
}
