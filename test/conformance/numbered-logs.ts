import { setTimeout as sleep } from 'node:timers/promises'
import { Secret } from '../../src/core/secret.ts'
import type { SlsEmulator } from '../../src/emulator/sls/server.ts'
import { decodeLogGroup } from '../../src/sls/log-group.ts'
import { lz4Decompress } from '../../src/sls/lz4.ts'
import { OfficialClient } from '../../src/sls/official-client.ts'

export interface Place {
  shard: number
  position: number
}

/** Writes logs with ids that count from 0, in turn to every writable shard. */
export class NumberedLogs {
  readonly #sls: SlsEmulator
  readonly #client: OfficialClient
  #written = 0
  #stopped = true
  #writing: Promise<void> | undefined

  constructor(sls: SlsEmulator) {
    this.#sls = sls
    this.#client = new OfficialClient({
      ...{
        endpoint: sls.url,
        project: sls.logstore().project,
        logstore: sls.logstore().name,
        userAgent: 'conformance',
      },
      ...{ accessKeyId: sls.accessKeyId, accessKeySecret: new Secret(sls.accessKeySecret) },
    })
  }

  /** The next id. */
  get written(): number {
    return this.#written
  }

  get ids(): string[] {
    return Array.from({ length: this.#written }, (_, id) => `${id}`)
  }

  /** Writes until `stop`. */
  write(): void {
    this.#stopped = false
    this.#writing = this.#write()
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      const timestamp = Math.floor(Date.now() / 1000)
      const logs = [0, 1].map(() => ({ timestamp, content: { id: `${this.#written++}` } }))
      await this.#client.write({ topic: 'audit_log', source: '10.0.0.1', logs })
      await sleep(15)
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#writing
  }

  /** Position of each log in the emulator's store, by its id. */
  stored(): Map<string, Place> {
    const places = new Map<string, Place>()
    for (const shard of this.#sls.logstore().shards()) {
      const { from, groups } = shard.read(shard.begin, { count: Number.POSITIVE_INFINITY, maxBytes: 1e15 })
      for (const [index, { bytes, rawSize }] of groups.entries()) {
        for (const { contents } of decodeLogGroup(lz4Decompress(bytes, rawSize)).logs)
          places.set(`${contents[0]?.[1]}`, { shard: shard.id, position: from + index })
      }
    }
    return places
  }

  async close(): Promise<void> {
    await this.stop()
    this.#client.close()
  }
}
