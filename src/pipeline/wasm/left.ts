import type { LogstoreRef } from '../../core/shard.ts'
import type { Program } from '../program.ts'
import { programAt } from '../reference/logstore-program.ts'
import { kernelProgramOf, PROGRAM_BYTES } from './program.ts'

/** The parts that the fast engine leaves to the slower one. */
export interface Left {
  /** Why it leaves every log of the logstore. */
  readonly all?: string
  /** Operators, fields and steps at which it leaves the logs that come to them, by the route's name. */
  readonly routes: ReadonlyMap<string, readonly string[]>
}

/** The parts of a program that the fast engine leaves, for people. */
export function leftOf(program: Program, at: LogstoreRef): Left {
  const room = { base: 0, bytes: PROGRAM_BYTES, maxBatchBytes: Number.POSITIVE_INFINITY }
  const kernels = kernelProgramOf(programAt(program, at), room)
  return typeof kernels === 'string' ? { all: kernels, routes: new Map() } : { routes: kernels.handsOver }
}
