import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { endpointOf } from '../config/build.ts'
import { choice, text, wholeNumber } from '../config/parsers.ts'
import { messageOf } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { onOneLine } from '../core/text.ts'
import type { SampleKind } from '../emulator/sample-logs.ts'
import { SAMPLE_KINDS, SampleLogs } from '../emulator/sample-logs.ts'
import type { SourceKind } from '../emulator/source-logs.ts'
import { SOURCE_KINDS, SourceLogs } from '../emulator/source-logs.ts'
import type { WrittenLogs } from '../sls/official-client.ts'
import { OfficialClient } from '../sls/official-client.ts'
import { USER_AGENT } from '../version.ts'
import type { CommandIo } from './command.ts'
import { command, defaulting, EXIT, optional } from './command.ts'
import { settingsOf } from './configuration.ts'
import { sleepUnlessEnded } from './sleep.ts'

const HELP = `Write logs into a logstore with the vendor's client @alicloud/log.

usage: sls-siem-bridge produce [options]

  --kind KIND       generated logs (default mixed). As real sources write them: ${SOURCE_KINDS.slice(0, 4).join(', ')},
                    ${SOURCE_KINDS.slice(4).join(', ')}; "sources" is all of these in turn.
                    For measurements: ${SAMPLE_KINDS.join(', ')}; "mixed" is these in turn
  --file PATH       instead of generated logs: one log per line of a file ("-" = standard input). A JSON object becomes
                    one content per key, any other line becomes the content "content"
  --topic TOPIC     __topic__ of every log (default: one per kind; none for a file)
  --logs N          stop after N generated logs (default 1000; 0 = never)
  --rate N          at most N logs per second (default: as fast as the service accepts them)
  --group-size N    logs per log group (default 50)
  --seed N          the same N generates the same logs (default: different logs each time)
  --help

Reads SLS_ENDPOINT, SLS_AK_ID, SLS_AK_KEY, SLS_STS_TOKEN, SLS_PROJECT and SLS_LOGSTORE (the first) from the environment or .env,
or each from the file that NAME_FILE names.
`

const count = (least: number) => wholeNumber(least, Number.MAX_SAFE_INTEGER)

export const produceCommand = command({
  name: 'produce',
  help: HELP,
  options: {
    kind: defaulting('mixed', choice(...SOURCE_KINDS, 'sources', ...SAMPLE_KINDS, 'mixed')),
    file: optional(text),
    topic: optional(text),
    logs: defaulting('1000', count(0)),
    rate: defaulting('0', count(0)),
    groupSize: defaulting('50', count(1)),
    seed: optional(count(0)),
  },
  async run(plan, io) {
    const { client, logstore } = clientOf(io)
    const started = performance.now()
    try {
      const written = await writeAll(client, plan, io.signal)
      const seconds = (performance.now() - started) / 1000
      io.stderr.write(`wrote ${written} logs to ${logstore} in ${seconds.toFixed(1)} s\n`)
      return EXIT.done
    } catch (error) {
      io.stderr.write(`sls-siem-bridge produce: ${onOneLine(messageOf(error))}\n`)
      return EXIT.failed
    } finally {
      client.close()
    }
  },
})

interface Plan {
  readonly kind: SourceKind | 'sources' | SampleKind | 'mixed'
  readonly file: string | undefined
  readonly topic: string | undefined
  readonly logs: number
  readonly rate: number
  readonly groupSize: number
  readonly seed: number | undefined
}

function clientOf(io: CommandIo): { client: OfficialClient; logstore: string } {
  const names = ['SLS_ENDPOINT', 'SLS_AK_ID', 'SLS_AK_KEY', 'SLS_STS_TOKEN', 'SLS_PROJECT', 'SLS_LOGSTORE'] as const
  const settings = settingsOf(io, names)
  const [project, logstore] = [settings.SLS_PROJECT, settings.SLS_LOGSTORE[0] as string]
  const client = new OfficialClient({
    endpoint: endpointOf(settings),
    project,
    logstore,
    // An access key pair is the only source of credentials here, so both are required.
    accessKeyId: settings.SLS_AK_ID as string,
    accessKeySecret: settings.SLS_AK_KEY as Secret,
    ...(settings.SLS_STS_TOKEN ? { securityToken: settings.SLS_STS_TOKEN } : {}),
    userAgent: USER_AGENT,
  })
  return { client, logstore: `${project}/${logstore}` }
}

async function writeAll(client: OfficialClient, plan: Plan, signal: AbortSignal): Promise<number> {
  const groups = plan.file === undefined ? generatedGroups(plan) : fileGroups(plan.file, plan)
  const started = performance.now()
  let written = 0
  for await (const group of groups) {
    if (signal.aborted) break
    await client.write(group)
    written += group.logs.length
    const aheadMs = plan.rate > 0 ? (written / plan.rate) * 1000 - (performance.now() - started) : 0
    if (aheadMs > 0) await sleepUnlessEnded(aheadMs, signal)
  }
  return written
}

async function* generatedGroups(plan: Plan): AsyncGenerator<WrittenLogs> {
  const seed = plan.seed ?? Math.floor(Math.random() * 2 ** 32)
  const [samples, sources] = [new SampleLogs(seed), new SourceLogs(seed)]
  const kinds = kindsOf(plan.kind)
  const total = plan.logs === 0 ? Number.POSITIVE_INFINITY : plan.logs
  for (let written = 0, turn = 0; written < total; turn++) {
    const count = Math.min(plan.groupSize, total - written)
    const kind = kinds[turn % kinds.length] as SampleKind | SourceKind
    const group = isOfSource(kind) ? sources.group(kind, count) : samples.group(kind, count)
    written += count
    yield plan.topic === undefined ? group : { ...group, topic: plan.topic }
  }
}

function kindsOf(kind: Plan['kind']): readonly (SampleKind | SourceKind)[] {
  if (kind === 'mixed') return SAMPLE_KINDS
  return kind === 'sources' ? SOURCE_KINDS : [kind]
}

function isOfSource(kind: SampleKind | SourceKind): kind is SourceKind {
  return (SOURCE_KINDS as readonly string[]).includes(kind)
}

async function* fileGroups(path: string, plan: Plan): AsyncGenerator<WrittenLogs> {
  const input = path === '-' ? process.stdin : createReadStream(path)
  const topic = plan.topic === undefined ? {} : { topic: plan.topic }
  let logs: WrittenLogs['logs'] = []
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    logs.push({ timestamp: Math.floor(Date.now() / 1000), content: contentOf(line) })
    if (logs.length < plan.groupSize) continue
    yield { ...topic, logs }
    logs = []
  }
  if (logs.length > 0) yield { ...topic, logs }
}

function contentOf(line: string): Record<string, string> {
  if (!line.startsWith('{')) return { content: line }
  try {
    const entries = Object.entries(JSON.parse(line) as Record<string, unknown>)
    return Object.fromEntries(
      entries.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
    )
  } catch {
    // The line is not JSON, so the line itself is the log.
    return { content: line }
  }
}
