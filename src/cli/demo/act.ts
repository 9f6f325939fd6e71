import type { SampleKind } from '../../emulator/sample-logs.ts'
import type { SlsEmulator } from '../../emulator/sls/server.ts'

/** One act of the demo, as data: what there is, what each sink has to get, and what goes wrong half way. */
export interface Act {
  readonly title: string
  /** Told at the start. Lines of at most 70 characters. */
  readonly story: readonly string[]
  /** Of all logs that the demo writes. */
  readonly share: number
  /** The writer spreads its logs over this time, so that a viewer can watch. */
  readonly writingSeconds: number
  readonly logstores: Readonly<Record<string, { readonly shards: number; readonly kinds: readonly SampleKind[] }>>
  readonly sinks: Readonly<Record<string, ActSink>>
  /** Names of the replicas at the start. */
  readonly replicas: readonly string[]
  /** Settings of these replicas, in addition to those that every replica of the demo has. */
  readonly settings: (ends: Ends) => Record<string, string>
  /** Half way. */
  readonly incident: (stage: Hands) => Promise<void>
}

export interface ActSink {
  readonly type: 'splunk_hec' | 'syslog'
  /** Of HEC. Default false. */
  readonly ack?: boolean
  /** The judge, apart from the bridge: whether the sink has to get the log. */
  readonly wants: (topic: string, content: Readonly<Record<string, string>>) => boolean
  /** A HEC receiver refuses every event that contains this text. */
  readonly refuses?: string
}

/** One end of an act, as the stage and its settings need it. */
export interface Receiver {
  readonly url: string
  readonly port: number
  /** Of HEC. */
  readonly token?: string
  environment(): Record<string, string>
  /** It reads no more, as one that is overloaded. Only a syslog collector can do that without refusing anything. */
  stall?(): void
  /** As SIGKILL does it: what it had not read is lost. */
  close(): Promise<void>
}

export interface Ends {
  readonly sls: SlsEmulator
  /** By the names of the act. */
  readonly receivers: ReadonlyMap<string, Receiver>
  /** Exists until the end of the act. */
  readonly folder: string
}

/** The actions that an incident may take. */
export interface Hands {
  killReplica(name: string): Promise<void>
  startReplica(name: string): void
  /** It reads no more. */
  stallSink(name: string): void
  /** Nothing listens on its port any more. */
  killSink(name: string): Promise<void>
  /** It listens there again, and knows nothing of before. */
  startSink(name: string): Promise<void>
  wait(seconds: number): Promise<void>
}

export const PROJECT = 'demo'
export const GROUP = 'siem-demo'
