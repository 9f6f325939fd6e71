import type { HecReceiver } from '../../emulator/hec/server.ts'
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

/** A HEC receiver. */
export interface ActSink {
  readonly ack: boolean
  /** The judge, apart from the bridge: whether the sink has to get the log. */
  readonly wants: (topic: string, content: Readonly<Record<string, string>>) => boolean
  /** It refuses every event that contains this text. */
  readonly refuses?: string
}

export interface Ends {
  readonly sls: SlsEmulator
  /** By the names of the act. */
  readonly receivers: ReadonlyMap<string, HecReceiver>
  /** Exists until the end of the act. */
  readonly folder: string
}

/** The actions that an incident may take. */
export interface Hands {
  killReplica(name: string): Promise<void>
  startReplica(name: string): void
  /** Nothing listens on its port any more. */
  killSink(name: string): Promise<void>
  /** It listens there again, and knows nothing of before. */
  startSink(name: string): Promise<void>
  wait(seconds: number): Promise<void>
}

export const PROJECT = 'demo'
export const GROUP = 'siem-demo'
