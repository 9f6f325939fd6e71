import type { LogstoreRef } from '../../core/shard.ts'
import { comparisonsIn } from '../../routing/expression.ts'
import type { Program } from '../program.ts'
import { programAt } from '../reference/logstore-program.ts'
import { codeOf } from './comparisons.ts'
import { Image } from './image.ts'
import { OP_HOST } from './memory-layout.ts'
import { kernelProgramOf, PROGRAM_BYTES } from './program.ts'

/** What the fast engine leaves to the other, which is slower. */
export interface Left {
  /** Why it leaves every log of the logstore. */
  readonly all?: string
  /** Comparisons whose logs it leaves, as they were written. Logs without the field are not meant. */
  readonly comparisons: readonly { readonly route: string; readonly text: string }[]
}

/** What of a program the fast engine leaves, for people. */
export function leftOf(program: Program, at: LogstoreRef): Left {
  const own = programAt(program, at)
  const kernels = kernelProgramOf(own, { base: 0, bytes: PROGRAM_BYTES, maxBatchBytes: Number.POSITIVE_INFINITY })
  if (typeof kernels === 'string') return { all: kernels, comparisons: [] }
  const comparisons = own.routes.flatMap(({ name: route, when }) =>
    when === undefined
      ? []
      : comparisonsIn(when.expression)
          .filter((comparison) => codeOf(comparison, new Image(0)).op === OP_HOST)
          .map(({ text }) => ({ route, text })),
  )
  return { comparisons }
}
