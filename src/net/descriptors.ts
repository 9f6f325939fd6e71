import { closeSync, openSync, readFileSync } from 'node:fs'

/**
 * Descriptors that connections to other hosts leave alone. The admin server, dead letters, log files, key files and name
 * resolution need them most when there are no others.
 */
export const DESCRIPTORS_KEPT = 16

const LIMIT = softLimit()

/** How many files and connections this process may have open. `undefined` where the system does not tell. */
export function descriptorLimit(): number | undefined {
  return LIMIT
}

/** Connections that are being opened. Some of them have their descriptor already. */
let opening = 0

/** Call `openingEnded` after it, unless it returns the error of a new connection: only the kept descriptors are free. */
export function openingBegins(): Error | undefined {
  if (areSpent()) return tooManyOpenFiles()
  opening++
  return undefined
}

export function openingEnded(): void {
  opening--
}

function areSpent(): boolean {
  if (LIMIT === undefined) return false
  try {
    // The number of a new descriptor is the lowest that is free.
    const lowest = openSync('/dev/null', 'r')
    closeSync(lowest)
    return lowest + opening >= LIMIT - DESCRIPTORS_KEPT
  } catch (error) {
    return isOutOfDescriptors(error)
  }
}

/** The same error, in words that help, if it says that there are no descriptors. */
export function withRemedy(error: Error): Error {
  return isOutOfDescriptors(error) ? tooManyOpenFiles() : error
}

function isOutOfDescriptors(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  return code === 'EMFILE' || code === 'ENFILE'
}

function tooManyOpenFiles(): Error {
  const message = `too many open files (limit ${LIMIT ?? 'unknown'}): raise ulimit -n (systemd: LimitNOFILE)`
  return Object.assign(new Error(message), { code: 'EMFILE' })
}

/** Node has raised it to the hard limit at its start. */
function softLimit(): number | undefined {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}
