export type Verdict = 'ok' | 'warn' | 'fail' | 'skip'

/** What a check found when nothing stands in the way. What does is thrown, as a Fault. */
export interface Finding {
  readonly verdict: Exclude<Verdict, 'fail'>
  readonly found: string
  readonly advice?: string
}

export interface Check {
  readonly about: string
  readonly run: (signal: AbortSignal) => Promise<Finding>
  /** A name for what cannot be asked once this has failed: the checks that name it after this one. */
  readonly opens?: string
  readonly behind?: string
}

export const ok = (found: string): Finding => ({ verdict: 'ok', found })
/** Works, and may not for ever, or not as somebody believes. */
export const warn = (found: string, advice?: string): Finding => ({
  verdict: 'warn',
  found,
  ...(advice === undefined ? {} : { advice }),
})
/** Cannot be known without changing something, or does not apply. */
export const skip = (found: string): Finding => ({ verdict: 'skip', found })
