import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { endpointOf } from '../config/build.ts'
import { choice, text, wholeNumber } from '../config/parsers.ts'
import { messageOf } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { onOneLine } from '../core/text.ts'
import type { SampleKind } from '../emulator/sample-logs.ts'
import { SAMPLE_KINDS, SampleLogs } from '../emulator/sample-logs.ts'
import type { WrittenLogs } from '../sls/official-client.ts'
import { OfficialClient } from '../sls/official-client.ts'
import { USER_AGENT } from '../version.ts'
import type { CommandIo } from './command.ts'
import { command, defaulting, EXIT, optional } from './command.ts'
import { settingsOf } from './configuration.ts'
import { sleepUnlessEnded } from './sleep.ts'

const HELP = `Write logs into a logstore with the vendor's client @alicloud/log.

usage: sls-siem-bridge produce [options]

  --kind KIND       generated logs: ${SAMPLE_KINDS.join(', ')} or mixed (default mixed)
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
    kind: defaulting('mixed', choice(...SAMPLE_KINDS, 'mixed')),
    file: optional(text),
    topic: optional(text),
    logs: defaulting('1000', count(0)),
    rate: defaulting('0', count(0)),
    groupSize: defaulting('50', count(1)),
    seed: optional(count(0)),
  },
  async run(plan, io) {
    const client = clientOf(io)
    const started = performance.now()
    try {
      const written = await writeAll(client, plan, io.signal)
      const seconds = (performance.now() - started) / 1000
      io.stderr.write(`wrote ${written} logs in ${seconds.toFixed(1)} s\n`)
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
  readonly kind: SampleKind | 'mixed'
  readonly file: string | undefined
  readonly topic: string | undefined
  readonly logs: number
  readonly rate: number
  readonly groupSize: number
  readonly seed: number | undefined
}

function clientOf(io: CommandIo): OfficialClient {
  const names = ['SLS_ENDPOINT', 'SLS_AK_ID', 'SLS_AK_KEY', 'SLS_STS_TOKEN', 'SLS_PROJECT', 'SLS_LOGSTORE'] as const
  const settings = settingsOf(io, names)
  return new OfficialClient({
    endpoint: endpointOf(settings),
    project: settings.SLS_PROJECT,
    logstore: settings.SLS_LOGSTORE[0] as string,
    // An access key pair is the only source of credentials here, so both are required.
    accessKeyId: settings.SLS_AK_ID as string,
    accessKeySecret: settings.SLS_AK_KEY as Secret,
    ...(settings.SLS_STS_TOKEN ? { securityToken: settings.SLS_STS_TOKEN } : {}),
    userAgent: USER_AGENT,
  })
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
  const samples = new SampleLogs(plan.seed ?? Math.floor(Math.random() * 2 ** 32))
  const kinds = plan.kind === 'mixed' ? SAMPLE_KINDS : [plan.kind]
  const total = plan.logs === 0 ? Number.POSITIVE_INFINITY : plan.logs
  for (let written = 0, turn = 0; written < total; turn++) {
    const count = Math.min(plan.groupSize, total - written)
    const group = samples.group(kinds[turn % kinds.length] as SampleKind, count)
    written += count
    yield plan.topic === undefined ? group : { ...group, topic: plan.topic }
  }
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
