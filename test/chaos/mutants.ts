import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Property } from './judge.ts'
import type { OrdealName } from './ordeals.ts'

/** One deliberate bug, the ordeal in which it shows, and the property by which it must be caught. */
export interface Mutant {
  readonly bug: string
  readonly edits: readonly Edit[]
  readonly ordeal: OrdealName
  readonly caughtBy: Property
}

/** Text of a file in `src`, which must be there exactly once, and what stands there instead. */
type Edit = readonly [file: string, from: string, to: string]

const DELIVERIES = 'consumer/shard-deliveries.ts'
const DELIVERY = 'sinks/splunk-hec/delivery.ts'
const POSTING = 'sinks/splunk-hec/posting.ts'
const RESPONSE = 'sinks/splunk-hec/response.ts'
const HEARTBEATS = 'consumer/heartbeats.ts'

/** So that a bug in the TypeScript engine shows. */
const WITHOUT_KERNEL: Edit = [
  'bridge.ts',
  'const kernel = openKernel(config, budget, telemetry)',
  'const kernel = undefined as ReturnType<typeof openKernel>',
]

export const MUTANTS: readonly Mutant[] = [
  {
    bug: 'a checkpoint is committed before the acknowledgement',
    edits: [
      [DELIVERIES, '.then(() => ticket.settle())', '.then(() => {})'],
      [DELIVERIES, '      ticket.add()\n', ''],
    ],
    ...{ ordeal: 'slow SIEM and kill -9', caughtBy: 'ahead' },
  },
  {
    bug: 'the checkpoint follows what was settled last, whatever is open before it',
    edits: [
      [
        'consumer/checkpoint-tracker.ts',
        'pull.owed--\n',
        'pull.owed--\n        if (pull.sealed && pull.owed === 0) this.#mark = pull.nextCursor\n',
      ],
    ],
    ...{ ordeal: 'slow SIEM and kill -9', caughtBy: 'ahead' },
  },
  {
    bug: 'with indexer acknowledgement a 200 is taken for delivery',
    edits: [
      [
        POSTING,
        "return { is: 'accepted', endpoint, ack: turn.accepted(ackId) }",
        "return (void turn.accepted(ackId), { is: 'accepted', endpoint, ack: undefined })",
      ],
    ],
    ...{ ordeal: 'questions about acks refused', caughtBy: 'ahead' },
  },
  {
    bug: 'a refusal of /ack is taken for an acknowledgement',
    edits: [
      [
        RESPONSE,
        '  if (answer.status === 200 && answer.reply?.acked) return answer.reply.acked\n',
        '  if (answer.status === 200 && answer.reply?.acked) return answer.reply.acked\n' +
          '  if (answer.status === 400) return Array.from({ length: 1000 }, (_, id) => id)\n',
      ],
    ],
    ...{ ordeal: 'questions about acks refused', caughtBy: 'ahead' },
  },
  {
    bug: 'any 200 is a delivery',
    edits: [[RESPONSE, 'if (status === 200 && code !== undefined && ACCEPTED.has(code)) {', 'if (status === 200) {']],
    ...{ ordeal: 'login page', caughtBy: 'lost' },
  },
  {
    bug: 'an ambiguous answer is taken for a success',
    edits: [
      [
        POSTING,
        '  telemetry.hecAmbiguous(fault)\n  if (!turn.own) turn.ended(true)\n  else if',
        "  turn.ended(true)\n  if (fault) return { is: 'accepted', endpoint, ack: undefined }\n  else if",
      ],
    ],
    ...{ ordeal: 'errors of HEC', caughtBy: 'lost' },
  },
  {
    bug: 'delivery gives up after five attempts',
    edits: [[DELIVERY, 'retries: Number.POSITIVE_INFINITY', 'retries: 5']],
    ...{ ordeal: 'errors of HEC', caughtBy: 'died' },
  },
  {
    bug: 'a batch that is too large is dropped',
    edits: [
      [DELIVERY, 'sent.endpoint.learnLimit(sizeOf(this.#batch, run))\n        return this.#halve(run)', 'return'],
    ],
    ...{ ordeal: 'small bodies only', caughtBy: 'lost' },
  },
  {
    bug: 'after a refused event those before it are sent again',
    edits: [
      [DELIVERY, "if (sent.prefix !== 'unknown') this.#accepted(from, bad,", 'if (at < 0) this.#accepted(from, bad,'],
      [DELIVERY, "sent.prefix === 'none' ? undefined : sent.prefix)", 'undefined)'],
    ],
    ...{ ordeal: 'poison', caughtBy: 'repeated' },
  },
  {
    bug: 'one refused event takes the rest of its batch along',
    edits: [[DELIVERY, '    this.#goOnAfter(run, bad + 1)\n', '']],
    ...{ ordeal: 'poison', caughtBy: 'lost' },
  },
  {
    bug: 'one refused event sends the rest of its batch to the dead letter',
    edits: [
      [
        DELIVERY,
        '    this.#goOnAfter(run, bad + 1)\n',
        '    for (let i = bad + 1; i < to; i++) await this.#bury(i, reasonOf(sent))\n',
      ],
    ],
    ...{ ordeal: 'poison', caughtBy: 'refused' },
  },
  {
    bug: 'a refused event is counted and not kept',
    edits: [
      [
        DELIVERY,
        'await deadLetterGate.through(this.#lease.signal, () => deadLetter.write([entry]))',
        'void [entry, deadLetter, deadLetterGate]',
      ],
    ],
    ...{ ordeal: 'poison', caughtBy: 'lost' },
  },
  {
    bug: 'a full disk under the dead letter is overlooked',
    edits: [
      [
        'sinks/dead-letter.ts',
        'for (const { failed } of jobs) failed(fault)',
        'for (const { done } of jobs) done(void fault)',
      ],
    ],
    ...{ ordeal: 'full disk', caughtBy: 'lost' },
  },
  {
    bug: 'a disabled token sends events to the dead letter',
    edits: [
      [
        RESPONSE,
        "1: { kind: 'configuration', advice: 'The HEC token is disabled: enable it in Splunk.' },\n  2:",
        "1: { kind: 'event' },\n  2:",
      ],
      [RESPONSE, '...{ 6: 400, 12: 400,', '...{ 1: 403, 6: 400, 12: 400,'],
    ],
    ...{ ordeal: 'token disabled', caughtBy: 'refused' },
  },
  {
    bug: 'an expired cursor goes on at the end',
    edits: [
      [
        'consumer/shard-cursors.ts',
        "client.getCursor(shard, 'begin', signal)",
        "client.getCursor(shard, 'end', signal)",
      ],
    ],
    ...{ ordeal: 'expired cursor', caughtBy: 'lost' },
  },
  {
    bug: 'a damaged body is taken for an empty one',
    edits: [
      [
        'consumer/shard-fetcher.ts',
        'await pull.read(take, bodies.inflate)',
        'await pull.read(take, bodies.inflate).catch(() => Buffer.alloc(0))',
      ],
    ],
    ...{ ordeal: 'damaged bodies', caughtBy: 'lost' },
  },
  {
    bug: 'commits are forced',
    edits: [['sls/client.ts', '{ group, consumer, force: false }', '{ group, consumer, force: true }']],
    ...{ ordeal: 'quiet', caughtBy: 'forced' },
  },
  {
    bug: 'a replica works on when its lease has run out',
    edits: [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a template
      [HEARTBEATS, 'this.#loseAll(`no heartbeat succeeded for ${timeoutMs / 1000} s`)', 'void timeoutMs'],
      [
        'consumer/lease.ts',
        'if (this.#now() < this.#renewedUntil()) return',
        'if (this.#now() < this.#renewedUntil() || this.shard >= 0) return',
      ],
    ],
    ...{ ordeal: 'cut off from SLS', caughtBy: 'trespass' },
  },
  {
    bug: 'a shard that is being drained is no longer reported',
    edits: [
      [
        'consumer/worker.ts',
        '.filter(([, { lease }]) => !lease.signal.aborted)',
        '.filter(([, { lease, draining }]) => !lease.signal.aborted && !draining)',
      ],
    ],
    ...{ ordeal: 'planned restarts', caughtBy: 'repeated' },
  },
  {
    bug: 'nanoseconds are cut to microseconds',
    edits: [
      WITHOUT_KERNEL,
      ['pipeline/reference/log-view.ts', 'this.nanos = nanos\n', 'this.nanos = nanos - (nanos % 1000)\n'],
    ],
    ...{ ordeal: 'quiet', caughtBy: 'altered' },
  },
  {
    bug: 'the event id counts the logs of a pull, not of their group',
    edits: [
      WITHOUT_KERNEL,
      [
        'pipeline/reference/pull-encoding.ts',
        'writeDecimal(target.buffer, at, this.#group.logIndex)',
        'writeDecimal(target.buffer, at, this.counts.events)',
      ],
    ],
    ...{ ordeal: 'quiet', caughtBy: 'altered' },
  },
  {
    bug: 'the filter lets everything through',
    edits: [WITHOUT_KERNEL, ['pipeline/select.ts', 'this.#wanted.length === 0 ||', 'this.#wanted.length >= 0 ||']],
    ...{ ordeal: 'quiet', caughtBy: 'invented' },
  },
  {
    bug: 'the kernel lets every topic through',
    edits: [
      ['bridge.ts', 'Kernel.open(encoderOptions(config),', 'Kernel.open({ ...encoderOptions(config), topics: [] },'],
    ],
    ...{ ordeal: 'quiet', caughtBy: 'invented' },
  },
  {
    bug: 'the byte budget admits everything',
    edits: [
      ['consumer/byte-budget.ts', 'this.#batches > 0 && this.used + bytes > this.limit', 'this.used + bytes < 0'],
      [DELIVERIES, 'this.#unstarted <= MAX_UNSTARTED_BATCHES', 'this.#unstarted >= 0'],
    ],
    ...{ ordeal: 'stalled SIEM, growing logs', caughtBy: 'memory' },
  },
]

const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = join(HERE, '../..')

/** A checkout with the bug in it. Throws when the code no longer looks as the bug expects. */
export class Infected implements Disposable {
  readonly main: string
  readonly #directory: string

  constructor({ bug, edits }: Mutant) {
    // Inside the repository, so that packages are found.
    this.#directory = join(HERE, '.mutants', bug.replace(/\W+/g, '-'))
    this.main = join(this.#directory, 'src/main.ts')
    rmSync(this.#directory, { recursive: true, force: true })
    mkdirSync(this.#directory, { recursive: true })
    cpSync(join(ROOT, 'src'), join(this.#directory, 'src'), { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(this.#directory, 'package.json'))
    for (const [file, from, to] of edits) {
      const path = join(this.#directory, 'src', file)
      const text = readFileSync(path, 'utf8')
      if (text.split(from).length !== 2) throw new Error(`${bug}: ${file} does not have this exactly once:\n${from}`)
      writeFileSync(
        path,
        text.replace(from, () => to),
      )
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
