import { lstatSync, mkdirSync, statfsSync, statSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { systemCodeOf } from './errors.ts'

/** File systems of the kernel, in which nobody makes folders: proc, sysfs, cgroup2 (statfs(2)). */
const OF_THE_KERNEL = new Set([0x9fa0, 0x62656572, 0x63677270])

export interface Obstacle {
  /** In words, with the path. */
  readonly why: string
  /** It may go although nobody changes a setting: a volume that is mounted late. */
  readonly passing: boolean
}

/** Why no folder can be at `path`; `undefined` if there is one, or if nothing is known to prevent it. May throw. */
export function obstacleTo(path: string): Obstacle | undefined {
  const absolute = resolve(path)
  if (!hasEntry(absolute)) {
    const above = dirname(absolute)
    if (above === absolute) return undefined
    return obstacleTo(above) ?? ofKernel(above)
  }
  const found = statSync(absolute, { throwIfNoEntry: false })
  if (found?.isDirectory()) return undefined
  if (found) return { why: `${absolute} exists and is not a directory`, passing: false }
  return { why: `${absolute} is a link to a folder that is not there`, passing: true }
}

/** Also a link to nowhere is one. Below a file there is none. */
function hasEntry(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    if (systemCodeOf(error) === 'ENOTDIR') return false
    throw error
  }
}

function ofKernel(folder: string): Obstacle | undefined {
  const isThere = statSync(folder, { throwIfNoEntry: false }) !== undefined
  if (!isThere || !OF_THE_KERNEL.has(statfsSync(folder).type)) return undefined
  return { why: `${folder} belongs to the kernel, and no folder can be made there`, passing: false }
}

/** Whatever the umask of the process is, nobody else may put files into a folder of ours. */
const FOLDER_MODE = 0o755

/** Makes a folder and its parents one by one: Node's own `recursive` has no end where a file system takes no folders. */
export function makeFolderSync(path: string): void {
  const toMake: string[] = []
  for (let at = resolve(path); statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at))
    toMake.unshift(at)
  for (const one of toMake) {
    try {
      mkdirSync(one, { mode: FOLDER_MODE })
    } catch (error) {
      unlessThere(error, one)
    }
  }
}

/** The same while the process works. `made` is told of each folder before it is made, the uppermost first. */
export async function makeFolder(path: string, mode: number, made: (folder: string) => void): Promise<void> {
  const toMake: string[] = []
  for (let at = resolve(path); await isMissing(at); at = dirname(at)) toMake.unshift(at)
  for (const one of toMake) {
    made(one)
    try {
      await mkdir(one, { mode })
    } catch (error) {
      unlessThere(error, one)
    }
  }
}

/** Throws, unless another process has made it meanwhile. For a link to nowhere that is ENOENT, which may pass. */
function unlessThere(error: unknown, path: string): void {
  if (systemCodeOf(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error
}

async function isMissing(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return true
    throw error
  }
}
