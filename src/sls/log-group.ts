/** Replaced by the real codec; the signatures are agreed. */
export interface LogInput {
  time: number
  timeNs?: number
  contents: Array<[key: string | Uint8Array, value: string | Uint8Array]>
}
export interface LogGroupInput {
  topic?: string
  source?: string
  machineUuid?: string
  tags?: Array<[string, string]>
  logs: LogInput[]
}
export declare function encodeLogGroup(group: LogGroupInput): Buffer
/** Joins encoded groups into one LogGroupList body. */
export declare function encodeLogGroupList(groups: readonly Uint8Array[]): Buffer
/** The encoded groups of a LogGroupList, as views. Throws a Fault (`corrupt_log_group`) on bytes that are not one. */
export declare function splitLogGroupList(list: Buffer): Buffer[]
/** Full, slow decode: for the emulator's checks, tools and tests, never the hot path. */
export declare function decodeLogGroup(bytes: Buffer): {
  topic: string
  source: string
  machineUuid: string
  tags: Array<[string, string]>
  logs: Array<{ time: number; timeNs: number | undefined; contents: Array<[key: Buffer, value: Buffer]> }>
}
