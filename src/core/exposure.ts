import type { Stats } from 'node:fs'

export type Owned = Pick<Stats, 'uid' | 'gid' | 'mode'>

const BY_GROUP = 0o020
const BY_ALL = 0o002

/**
 * How others than this user and root may change a file or a folder, in words; `undefined` if they may not, or where files have no
 * owners. `trusted` are more users that may.
 */
export function exposureOf({ uid, gid, mode }: Owned, trusted: readonly number[] = []): string | undefined {
  const us = process.geteuid?.()
  if (us === undefined) return undefined
  if (![us, 0, ...trusted].includes(uid)) return `it belongs to uid ${uid}, and this is uid ${us}`
  if ((mode & BY_ALL) !== 0) return 'everybody may change it'
  // Many users have a group of their own, and in a pod fsGroup is one.
  if ((mode & BY_GROUP) !== 0 && gid !== process.getegid?.()) return `group ${gid} may change it`
  return undefined
}
