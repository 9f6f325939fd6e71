/** The part of `@alicloud/log` 1.2.6 this project uses; the package ships no types. */
declare module '@alicloud/log' {
  import type { Agent } from 'node:http'

  /** Handed through to its HTTP layer. */
  export interface RequestOptions {
    /** Milliseconds to connect, and again to read. The package's default is 3000. */
    timeout?: number
    agent?: Agent
    /** Called right before the request is made. Returns the options for Node's `request`. */
    beforeRequest?: (options: { headers: Record<string, string> }) => object
  }

  interface LogItem {
    /** Unix seconds. */
    timestamp: number
    timestampNsPart?: number
    content: Record<string, string>
  }

  class Client {
    constructor(config: {
      endpoint: string
      accessKeyId: string
      accessKeySecret: string
      securityToken?: string
      userAgent?: string
    })
    postLogStoreLogs(
      project: string,
      logstore: string,
      data: { logs: LogItem[]; topic?: string; source?: string; tags?: Array<Record<string, string>> },
      options?: RequestOptions,
    ): Promise<unknown>
    getLogStore(project: string, logstore: string, options?: RequestOptions): Promise<Record<string, unknown>>
  }

  export default Client
}
