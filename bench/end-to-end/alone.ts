/** Runs one step alone in its own process (fork it) and sends its MB per CPU-second. */
import { gzipSync } from 'node:zlib'
import type { SampleKind } from '../../src/emulator/sample-logs.ts'
import { corpus } from '../corpus.ts'
import { batchesOf } from '../micro/micro.ts'
import { bytesOfEnvelopes, envelopesOf } from '../micro/naive.ts'
import { LAYOUT } from '../micro/programs.ts'

export interface AloneOptions {
  what: 'gzip' | 'naive'
  kind: SampleKind
}

const WARM_UP_SECONDS = 1
const CPU_SECONDS = 2

const { what, kind } = JSON.parse(process.argv[2] ?? '{}') as AloneOptions
const pulls = corpus(kind)
const batches = batchesOf(pulls)
const work: Record<AloneOptions['what'], (index: number) => unknown> = {
  // Level 1 with the bridge's options, on the batches it would send.
  gzip: (index) => batches[index]?.map((batch) => gzipSync(batch, { level: 1, memLevel: 9, chunkSize: 512 << 10 })),
  naive: (index) => bytesOfEnvelopes(envelopesOf(LAYOUT, pulls[index]?.body as Buffer)),
}

function rateOf(seconds: number): number {
  const before = process.cpuUsage()
  let bytes = 0
  for (let at = 0; ; at++) {
    const index = at % pulls.length
    work[what](index)
    bytes += pulls[index]?.body.length ?? 0
    const { user, system } = process.cpuUsage(before)
    if (user + system > seconds * 1e6) return bytes / (user + system)
  }
}

rateOf(WARM_UP_SECONDS)
process.send?.(rateOf(CPU_SECONDS))
process.disconnect()
