import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'

const FIRST_REST_MS = 1_000
const LONGEST_REST_MS = 60_000

export interface EndpointsOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  /** Judges the fault of one endpoint by the last faults of all, its own included. */
  readonly weigh?: (fault: Fault, lastFaults: LastFaults) => Fault
}

/** One for each endpoint; `undefined` for one whose last request succeeded. */
export type LastFaults = ReadonlyArray<Fault | undefined>

interface Health<Endpoint> {
  readonly endpoint: Endpoint
  /** Of its last request; `undefined` after a success. */
  fault: Fault | undefined
  failures: number
  restUntil: number
  onTrial: boolean
}

/** Round robin over endpoints. One that failed rests while another is healthy, then is tried with a single request. */
export class Endpoints<Endpoint> {
  readonly #health: ReadonlyArray<Health<Endpoint>>
  readonly #options: EndpointsOptions
  #next = 0

  constructor(endpoints: readonly Endpoint[], options: EndpointsOptions) {
    this.#health = endpoints.map((endpoint) => ({
      endpoint,
      fault: undefined,
      failures: 0,
      restUntil: 0,
      onTrial: false,
    }))
    this.#options = options
  }

  get all(): readonly Endpoint[] {
    return this.#health.map(({ endpoint }) => endpoint)
  }

  get faults(): LastFaults {
    return this.#health.map(({ fault }) => fault)
  }

  /** While another endpoint is healthy, nothing needs to wait for the one that asked for patience. */
  get anyHealthy(): boolean {
    return this.#health.some(({ failures }) => failures === 0)
  }

  /** Runs `task` with an endpoint. A transient or ambiguous fault from it lets the endpoint rest. */
  async using<T>(task: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const health = this.#pick()
    try {
      const result = await task(health.endpoint)
      health.fault = undefined
      health.failures = 0
      health.restUntil = 0
      return result
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      throw this.#failed(health, error)
    } finally {
      health.onTrial = false
    }
  }

  /** A request beside `using` met a fault: kept as the endpoint's last one, and it does not make the endpoint rest. */
  note(endpoint: Endpoint, fault: Fault): void {
    for (const health of this.#health) if (health.endpoint === endpoint) health.fault = fault
  }

  #pick(): Health<Endpoint> {
    const now = this.#options.clock.monotonic()
    const count = this.#health.length
    const inTurn = this.#health.map((_, i) => this.#health[(this.#next + i) % count] as Health<Endpoint>)
    const usable = inTurn.find(({ failures, restUntil, onTrial }) => failures === 0 || (restUntil <= now && !onTrial))
    const picked = usable ?? inTurn.reduce((a, b) => (b.restUntil < a.restUntil ? b : a))
    this.#next = (this.#health.indexOf(picked) + 1) % count
    if (picked.failures > 0) picked.onTrial = true
    return picked
  }

  #failed(health: Health<Endpoint>, fault: Fault): Fault {
    health.fault = fault
    const weighed = this.#options.weigh?.(fault, this.faults) ?? fault
    if (weighed.kind === 'transient' || weighed.kind === 'ambiguous') {
      health.failures++
      const rest = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(health.failures - 1, 10))
      health.restUntil = this.#options.clock.monotonic() + Math.max(rest, weighed.retryAfterMs ?? 0)
    }
    return weighed
  }
}
