import { abortable } from '../core/abortable.ts'
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { retryDelayMs } from '../core/retry.ts'
import type { Telemetry } from '../core/telemetry.ts'
import type { Credentials } from './signature.ts'

/** Where requests get what they are signed with. */
export interface CredentialSource {
  /**
   * At once while those in use are good. Rejects with a configuration Fault that says why there are none: `credentials`, or
   * `credentials_unreachable` when that may pass by itself.
   */
  get(): Promise<Credentials>
  /** Log Service has refused `these`: others to try in their place, if there are any. Rejects only because of a bug. */
  refused(these: Credentials): Promise<Credentials | undefined>
}

/** For a pair that never changes. */
export function fixedCredentials(credentials: Credentials): CredentialSource {
  return { get: async () => credentials, refused: async () => undefined }
}

export interface Issued {
  credentials: Credentials
  /** Milliseconds since the epoch. */
  expiresAt?: number | undefined
}

export interface RenewedCredentialsOptions {
  /** Rejects with a Fault, whose text is shown as it is. Any other error is a bug. */
  fetch: () => Promise<Issued>
  /** For messages: `the metadata server`. */
  from: string
  clock: Clock
  telemetry: Pick<Telemetry, 'notice'>
}

/** A request waits at most this long for a source. */
const FETCH_TIMEOUT_MS = 10_000
/** A source that failed is not asked again before this backoff. */
const RETRY = { minMs: 1_000, maxMs: 10_000 }
/** Credentials are renewed this long before they expire, or in the last third of their life if that is shorter. */
const RENEWAL_MS = 15 * 60_000
/** Credentials that do not say when they expire are renewed after this long. */
const UNKNOWN_LIFE_MS = 10 * 60_000
/** A missing permission is refused like bad credentials, and new ones do not help: then they are fetched this seldom. */
const REFUSALS_APART_MS = 10_000

/**
 * Credentials that are replaced before they expire, and when they are refused. It has no timer: the request that finds them
 * due is signed with those in use, which are still good, and starts a fetch in the background. So an endpoint that is down
 * or slow causes a warning, and delays requests only when the last good credentials have expired.
 */
export class RenewedCredentials implements CredentialSource {
  readonly #options: RenewedCredentialsOptions
  #issued: Issued | undefined
  #renewAt = 0
  #fetching: Promise<void> | undefined
  #failures = 0
  #failure: Fault | undefined
  /** Monotonic; before it nothing is fetched. */
  #notBefore = Number.NEGATIVE_INFINITY
  #refusedAt = Number.NEGATIVE_INFINITY

  constructor(options: RenewedCredentialsOptions) {
    this.#options = options
  }

  async get(): Promise<Credentials> {
    const good = this.#good()
    if (good) {
      if (this.#options.clock.wall() >= this.#renewAt) void this.#renew()
      return good.credentials
    }
    await this.#renew()
    const issued = this.#good()
    if (issued) return issued.credentials
    throw this.#failure ?? noCredentials(this.#options.from, 'they had expired before they could be used')
  }

  async refused(these: Credentials): Promise<Credentials | undefined> {
    const now = this.#options.clock.monotonic()
    const good = this.#good()
    if (good && !same(good.credentials, these)) return good.credentials
    if (!this.#fetching) {
      if (now - this.#refusedAt < REFUSALS_APART_MS) return undefined
      this.#refusedAt = now
    }
    await this.#renew()
    const others = this.#good()?.credentials
    return others && !same(others, these) ? others : undefined
  }

  #good(): Issued | undefined {
    const { expiresAt = Number.POSITIVE_INFINITY } = this.#issued ?? {}
    return this.#options.clock.wall() < expiresAt ? this.#issued : undefined
  }

  /** One at a time for all requests. Rejects only because of a bug, which ends the process. */
  #renew(): Promise<void> {
    if (this.#options.clock.monotonic() < this.#notBefore) return Promise.resolve()
    this.#fetching ??= this.#attempt().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  async #attempt(): Promise<void> {
    const { clock, from, telemetry } = this.#options
    try {
      this.#accept(await this.#fetch())
      if (this.#failures > 0) telemetry.notice('info', `${from} gives credentials again`)
      this.#failures = 0
      this.#failure = undefined
    } catch (error) {
      if (!(error instanceof Fault)) throw bugOf(error, from)
      this.#failures++
      this.#failure = error
      this.#notBefore = clock.monotonic() + retryDelayMs(this.#failure, this.#failures, RETRY)
      const { expiresAt } = this.#good() ?? {}
      if (this.#failures > 1 || !this.#good()) return
      const until = expiresAt === undefined ? 'Log Service refuses them' : new Date(expiresAt).toISOString()
      const why = error.message.replace(beginningOf(from), '')
      const source = from.replace(/^./, (letter) => letter.toUpperCase())
      const message = `${source} did not renew the credentials: ${why}. The current ones stay in use until ${until}.`
      telemetry.notice('warn', message, { advice: error.advice })
    }
  }

  async #fetch(): Promise<Issued> {
    const { fetch, from, clock } = this.#options
    const done = new AbortController()
    const late = new AbortController()
    clock.sleep(FETCH_TIMEOUT_MS, done.signal).then(
      () => {
        const why = `it did not answer within ${FETCH_TIMEOUT_MS / 1000} s`
        late.abort(noCredentials(from, why, { mayPass: true }))
      },
      () => {},
    )
    try {
      return await abortable(fetch(), late.signal)
    } finally {
      done.abort()
    }
  }

  #accept(issued: Issued): void {
    const { clock, from } = this.#options
    const now = clock.wall()
    const lifeMs = issued.expiresAt === undefined ? UNKNOWN_LIFE_MS : issued.expiresAt - now
    if (lifeMs <= 0) {
      throw noCredentials(from, `it gives some that expired at ${new Date(now + lifeMs).toISOString()}`, {
        advice: "Look at what renews them there, and at this machine's clock.",
      })
    }
    this.#renewAt = issued.expiresAt === undefined ? now + lifeMs : now + lifeMs - Math.min(RENEWAL_MS, lifeMs / 3)
    this.#issued = issued
  }
}

/** Its stack without its text, which may hold keys. */
function bugOf(error: unknown, from: string): Error {
  const { name, stack = '' } = error instanceof Error ? error : new Error()
  const bug = new Error(`a bug, ${name}, while credentials came from ${from}`)
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '))
  bug.stack = [`${bug.name}: ${bug.message}`, ...frames].join('\n')
  return bug
}

function beginningOf(from: string): string {
  return `no credentials from ${from}: `
}

/** A Fault that pauses a replica as a wrong setting does. Its code says whether it may pass by itself. */
export function noCredentials(
  from: string,
  why: string,
  { advice, mayPass = false }: { advice?: string; mayPass?: boolean } = {},
): Fault {
  return new Fault('configuration', `${beginningOf(from)}${why}`, {
    code: mayPass ? 'credentials_unreachable' : 'credentials',
    ...(advice !== undefined && { advice }),
  })
}

function same(one: Credentials, other: Credentials): boolean {
  return (
    one.accessKeyId === other.accessKeyId &&
    one.accessKeySecret.reveal() === other.accessKeySecret.reveal() &&
    one.securityToken?.reveal() === other.securityToken?.reveal()
  )
}
