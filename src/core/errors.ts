/**
 * What a fault means for the data, which is all that decides what happens next:
 * - `event`: this one event is refused for good → dead letter.
 * - `configuration`: somebody must change something → pause, keep the data upstream, say what to do.
 * - `transient`: nothing was accepted, later it may be → retry for ever.
 * - `ambiguous`: it may or may not have been accepted → retry, counted apart, duplicates possible.
 * - `lease`: the shard is no longer ours → stop at once, commit nothing.
 */
export type FaultKind = 'event' | 'configuration' | 'transient' | 'ambiguous' | 'lease'

export interface FaultDetails {
  /** Stable, machine-readable: the server's own code where it has one (`LogStoreNotExist`, `4`), else ours in lower case. */
  code: string
  /** HTTP status, where there was one. */
  status?: number
  /** What the user should do about it: one sentence, no secrets. */
  advice?: string
  /** The other side asked us to wait this long. */
  retryAfterMs?: number
  cause?: unknown
}

/** Every failure this program reasons about. Anything else that is thrown is a bug and ends the process loudly. */
export class Fault extends Error {
  readonly kind: FaultKind
  readonly code: string
  readonly status: number | undefined
  readonly advice: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(kind: FaultKind, message: string, details: FaultDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'Fault'
    this.kind = kind
    this.code = details.code
    this.status = details.status
    this.advice = details.advice
    this.retryAfterMs = details.retryAfterMs
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
