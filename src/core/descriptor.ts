import { constants, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'

/**
 * A descriptor for the same file whose writes fail with EAGAIN instead of waiting. Opening a pipe or terminal again leaves the
 * mode of the given descriptor alone, which other processes share. Where that is impossible (a socket, another user's pipe),
 * Node's Socket changes the mode, as `process.stdout` does. A terminal of another user goes on waiting.
 */
export function withoutWaiting(fd: number): number {
  if (fstatSync(fd).isFile()) return fd
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    try {
      new Socket({ fd, readable: false, writable: true }).on('error', () => {}).unref()
    } catch {}
    return fd
  }
}
