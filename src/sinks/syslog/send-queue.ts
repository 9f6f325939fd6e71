import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6']

/** One reading of the tables serves everybody who asks meanwhile. */
let reading: Promise<readonly string[]> | undefined

/**
 * Bytes of a connection that the other kernel has not acknowledged, as this kernel tells them. Node has no call for it.
 * `undefined` where the system does not tell.
 */
export async function unacknowledged({ localPort, remotePort }: Socket): Promise<number | undefined> {
  if (localPort === undefined || remotePort === undefined) return undefined
  reading ??= Promise.all(TABLES.map((path) => readFile(path, 'latin1').catch(() => ''))).finally(() => {
    reading = undefined
  })
  const row = new RegExp(`:${hex(localPort)} [0-9A-F]+:${hex(remotePort)} [0-9A-F]{2} ([0-9A-F]+):`)
  for (const table of await reading) {
    const queued = row.exec(table)?.[1]
    if (queued !== undefined) return Number.parseInt(queued, 16)
  }
  return undefined
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0')
}
