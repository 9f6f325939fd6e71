import { readFile, readlink } from 'node:fs/promises'

/** A process as the kernel knows it. Its number is given to another process later; number and start together are not. */
export interface ProcessState {
  /** One letter of proc(5): `Z` has ended, and waits for its parent to ask. */
  readonly state: string
  /** The instant at which the kernel started it, in ticks since the start of the machine. */
  readonly start: string
}

const BOOT = '/proc/sys/kernel/random/boot_id'

/**
 * Names the namespace of this process's number, and the run of the kernel that counts in it: kernels number their namespaces
 * alike. `undefined` where there are no namespaces.
 */
export async function numberingOfProcesses(): Promise<string | undefined> {
  try {
    const [boot, namespace] = await Promise.all([readFile(BOOT, 'utf8'), readlink('/proc/self/ns/pid')])
    return `${boot}${namespace}`
  } catch {
    return undefined
  }
}

/** State and start of a process; `undefined` where this cannot be known. */
export async function processOf(pid: number): Promise<ProcessState | undefined> {
  // The name of the program, in parentheses, may hold spaces. State and start are fields 3 and 22: proc(5).
  const fields = (await ofProcess(pid, 'stat'))?.replace(/^.*\) /s, '').split(' ')
  const [state, start] = [fields?.[0], fields?.[19]]
  return state === undefined || start === undefined ? undefined : { state, start }
}

/** The words that started a process; `undefined` where this cannot be known. */
export async function wordsOf(pid: number): Promise<string[] | undefined> {
  return (await ofProcess(pid, 'cmdline'))?.split('\0')
}

async function ofProcess(pid: number, file: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
