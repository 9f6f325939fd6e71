import type { Infection } from '../../../chaos/mutants.ts'
import type { Broken, SyslogOrdeal } from './ordeals.ts'

/** A deliberate bug of the syslog sink, the ordeal in which it shows, and what it must be caught by. */
export interface SyslogMutant extends Infection {
  readonly ordeal: SyslogOrdeal
  readonly caughtBy: Broken
}

/** Messages are made in TypeScript: a bug there does not show in those of the WebAssembly. */
const IN_TYPESCRIPT = ['kernel = FrameKernel.for(options)', 'kernel: FrameKernel | null = null'] as const

export const SYSLOG_MUTANTS: readonly SyslogMutant[] = [
  {
    bug: 'a batch counts as delivered when it is written',
    edits: [['await (this.#drains ? stream.drained : this.#aged(stream, offset))', 'await stream.room()']],
    ...{ ordeal: 'killed', caughtBy: 'lost' },
  },
  {
    bug: 'a message counts as delivered before RELP answers',
    edits: [['await abortable(sent.all(), session.over)', 'await session.room()']],
    ...{ ordeal: 'killed, with RELP', caughtBy: 'lost' },
  },
  {
    bug: 'the half-close follows the last byte at once',
    edits: [
      ['const LEAST_GRACE_MS = 50', 'const LEAST_GRACE_MS = 0'],
      [
        'const inKernel = await unacknowledged(this.#socket, this.#options.clock)',
        'const inKernel = await setImmediate(0)',
      ],
    ],
    ...{ ordeal: 'one of the last frames refused', caughtBy: 'lost' },
  },
  {
    bug: 'a FIN before ours confirms, too',
    edits: [
      [
        'if (this.#isEnding && this.#socket.writableFinished) this.#isReadToEnd = true',
        'this.#isReadToEnd = true\n    if (!this.#isEnding) this.#socket.end()\n    if (this.#isReadToEnd) return',
      ],
    ],
    ...{ ordeal: 'one of the last frames refused', caughtBy: 'lost' },
  },
  {
    bug: 'a line end stays in a frame',
    edits: [IN_TYPESCRIPT, ['payload.some(isLineEnd)', 'false']],
    ...{ ordeal: 'lines', caughtBy: 'garbled' },
  },
  {
    bug: 'characters are counted for bytes',
    edits: [IN_TYPESCRIPT, ['length = header.length + payload.length', 'length = (head + payload.toString()).length']],
    ...{ ordeal: 'killed', caughtBy: 'garbled' },
  },
  {
    bug: 'times have nine digits',
    edits: [IN_TYPESCRIPT, ["decimals.slice(0, 6).padEnd(6, '0')", 'decimals']],
    ...{ ordeal: 'lines', caughtBy: 'garbled' },
  },
  {
    bug: 'what is sent again begins in the middle of a frame',
    edits: [
      [
        'target.framer.pieces(this.#batch, part, oversized, next)',
        `target.framer.pieces(this.#batch, part, oversized, next).map((piece, nth) =>
          nth === 0 && part.ends > 0 ? { ...piece, bytes: piece.bytes.subarray(40) } : piece)`,
      ],
    ],
    ...{ ordeal: 'reset in the middle of a frame', caughtBy: 'garbled' },
  },
]
