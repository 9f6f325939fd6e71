import type { Clock } from '../core/clock.ts'
import { sleepUnlessAborted } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { backoffMs, LONGEST_PROBE_GAP_MS } from '../core/retry.ts'

const FIRST_REST_MS = 1_000
const LONGEST_REST_MS = 60_000
const PROBES = { minMs: 1_000, maxMs: LONGEST_PROBE_GAP_MS }

export interface EndpointsOptions<Endpoint> {
  readonly clock: Clock
  /** Asks whether a configuration fault of the endpoint is still there, and changes nothing. */
  readonly probe: (endpoint: Endpoint, signal: AbortSignal) => Promise<Fault | undefined>
  /** Called once for each endpoint, and again when it is paused, when its fault changes, and (`undefined`) when it is back. */
  readonly changed: (endpoint: Endpoint, fault: Fault | undefined) => void
}

/**
 * Such a result proves nothing about its endpoint. `elsewhere`: another one that is healthy may have a better result.
 * `provenWithinMs`: `worked` or `refused` will tell; if the endpoint is paused, no other request is tried until then.
 */
export type Inconclusive = 'proves nothing' | 'elsewhere' | { readonly provenWithinMs: number }

interface Health<Endpoint> {
  readonly endpoint: Endpoint
  failures: number
  restUntil: number
  onTrial: boolean
  pause: Pause | undefined
}

/** From a configuration fault of an endpoint to its next success. */
interface Pause {
  fault: Fault
  /** The last probe passed: the endpoint may be tried with a single request. */
  passed: boolean
  /** A probe has met the fault, so probes can tell that it is over. */
  seen: boolean
  /** So long a request is under way that will tell, in monotonic milliseconds. */
  awaitedUntil: number
  readonly over: AbortController
}

/**
 * Round robin over endpoints. One that failed rests while another is healthy, then is tried with a single request. A
 * configuration fault pauses its endpoint alone: the others take its requests, and probes at most 15 s apart find out when
 * it may be tried again. Only when none is left is it a fault of the sink.
 */
export class Endpoints<Endpoint> {
  readonly #health: ReadonlyArray<Health<Endpoint>>
  readonly #options: EndpointsOptions<Endpoint>
  readonly #stop = new AbortController()
  #next = 0

  constructor(endpoints: readonly Endpoint[], options: EndpointsOptions<Endpoint>) {
    this.#health = endpoints.map((endpoint) => ({
      endpoint,
      failures: 0,
      restUntil: 0,
      onTrial: false,
      pause: undefined,
    }))
    this.#options = options
    for (const endpoint of endpoints) options.changed(endpoint, undefined)
  }

  get all(): readonly Endpoint[] {
    return this.#health.map(({ endpoint }) => endpoint)
  }

  /** While another endpoint is healthy, nothing needs to wait for the one that asked for patience. */
  get anyHealthy(): boolean {
    return this.#health.some(({ failures, pause }) => failures === 0 && !pause)
  }

  /** Ends the probes. */
  close(): void {
    this.#stop.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
  }

  /**
   * Runs `task` with an endpoint. A transient or ambiguous fault from it lets the endpoint rest. A configuration fault
   * pauses it, and `task` is run with another endpoint. Throws a configuration fault when no endpoint is left to try.
   * `inconclusive` says of which results an endpoint's health cannot be told.
   */
  async using<T>(
    task: (endpoint: Endpoint) => Promise<T>,
    inconclusive: (result: T) => Inconclusive | undefined = () => undefined,
  ): Promise<T> {
    const asked = new Set<Health<Endpoint>>()
    for (let next: Health<Endpoint> | undefined; ; ) {
      const health = next ?? this.#pick()
      next = undefined
      try {
        const result = await task(health.endpoint)
        const doubt = inconclusive(result)
        if (doubt === undefined) this.#succeeded(health)
        else if (typeof doubt === 'object') this.#awaits(health, doubt.provenWithinMs)
        asked.add(health)
        next = doubt === 'elsewhere' ? this.#healthyBut(asked) : undefined
        if (!next) return result
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        this.#failed(health, error)
        if (error.kind !== 'configuration' || this.#noneLeft) throw error
      } finally {
        health.onTrial = false
      }
    }
  }

  /** A request beside `using` met a configuration fault. True when no endpoint is left to try. */
  refused(endpoint: Endpoint, fault: Fault): boolean {
    const health = this.#health.find((each) => each.endpoint === endpoint)
    if (health) this.#paused(health, fault)
    return this.#noneLeft
  }

  /** A request beside `using` shows that the endpoint works. */
  worked(endpoint: Endpoint): void {
    const health = this.#health.find((each) => each.endpoint === endpoint)
    if (health) this.#succeeded(health)
  }

  /** Asks all endpoints. `undefined` when one can be tried, otherwise the fault that a person must act on, if there is one. */
  async probe(signal: AbortSignal): Promise<Fault | undefined> {
    const faults = await Promise.all(this.#health.map((health) => this.#probed(health, signal)))
    if (faults.includes(undefined)) return undefined
    return faults.find((fault) => fault?.kind === 'configuration') ?? faults[0]
  }

  /** Healthy ones in turn, then those whose rest or pause may be over, then whichever is likely to work first. */
  #pick(): Health<Endpoint> {
    const now = this.#options.clock.monotonic()
    const count = this.#health.length
    const inTurn = this.#health.map((_, i) => this.#health[(this.#next + i) % count] as Health<Endpoint>)
    const untried = ({ failures, restUntil, onTrial, pause }: Health<Endpoint>): boolean =>
      pause ? pause.passed && pause.awaitedUntil <= now && !onTrial : failures === 0 || (restUntil <= now && !onTrial)
    const picked = inTurn.find(untried) ?? inTurn.toSorted((a, b) => rank(a) - rank(b) || a.restUntil - b.restUntil)[0]
    if (!picked) throw new Error('there are no endpoints')
    this.#next = (this.#health.indexOf(picked) + 1) % count
    if (picked.failures > 0 || picked.pause) picked.onTrial = true
    return picked
  }

  #healthyBut(asked: ReadonlySet<Health<Endpoint>>): Health<Endpoint> | undefined {
    return this.#health.find((each) => each.failures === 0 && !each.pause && !asked.has(each))
  }

  #succeeded(health: Health<Endpoint>): void {
    health.failures = 0
    health.restUntil = 0
    this.#back(health)
  }

  #awaits(health: Health<Endpoint>, ms: number): void {
    if (health.pause) health.pause.awaitedUntil = this.#options.clock.monotonic() + ms
    else this.#succeeded(health)
  }

  #failed(health: Health<Endpoint>, fault: Fault): void {
    if (fault.kind === 'configuration') this.#paused(health, fault)
    if (fault.kind !== 'transient' && fault.kind !== 'ambiguous') return
    health.failures++
    const rest = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(health.failures - 1, 10))
    health.restUntil = this.#options.clock.monotonic() + Math.max(rest, fault.retryAfterMs ?? 0)
    if (health.pause) health.pause.passed = false
  }

  /** Pauses the endpoint, or renews its fault. */
  #paused(health: Health<Endpoint>, fault: Fault): void {
    const lasting = health.pause
    const pause = lasting ?? { fault, passed: false, seen: false, awaitedUntil: 0, over: new AbortController() }
    health.pause = pause
    pause.passed = false
    pause.awaitedUntil = 0
    if (!lasting || differs(pause.fault, fault)) this.#options.changed(health.endpoint, fault)
    pause.fault = fault
    if (!lasting) void this.#tryUntilBack(health, pause)
  }

  get #noneLeft(): boolean {
    return this.#health.every(({ pause }) => pause && !pause.passed)
  }

  #back(health: Health<Endpoint>): void {
    if (!health.pause) return
    health.pause.over.abort(new Fault('transient', 'the endpoint takes requests again', { code: 'back' }))
    health.pause = undefined
    this.#options.changed(health.endpoint, undefined)
  }

  /**
   * Probes at growing gaps. The pause ends with a request, since a probe does not see every fault. If no request comes, two
   * probes that pass end the pause of a fault that probes see.
   */
  async #tryUntilBack(health: Health<Endpoint>, pause: Pause): Promise<void> {
    const stop = AbortSignal.any([this.#stop.signal, pause.over.signal])
    const { clock } = this.#options
    for (let attempt = 1; await sleepUnlessAborted(clock, backoffMs(attempt, PROBES), stop); attempt++) {
      // The sink is paused then, and probes all of them together.
      if (this.#noneLeft) continue
      const passedBefore = pause.passed && !health.onTrial
      await this.#probed(health, stop)
      if (pause.seen && passedBefore && pause.passed && !stop.aborted) this.#back(health)
    }
  }

  async #probed(health: Health<Endpoint>, signal: AbortSignal): Promise<Fault | undefined> {
    const fault = await this.#options.probe(health.endpoint, signal)
    const { pause } = health
    if (!pause || signal.aborted) return fault
    if (fault?.kind === 'configuration') {
      pause.seen = true
      this.#paused(health, fault)
    } else pause.passed = fault === undefined
    return fault
  }
}

/** Among endpoints of which none is due: resting ones, then paused ones that a probe found good, then the others. */
function rank({ pause }: Health<unknown>): number {
  if (!pause) return 0
  return pause.passed ? 1 : 2
}

function differs(one: Fault, other: Fault): boolean {
  return one.code !== other.code || one.message !== other.message
}
