import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Property } from './judge.ts'
import type { OrdealName } from './ordeals.ts'

/** A deliberate bug. */
export interface Infection {
  readonly bug: string
  readonly edits: readonly Edit[]
}

/** The ordeal in which a deliberate bug shows, and the property by which it must be caught. */
export interface Mutant extends Infection {
  readonly ordeal: OrdealName
  readonly caughtBy: Property
}

/**
 * A quote from `src` and its replacement. The quote must occur exactly once in all files together, so code may move between
 * them. Whitespace is ignored, so formatting may change too.
 */
type Edit = readonly [quote: string, replacement: string]

/** A bug in the TypeScript engine shows only when that engine runs. */
const WITHOUT_KERNEL: Edit = [
  'const kernel = openKernel(options, budget, telemetry)',
  'const kernel = undefined as ReturnType<typeof openKernel>',
]

/** They are begun in this order, those that take longest first. */
export const MUTANTS: readonly Mutant[] = [
  {
    bug: 'a shard whose end is not told counts as caught up',
    edits: [['if (now - this.#end.at <= END_IS_FRESH_MS) return 0', 'return 0']],
    ...{ ordeal: 'silence about shards', caughtBy: 'lag' },
  },
  {
    bug: 'the log waits for its reader',
    edits: [
      ['constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY', 'constants.O_WRONLY | constants.O_NOCTTY'],
    ],
    ...{ ordeal: 'output unread', caughtBy: 'hung' },
  },
  {
    bug: 'a checkpoint is committed before the acknowledgement',
    edits: [
      ['.then(() => ticket.settle())', '.then(() => {})'],
      ['ticket.add()', ''],
    ],
    ...{ ordeal: 'slow SIEM and kill -9', caughtBy: 'ahead' },
  },
  {
    bug: 'the checkpoint follows what was settled last, whatever is open before it',
    edits: [['pull.owed--', 'pull.owed--; if (pull.sealed && pull.owed === 0) this.#mark = pull.nextCursor']],
    ...{ ordeal: 'slow SIEM and kill -9', caughtBy: 'ahead' },
  },
  {
    bug: 'with indexer acknowledgement a 200 is taken for delivery',
    edits: [
      [
        "return { is: 'accepted', range, endpoint, acceptance: use.accepted(ackId) }",
        "return (void use.accepted(ackId), { is: 'accepted', range, endpoint, acceptance: 'delivered' })",
      ],
    ],
    ...{ ordeal: 'ack queries refused', caughtBy: 'ahead' },
  },
  {
    bug: 'a refusal of /ack is taken for an acknowledgement',
    edits: [
      [
        'if (answer.status === 200 && answer.reply?.acked)',
        'if (answer.status === 400) return Array.from({ length: 1000 }, (_, id) => id)\n' +
          '  if (answer.status === 200 && answer.reply?.acked)',
      ],
    ],
    ...{ ordeal: 'ack queries refused', caughtBy: 'ahead' },
  },
  {
    bug: 'any 200 is a delivery',
    edits: [['status === 200 && code !== undefined && ACCEPTED.has(code)', 'status === 200']],
    ...{ ordeal: 'login page', caughtBy: 'lost' },
  },
  {
    bug: 'an ambiguous answer is taken for a success',
    edits: [
      [
        'if (!use.own) use.ended(true)',
        "use.ended(true)\n  if (fault) return { is: 'accepted', range, endpoint, acceptance: 'delivered' }",
      ],
      ["else if ((await use.doubtful()) === 'acked')", "if ((await use.doubtful()) === 'acked')"],
    ],
    ...{ ordeal: 'errors of HEC', caughtBy: 'lost' },
  },
  {
    bug: 'delivery gives up after two attempts',
    edits: [
      [
        "if (fault.kind !== 'transient' && fault.kind !== 'ambiguous') throw fault",
        "if ((fault.kind !== 'transient' && fault.kind !== 'ambiguous') || failures === 1) throw fault",
      ],
    ],
    ...{ ordeal: 'errors of HEC', caughtBy: 'died' },
  },
  {
    bug: 'a batch that is too large is dropped',
    edits: [['return this.#sendNext(...halvesOf(this.#batch, decision.range))', 'return']],
    ...{ ordeal: 'small bodies only', caughtBy: 'lost' },
  },
  {
    bug: 'after a refused event those before it are sent again',
    edits: [
      ['this.#accepted({ ...range, to: bad }, before)', "this.#accepted({ ...range, to: bad }, 'unacknowledged')"],
    ],
    ...{ ordeal: 'poison', caughtBy: 'repeated' },
  },
  {
    bug: 'one refused event takes the rest of its batch along',
    edits: [['this.#goOnAfter(range, bad + 1)', '']],
    ...{ ordeal: 'poison', caughtBy: 'lost' },
  },
  {
    bug: 'one refused event sends the rest of its batch to the dead letter',
    edits: [
      ['this.#goOnAfter(range, bad + 1)', 'for (let i = bad + 1; i < range.to; i++) await this.#bury(i, reason)'],
    ],
    ...{ ordeal: 'poison', caughtBy: 'refused' },
  },
  {
    bug: 'a refused event is counted and not kept',
    edits: [
      [
        'await deadLetterGate.through(this.#lease.signal, () => deadLetter.write([entry]))',
        'void [entry, deadLetter, deadLetterGate]',
      ],
    ],
    ...{ ordeal: 'poison', caughtBy: 'lost' },
  },
  {
    bug: 'a full disk under the dead letter is overlooked',
    edits: [['for (const { failed } of jobs) failed(fault)', 'for (const { done } of jobs) done(void fault)']],
    ...{ ordeal: 'full disk', caughtBy: 'lost' },
  },
  {
    bug: 'a disabled token sends events to the dead letter',
    edits: [
      ['1: TOKEN_DISABLED,', "1: { kind: 'event' },"],
      ['6: 400, 12: 400,', '1: 403, 6: 400, 12: 400,'],
    ],
    ...{ ordeal: 'token disabled', caughtBy: 'refused' },
  },
  {
    bug: 'an expired cursor goes on at the end',
    edits: [
      [
        "this.#retried(() => client.getCursor(shard.shard, 'begin', signal)",
        "this.#retried(() => client.getCursor(shard.shard, 'end', signal)",
      ],
    ],
    ...{ ordeal: 'expired cursor', caughtBy: 'lost' },
  },
  {
    bug: 'a damaged body is taken for an empty one',
    edits: [['pull.read(take, bodies.inflate)', 'pull.read(take, bodies.inflate).catch(() => Buffer.alloc(0))']],
    ...{ ordeal: 'damaged bodies', caughtBy: 'lost' },
  },
  {
    bug: 'commits are forced',
    edits: [['group, consumer, force: false', 'group, consumer, force: true']],
    ...{ ordeal: 'quiet', caughtBy: 'forced' },
  },
  {
    bug: 'a replica works on when its lease has run out',
    edits: [
      ['this.#loseAll(`no heartbeat succeeded for', 'void (`no heartbeat succeeded for'],
      ['this.#now() < this.#renewedUntil()', 'this.#now() < this.#renewedUntil() || this.shard.shard >= 0'],
    ],
    ...{ ordeal: 'cut off from SLS', caughtBy: 'trespass' },
  },
  {
    bug: 'a shard that is being drained is no longer reported',
    edits: [
      [
        '.filter(([, { lease }]) => !lease.signal.aborted)',
        '.filter(([, { lease, draining }]) => !lease.signal.aborted && !draining)',
      ],
    ],
    ...{ ordeal: 'planned restarts', caughtBy: 'repeated' },
  },
  {
    bug: 'nanoseconds are cut to microseconds',
    edits: [WITHOUT_KERNEL, ['nanos: nanos % NANOS', 'nanos: (nanos % NANOS) - (nanos % 1000)']],
    ...{ ordeal: 'quiet', caughtBy: 'altered' },
  },
  {
    bug: 'the event id counts the logs of a pull, not of their group',
    edits: [
      WITHOUT_KERNEL,
      [
        'routes.leaving(log, index++, this.#tally)',
        'routes.leaving(log, this.#tally.logs - group.logCount + index++, this.#tally)',
      ],
    ],
    ...{ ordeal: 'quiet', caughtBy: 'altered' },
  },
  {
    bug: 'the filter lets everything through',
    edits: [WITHOUT_KERNEL, ['this.topics.length === 0', 'this.topics.length >= 0']],
    ...{ ordeal: 'quiet', caughtBy: 'invented' },
  },
  {
    bug: 'the kernel lets every topic through',
    edits: [['image.text(topicList(topics)), topics.topics.length', 'image.text(topicList(topics)), 0']],
    ...{ ordeal: 'quiet', caughtBy: 'invented' },
  },
  {
    bug: 'events are given up without a limit',
    edits: [['return this.#unproven >= this.#most', 'return this.#unproven < 0']],
    ...{ ordeal: 'no body taken', caughtBy: 'given up' },
  },
  {
    bug: 'milder forms of a body are not tried',
    edits: [['if (!isSingle(range) || !isUnspecific(decision)) return decision', 'if (decision) return decision']],
    ...{ ordeal: 'gzip not understood', caughtBy: 'held up' },
  },
  {
    bug: 'a request that always fails stays whole',
    edits: [['if (suspected) return', 'if (suspected && suspected.parts.length < 0) return']],
    ...{ ordeal: 'one log behind a firewall', caughtBy: 'held up' },
  },
  {
    bug: 'after a lost ack nothing waits',
    edits: [
      ['await clock.sleep(backoffMs(times, RETRY), this.#lease.signal)', ''],
      ['if (times >= MOST_UNKNOWN) doubtGate.trip(outcomeStaysUnknown(fault))', 'void [times, doubtGate]'],
    ],
    // Nothing repeats without end, since one event at a time is tried; but nobody is told that outcomes stay unknown.
    ...{ ordeal: 'acks lost', caughtBy: 'unfired' },
  },
  {
    bug: 'outcomes that stay unknown pause nothing',
    edits: [['attempt.unknown >= MOST_UNKNOWN', 'attempt.unknown < 0']],
    ...{ ordeal: 'answers too large', caughtBy: 'unfired' },
  },
  {
    bug: 'an unknown outcome repeats without end',
    edits: [
      ['attempt.unknown >= MOST_UNKNOWN', 'attempt.unknown < 0'],
      ['const delayMs = backoffMs(attempt.failures, RETRY)', 'const delayMs = RETRY.minMs'],
    ],
    ...{ ordeal: 'answers too large', caughtBy: 'endless' },
  },
  {
    bug: 'a foreign answer of success is a delivery',
    edits: [
      [
        'if (status === 200 && code !== undefined && ACCEPTED.has(code)) {',
        'if (status === 204 || (status === 200 && code !== undefined && ACCEPTED.has(code))) {',
      ],
    ],
    ...{ ordeal: 'success without HEC', caughtBy: 'ahead' },
  },
  {
    bug: 'a pull whose cursor does not move is delivered',
    edits: [['groupCount > 0 && nextCursor === from', 'groupCount < 0']],
    ...{ ordeal: 'cursor unmoved', caughtBy: 'endless' },
  },
  {
    bug: 'one bad endpoint pauses the sink',
    edits: [["if (error.kind !== 'configuration' || this.#noneLeft) throw error", 'throw error']],
    ...{ ordeal: 'one endpoint of two', caughtBy: 'held up' },
  },
  {
    bug: 'a bad endpoint is not paused',
    edits: [["if (fault.kind === 'configuration') this.#paused(health, fault)", '']],
    ...{ ordeal: 'one endpoint of two', caughtBy: 'unfired' },
  },
  {
    bug: 'a paused endpoint does not come back',
    edits: [['health.pause.over.abort(', 'if (health.pause) return\n    health.pause.over.abort(']],
    ...{ ordeal: 'one endpoint of two', caughtBy: 'stuck' },
  },
  {
    bug: 'a line that cannot be written ends the process',
    edits: [['this.#why = (error as NodeJS.ErrnoException).code ?? String(error)', 'if (error) throw error']],
    ...{ ordeal: 'output full', caughtBy: 'died' },
  },
  {
    bug: 'the byte budget admits everything',
    edits: [
      ['of.batches === 0 || this.#fits(of, bytes)', 'of.batches >= 0'],
      ['this.#unstarted <= MAX_UNSTARTED_BATCHES', 'this.#unstarted >= 0'],
    ],
    ...{ ordeal: 'stalled SIEM, growing logs', caughtBy: 'memory' },
  },
]

const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = join(HERE, '../..')

/** The files of `src` that have text to edit: path below `src` → text. */
export function sources(): Map<string, string> {
  const paths = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const texts = paths.filter((path) => path.endsWith('.ts') && !path.endsWith('binary.ts'))
  return new Map(texts.map((path) => [path, readFileSync(join(ROOT, 'src', path), 'utf8')]))
}

/** The files that a deliberate bug changes, with the bug in them. Throws when a quote does not occur exactly once. */
export function infected({ bug, edits }: Infection, files: ReadonlyMap<string, string>): Map<string, string> {
  const changed = new Map<string, string>()
  for (const [quote, replacement] of edits) {
    const pattern = looselySpaced(quote)
    const all = new Map([...files, ...changed])
    const found = [...all].flatMap(([path, text]) => [...text.matchAll(pattern)].map(() => path))
    const [path, another] = found
    if (path === undefined || another !== undefined) {
      throw new Error(`${bug}: src must have this exactly once, not ${found.length} times (${found}):\n${quote}`)
    }
    changed.set(
      path,
      (all.get(path) as string).replace(pattern, () => replacement),
    )
  }
  return changed
}

function looselySpaced(quote: string): RegExp {
  const characters = [...quote.replace(/\s/g, '')]
  return new RegExp(characters.map((character) => character.replace(/\W/, '\\$&')).join('\\s*'), 'g')
}

/** A checkout with the bug in it. */
export class Infected implements Disposable {
  readonly main: string
  readonly #directory: string

  constructor(mutant: Infection) {
    const changed = infected(mutant, sources())
    // Inside the repository, so that packages are found.
    this.#directory = join(HERE, '.mutants', mutant.bug.replace(/\W+/g, '-'))
    this.main = join(this.#directory, 'src/main.ts')
    rmSync(this.#directory, { recursive: true, force: true })
    mkdirSync(this.#directory, { recursive: true })
    cpSync(join(ROOT, 'src'), join(this.#directory, 'src'), { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(this.#directory, 'package.json'))
    for (const [path, text] of changed) writeFileSync(join(this.#directory, 'src', path), text)
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
