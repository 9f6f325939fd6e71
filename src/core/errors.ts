/**
 * What a fault means for the data. It alone decides what happens next:
 * - `event`: this one event is refused for good → dead letter.
 * - `configuration`: somebody must change something → pause, keep the data in SLS, say what to do.
 * - `transient`: nothing was accepted, and it may be later → retry for ever.
 * - `ambiguous`: it may or may not have been accepted → retry; duplicates are possible and counted apart.
 * - `lease`: the shard is no longer ours → stop at once, commit nothing.
 */
export type FaultKind = 'event' | 'configuration' | 'transient' | 'ambiguous' | 'lease'

export interface FaultDetails {
  /** Stable: the server's own code where it has one (`LogStoreNotExist`, `4`), otherwise ours in lower case. */
  code: string
  /** Status of the answer, if one came. */
  status?: number
  /** What the user should do: one sentence, no secrets. */
  advice?: string
  /** The server asked us to wait this long. */
  retryAfterMs?: number
  cause?: unknown
}

/** A failure that the program handles. Any other error is a bug, and ends the process with its stack in the log. */
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

/** They last until somebody changes a setting, a permission, or whatever is in the place of a folder. */
const LASTING = new Set([
  'EACCES',
  'EAFNOSUPPORT',
  'EEXIST',
  'EINVAL',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENOTDIR',
  'EPERM',
])

/**
 * Whether an error of the operating system may pass although nobody changes a setting. At the start of a machine an address
 * is not there yet, a volume is mounted late, a secret is written by another program, a name server does not answer.
 */
export function mayComeLater(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' && /^E(?!RR_)[A-Z0-9_]+$/.test(code) && !LASTING.has(code)
}

/** `ENOENT` and the like; `undefined` for an error that the operating system did not name. */
export function systemCodeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
