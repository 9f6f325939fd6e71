import type { Fault } from '../../core/errors.ts'

export type Verdict = 'ok' | 'warn' | 'fail' | 'skip'

/** The result of a check that did not fail. A failure is thrown as a Fault. */
export interface Finding {
  readonly verdict: Exclude<Verdict, 'fail'>
  readonly found: string
  readonly advice?: string
}

export interface Blamed {
  readonly about: string
  readonly advice?: string
}

export interface Check {
  readonly about: string
  readonly run: (signal: AbortSignal) => Promise<Finding>
  /** A failure that shows something else than this to be wrong: what, and what to do unless the Fault says it. */
  readonly blames?: (fault: Fault) => Blamed | undefined
  /** Which of several logstores or sinks it is about. */
  readonly end?: string
  /** When this check fails, later checks that are `behind` this name are skipped. */
  readonly opens?: string
  readonly behind?: string
}

export const ok = (found: string): Finding => ({ verdict: 'ok', found })
/** It works, but may fail later, or not do what the user expects. */
export const warn = (found: string, advice?: string): Finding => ({
  verdict: 'warn',
  found,
  ...(advice === undefined ? {} : { advice }),
})
/** It does not apply, or only a change would show it. */
export const skip = (found: string): Finding => ({ verdict: 'skip', found })
