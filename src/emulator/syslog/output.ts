import { once } from 'node:events'
import { FileOutput } from '../file-output.ts'

export interface OutputOptions {
  /** A file to append to, or a stream to write to: one JSON object a line, in the order of arrival. */
  output?: string | NodeJS.WritableStream
  /** The output can't be written; from then on no message is taken. */
  onOutputFailed?: (error: Error) => void
}

/** The lines of a receiver: to a file, a stream, or nowhere. */
export class Output {
  readonly #file: FileOutput | undefined
  readonly #stream: NodeJS.WritableStream | undefined
  readonly #onOutputFailed: OutputOptions['onOutputFailed']
  #failure: Error | undefined
  #room: Promise<unknown> | undefined

  /** Throws when the file can't be opened. */
  constructor({ output, onOutputFailed }: OutputOptions) {
    if (typeof output === 'string') this.#file = new FileOutput(output)
    else this.#stream = output
    this.#onOutputFailed = onOutputFailed
    this.#stream?.on('error', this.#fail)
  }

  get isWanted(): boolean {
    return this.#file !== undefined || this.#stream !== undefined
  }

  /** Resolves when a slow stream takes more again. Throws when the output has failed, now or before. */
  write(line: string): Promise<unknown> | undefined {
    if (this.#failure) throw this.#failure
    try {
      this.#file?.write(Buffer.from(line))
    } catch (error) {
      this.#fail(error as Error)
      throw error
    }
    if (!this.#stream || this.#stream.write(line)) return undefined
    this.#room ??= once(this.#stream, 'drain')
      .catch(() => {}) // the next write tells of it
      .finally(() => {
        this.#room = undefined
      })
    return this.#room
  }

  /** Waits until the output has everything. */
  async close(): Promise<void> {
    this.#file?.close()
    const stream = this.#stream
    if (stream && !this.#failure) await new Promise<void>((resolve) => stream.write('', () => resolve()))
    stream?.off('error', this.#fail)
    this.#failure ??= new Error('the receiver is closed')
  }

  readonly #fail = (error: Error): void => {
    if (this.#failure) return
    this.#failure = error
    this.#onOutputFailed?.(error)
  }
}
