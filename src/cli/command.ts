export interface CommandIo {
  env: NodeJS.ProcessEnv
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream
  /** Aborted on the first SIGTERM or SIGINT. */
  signal: AbortSignal
}

/** One command: its arguments (without its own name) → exit code. */
export type Command = (argv: string[], io: CommandIo) => Promise<number>

export const EXIT = { done: 0, failed: 1, usage: 2 } as const
