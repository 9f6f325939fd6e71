import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { WriteStream } from 'node:fs'
import { createWriteStream, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from './host.ts'
import { LogPipe } from './log-pipe.ts'
import type { Place, Subject } from './subject.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that says nothing for this long will not say anything. */
const SILENT_MS = 30_000
/** Longer than the grace of a replica that cannot deliver. */
const LONGEST_END_MS = 60_000
const ANSWER_MS = 2_000

/** One place in the world where a process of the subject runs, again and again under new consumer names. */
export class Replica implements Disposable {
  readonly name: string
  readonly host: Host
  readonly logFile: string
  peakMemoryMb = 0
  /** Called when a process ends unasked. */
  onDeath: (exit: Exit) => void = () => {}
  /** Whether a fault may have ended it, such as memory pressure. */
  mayDie = false
  /** The standard output of its processes. */
  readonly output: LogPipe
  readonly #log: WriteStream
  readonly #subject: Subject
  readonly #place: Omit<Place, 'host' | 'consumer'>
  #child: ChildProcess | undefined
  #exited: Promise<Exit> = Promise.resolve({ code: null, signal: null })
  #asked = false
  #spoken = Promise.withResolvers<void>()
  #starts = 0

  constructor(name: string, host: Host, subject: Subject, place: Omit<Place, 'host' | 'consumer'>, logs: string) {
    this.name = name
    this.host = host
    this.logFile = join(logs, `${name}.log`)
    this.#log = createWriteStream(this.logFile)
    this.output = new LogPipe(join(host.directory, 'output'), (bytes) => this.#said(bytes))
    this.#subject = subject
    this.#place = place
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  /** `output`: descriptor of another standard output. */
  start({ output = this.output.fd }: { output?: number } = {}): void {
    if (this.running) throw new Error(`${this.name} runs already`)
    const consumer = `${this.name}.${++this.#starts}`
    const { program, args, env } = this.#subject.start({ ...this.#place, host: this.host, consumer })
    const [command, commandArgs] = this.host.command(program, args)
    // In its own folder, so that it reads no `.env` and its files are deleted.
    const child = spawn(command, commandArgs, { env, cwd: this.host.directory, stdio: ['ignore', output, 'pipe'] })
    this.#log.write(`--- ${consumer}, pid ${child.pid}, at ${Date.now()}\n`)
    this.#spoken = Promise.withResolvers()
    child.stderr?.on('data', (bytes: Buffer) => this.#said(bytes))
    this.#asked = false
    this.#child = child
    this.#exited = once(child, 'exit').then(([code, signal]) => {
      this.#spoken.resolve()
      this.#log.write(`--- ${consumer} ended: ${code ?? signal}, at ${Date.now()}\n`)
      this.#child = undefined
      if (!this.#asked && !(this.mayDie && signal === 'SIGKILL')) this.onDeath({ code, signal })
      return { code, signal }
    })
  }

  /**
   * Sends a signal that ends it and waits until it has; after a minute, or `withinMs`, it is killed. Before its first word
   * no program can know about SIGTERM.
   */
  async end(signal: 'SIGKILL' | 'SIGTERM', withinMs = LONGEST_END_MS): Promise<Exit> {
    if (signal === 'SIGTERM') await Promise.race([this.#spoken.promise, sleep(SILENT_MS)])
    this.#asked = true
    const child = this.#child
    child?.kill(signal)
    const late = setTimeout(() => child?.kill('SIGKILL'), withinMs)
    try {
      return await this.#exited
    } finally {
      clearTimeout(late)
    }
  }

  /** Status of an answer of its admin server; `undefined` if there is none within two seconds. */
  async ask(path: '/livez' | '/metrics'): Promise<{ status: number; text: string } | undefined> {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS)
      const answer = await fetch(`http://${this.host.address}:9464${path}`, { signal })
      return { status: answer.status, text: await answer.text() }
    } catch {
      return undefined
    }
  }

  /** Whether a metric is 1 whose labels have this text. */
  async shows(metric: string, label: string): Promise<boolean> {
    const { text = '' } = (await this.ask('/metrics')) ?? {}
    return text
      .split('\n')
      .some((line) => line.startsWith(`${metric}{`) && line.includes(label) && line.endsWith('} 1'))
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

  [Symbol.dispose](): void {
    this.output[Symbol.dispose]()
    this.#log.end()
  }

  #said(bytes: Buffer): void {
    this.#spoken.resolve()
    this.#log.write(bytes)
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
