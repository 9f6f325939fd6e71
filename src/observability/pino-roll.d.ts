/** pino-roll 4 comes without types. */
declare module 'pino-roll' {
  import type { EventEmitter } from 'node:events'

  /** A sonic-boom stream that changes its file when it has grown to `size`; `ready` follows each change. */
  export interface RollingFile extends EventEmitter {
    /** Path of the current file. */
    readonly file: string
    write(line: string): boolean
    flushSync(): void
    end(): void
  }

  export default function roll(options: {
    file: string
    size: string
    /** `count` files are kept, the current one included when `removeOtherLogFiles` looks at all that are there. */
    limit: { count: number; removeOtherLogFiles: boolean }
    mkdir: boolean
    sync: boolean
    maxLength: number
  }): Promise<RollingFile>
}
