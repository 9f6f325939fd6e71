import type { Clock } from '../core/clock.ts'
import { sleepUnlessAborted } from '../core/clock.ts'
import { Fault } from '../core/errors.ts'
import { backoffMs, LONGEST_PROBE_GAP_MS } from '../core/retry.ts'
import type { PauseKey, Telemetry } from '../core/telemetry.ts'

const FIRST_PROBE_MS = 1_000

export interface PauseGateOptions {
  readonly key: PauseKey
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'paused' | 'resumed'>
  /** Asks whether the fault is still there, and changes nothing. Without it the leader alone finds out. */
  readonly probe?: (signal: AbortSignal) => Promise<Fault | undefined>
  /** Milliseconds before each try to open. Without it they grow from 1 s to 15 s. */
  readonly gapMs?: number
}

/** Held by a task while it is inside. */
export interface Pass {
  /** Throws when the gate has closed since; `through` catches that and waits again. Ask immediately before acting. */
  check(): void
  /** What the leader did proves nothing: the gate stays closed until `resume`, or until another leader passes. */
  unproven(): void
}

/** `failed`: refused again, or a fault that leaves it unknown. `gone`: its lease ended, or another gate closed, before it could find out. */
type LeadResult = 'passed' | 'failed' | 'gone'

interface Waiter {
  /** May be sent ahead while the gate is closed; otherwise only waits for it to open. */
  readonly mayLead: boolean
  readonly enter: (lead: ((result: LeadResult) => void) | undefined) => void
}

class GateClosed extends Error {
  readonly gate: PauseGate
  constructor(gate: PauseGate) {
    super('the gate has closed')
    this.gate = gate
  }
}

/**
 * Pauses all deliveries of a sink together. It closes on a `configuration` fault, because every other delivery would meet
 * the same one, and opens by itself: a probe asks at most 15 s apart, and when it passes, one waiting task goes ahead as
 * leader. Only its success lets the others follow.
 */
export class PauseGate {
  readonly #options: PauseGateOptions
  readonly #waiting = new Set<Waiter>()
  readonly #stop = new AbortController()
  #fault: Fault | undefined
  /** Aborted when the gate opens. */
  #opening = new AbortController()

  constructor(options: PauseGateOptions) {
    this.#options = options
  }

  get isClosed(): boolean {
    return this.#fault !== undefined
  }

  /** Waits while the gate is closed. Rejects with the signal's reason. */
  async opened(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.#fault) await this.#wait(signal, false)
  }

  /** Runs `task` once the gate lets it. A configuration fault from it closes the gate, and the task is run again later. */
  async through<T>(signal: AbortSignal, task: (pass: Pass) => Promise<T>): Promise<T> {
    for (;;) {
      signal.throwIfAborted()
      const lead = this.#fault ? await this.#wait(signal, true) : undefined
      let result: LeadResult = 'failed'
      try {
        let proves = true
        const value = await task({
          check: () => {
            if (this.#fault && !lead) throw new GateClosed(this)
          },
          unproven: () => {
            proves = false
          },
        })
        if (proves) result = 'passed'
        return value
      } catch (error) {
        const refused = error instanceof Fault && error.kind === 'configuration'
        if (refused) this.trip(error)
        else if (signal.aborted || error instanceof GateClosed) result = 'gone'
        if (!refused && !(error instanceof GateClosed && error.gate === this)) throw error
      } finally {
        lead?.(result)
      }
    }
  }

  trip(fault: Fault): void {
    const before = this.#fault
    this.#fault = fault
    if (before?.code !== fault.code || before.message !== fault.message) {
      this.#options.telemetry.paused(this.#options.key, fault)
    }
    if (before || this.#stop.signal.aborted) return
    this.#opening = new AbortController()
    void this.#tryUntilOpen(AbortSignal.any([this.#stop.signal, this.#opening.signal]))
  }

  /** Opens at once: the fault is known to be over. */
  resume(): void {
    if (this.#fault) this.#open()
  }

  close(): void {
    this.#stop.abort(new Fault('transient', 'the sink is closed', { code: 'closed' }))
  }

  #wait(signal: AbortSignal, mayLead: boolean): Promise<((result: LeadResult) => void) | undefined> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        this.#waiting.delete(waiter)
        reject(signal.reason)
      }
      const waiter: Waiter = {
        mayLead,
        enter: (lead) => {
          signal.removeEventListener('abort', aborted)
          this.#waiting.delete(waiter)
          resolve(lead)
        },
      }
      this.#waiting.add(waiter)
      signal.addEventListener('abort', aborted, { once: true })
    })
  }

  /** Probes at growing gaps, and opens when a probe and then a leader have passed. */
  async #tryUntilOpen(stop: AbortSignal): Promise<void> {
    const { clock, probe, gapMs } = this.#options
    const growing = { minMs: FIRST_PROBE_MS, maxMs: LONGEST_PROBE_GAP_MS }
    const gap = (attempt: number): number => gapMs ?? backoffMs(attempt, growing)
    for (let attempt = 1; await sleepUnlessAborted(clock, gap(attempt), stop); attempt++) {
      const fault = await probe?.(stop)
      if (stop.aborted) return
      if (fault?.kind === 'configuration') this.trip(fault)
      if (!fault && (await this.#sendLeader()) === 'passed' && !stop.aborted) return this.#open()
      if (stop.aborted) return
    }
  }

  /** Without a waiting task the gate opens on the probe's word, and the next task finds out. */
  async #sendLeader(): Promise<LeadResult> {
    for (;;) {
      const leader = [...this.#waiting].find((waiter) => waiter.mayLead)
      if (!leader) return 'passed'
      const result = await new Promise<LeadResult>((done) => leader.enter(done))
      if (result !== 'gone') return result
    }
  }

  #open(): void {
    this.#fault = undefined
    this.#opening.abort()
    this.#options.telemetry.resumed(this.#options.key)
    for (const waiter of [...this.#waiting]) waiter.enter(undefined)
  }
}
