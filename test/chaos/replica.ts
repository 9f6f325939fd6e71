import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from './host.ts'
import type { Place, Subject } from './subject.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that says nothing for this long will not say anything. */
const SILENT_MS = 30_000

/** One place in the world where a process of the subject runs, again and again under new consumer names. */
export class Replica {
  readonly name: string
  readonly host: Host
  readonly logFile: string
  peakMemoryMb = 0
  /** Called when a process ends unasked. */
  onDeath: (exit: Exit) => void = () => {}
  /** Whether a fault may have ended it, such as memory pressure. */
  mayDie = false
  readonly #subject: Subject
  readonly #place: Omit<Place, 'host' | 'consumer'>
  #child: ChildProcess | undefined
  #exited: Promise<Exit> = Promise.resolve({ code: null, signal: null })
  #asked = false
  #spoken: Promise<unknown> = Promise.resolve()
  #starts = 0

  constructor(name: string, host: Host, subject: Subject, place: Omit<Place, 'host' | 'consumer'>, logs: string) {
    this.name = name
    this.host = host
    this.logFile = join(logs, `${name}.log`)
    this.#subject = subject
    this.#place = place
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  start(): void {
    if (this.running) throw new Error(`${this.name} runs already`)
    const consumer = `${this.name}.${++this.#starts}`
    const { program, args, env } = this.#subject.start({ ...this.#place, host: this.host, consumer })
    const [command, commandArgs] = this.host.command(program, args)
    // In its own folder, so that it reads no `.env` and its files are deleted.
    const child = spawn(command, commandArgs, { env, cwd: this.host.directory, stdio: ['ignore', 'pipe', 'pipe'] })
    const log = createWriteStream(this.logFile, { flags: 'a' })
    log.write(`--- ${consumer}, pid ${child.pid}, at ${Date.now()}\n`)
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    this.#asked = false
    this.#child = child
    this.#spoken = Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), once(child, 'exit')])
    this.#exited = once(child, 'exit').then(([code, signal]) => {
      log.end(`--- ${consumer} ended: ${code ?? signal}, at ${Date.now()}\n`)
      this.#child = undefined
      if (!this.#asked && !(this.mayDie && signal === 'SIGKILL')) this.onDeath({ code, signal })
      return { code, signal }
    })
  }

  /** Sends a signal that ends it and waits until it has. Before its first word no program can know about SIGTERM. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Exit> {
    if (signal === 'SIGTERM') await Promise.race([this.#spoken, sleep(SILENT_MS)])
    this.#asked = true
    this.#child?.kill(signal)
    return this.#exited
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Of the process that runs now: resident memory and open file descriptors. */
  get burden(): { residentMb: number; descriptors: number } {
    const process = `/proc/${this.#child?.pid}`
    const resident = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`${process}/status`, 'utf8'))?.[1] ?? 0)
    return { residentMb: Math.round(resident / 1024), descriptors: readdirSync(`${process}/fd`).length }
  }

  /** Since its process started: how long its main thread could have run and had no processor. */
  get waitedForProcessorMs(): number {
    try {
      const [, waited = '0'] = readFileSync(`/proc/${this.#child?.pid}/schedstat`, 'utf8').split(' ')
      return Number(waited) / 1e6
    } catch {
      return 0
    }
  }

  sampleMemory(): void {
    try {
      const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8')
      const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024
      this.peakMemoryMb = Math.max(this.peakMemoryMb, Math.round(peak))
    } catch {
      // It is just ending.
    }
  }
}
