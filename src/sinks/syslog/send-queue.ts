import { closeSync, openSync, readSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setImmediate as nextRound } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'

/** The other side is dead or blocked if it takes no byte for so long. */
export const STALL_MS = 30_000
const LOOK_EACH_MS = 1_000

/** One reading serves all who ask within this time. */
const GATHER_MS = 40
const LONGEST_GATHER_MS = 1_000
/** For each reading the kernel goes through all its connections. That may take this share of a core. */
const MOST_CPU = 1 / 25
/** The kernel gives a page each time, in some 20 µs; threads for them would cost as much again. */
const PAGE_BYTES = 4_096
const PAGES_AT_ONCE = 32

/** CPU time of the last reading. */
let readingMs = 0
const readings = new Map<string, Promise<string>>()

/**
 * Bytes of a connection that the other kernel has not acknowledged, as this kernel tells them. Node has no call for it.
 * `undefined` where the system does not tell. Takes `GATHER_MS` at least, and tells of a later moment than the call.
 */
export async function unacknowledged(
  { localPort, remotePort, remoteFamily }: Socket,
  clock: Clock,
): Promise<number | undefined> {
  if (localPort === undefined || remotePort === undefined) return undefined
  const table = await tableAt(remoteFamily === 'IPv6' ? '/proc/net/tcp6' : '/proc/net/tcp', clock)
  const local = `:${hex(localPort)} `
  const row = new RegExp(`${local}[0-9A-F]+:${hex(remotePort)} [0-9A-F]{2} ([0-9A-F]+):`, 'y')
  for (let at = table.indexOf(local); at >= 0; at = table.indexOf(local, at + 1)) {
    row.lastIndex = at
    const queued = row.exec(table)?.[1]
    if (queued !== undefined) return Number.parseInt(queued, 16)
  }
  return undefined
}

function tableAt(path: string, clock: Clock): Promise<string> {
  const reading =
    readings.get(path) ??
    clock.sleep(Math.min(LONGEST_GATHER_MS, Math.max(GATHER_MS, readingMs / MOST_CPU))).then(() => {
      readings.delete(path)
      return read(path).catch(() => '')
    })
  readings.set(path, reading)
  return reading
}

async function read(path: string): Promise<string> {
  const file = openSync(path, 'r')
  try {
    const page = Buffer.allocUnsafe(PAGE_BYTES)
    let [text, ms, since] = ['', 0, cpuMs()]
    for (let pages = 1; ; pages++) {
      const length = readSync(file, page, 0, PAGE_BYTES, null)
      if (length === 0) {
        readingMs = ms + cpuMs() - since
        return text
      }
      text += page.toString('latin1', 0, length)
      if (pages % PAGES_AT_ONCE > 0) continue
      ms += cpuMs() - since
      await nextRound()
      since = cpuMs()
    }
  } finally {
    closeSync(file)
  }
}

/** Of this thread. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/**
 * Resolves with true once the other side has taken none of what waits for it for `STALL_MS`, and with false when the connection
 * is over. The system itself would go on for a quarter of an hour.
 */
export async function stalls(socket: Socket, clock: Clock, over: AbortSignal): Promise<boolean> {
  let most = 0
  let since = clock.monotonic()
  while (await sleepUnlessAborted(clock, LOOK_EACH_MS, over)) {
    const queued = socket.writableLength + ((await unacknowledged(socket, clock)) ?? 0)
    const taken = socket.bytesWritten - queued
    const now = clock.monotonic()
    if (queued === 0 || taken > most) since = now
    else if (now - since > STALL_MS) return true
    most = Math.max(most, taken)
  }
  return false
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0')
}
