import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import type { Clock } from '../../core/clock.ts'
import { sleepUnlessAborted } from '../../core/clock.ts'

/** The other side is dead or blocked if it takes no byte for so long. */
export const STALL_MS = 30_000
const LOOK_EACH_MS = 1_000

/** The kernel goes through all its connections for each reading, so one serves everybody who asks meanwhile. */
const readings = new Map<string, Promise<string>>()

/**
 * Bytes of a connection that the other kernel has not acknowledged, as this kernel tells them. Node has no call for it.
 * `undefined` where the system does not tell.
 */
export async function unacknowledged({ localPort, remotePort, remoteFamily }: Socket): Promise<number | undefined> {
  if (localPort === undefined || remotePort === undefined) return undefined
  const row = new RegExp(`:${hex(localPort)} [0-9A-F]+:${hex(remotePort)} [0-9A-F]{2} ([0-9A-F]+):`)
  const queued = row.exec(await tableAt(remoteFamily === 'IPv6' ? '/proc/net/tcp6' : '/proc/net/tcp'))?.[1]
  return queued === undefined ? undefined : Number.parseInt(queued, 16)
}

function tableAt(path: string): Promise<string> {
  const reading =
    readings.get(path) ??
    readFile(path, 'latin1')
      .catch(() => '')
      .finally(() => readings.delete(path))
  readings.set(path, reading)
  return reading
}

/**
 * Resolves with true once the other side has taken none of what waits for it for `STALL_MS`, and with false when the connection
 * is over. The system itself would go on for a quarter of an hour.
 */
export async function stalls(socket: Socket, clock: Clock, over: AbortSignal): Promise<boolean> {
  let most = 0
  let since = clock.monotonic()
  while (await sleepUnlessAborted(clock, LOOK_EACH_MS, over)) {
    const queued = socket.writableLength + ((await unacknowledged(socket)) ?? 0)
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
