import type { Glob } from '../../routing/glob.ts'

/** Whether the pattern matches the whole value. */
export function matchesGlob(value: Buffer, glob: Glob): boolean {
  const parts = glob.parts.map((part) => (part.kind === 'text' ? Buffer.from(part.text) : part))
  let at = 0
  let part = 0
  /** The last run, and where the rest was tried behind it. Runs before it need no other try. */
  let run = -1
  let tried = 0
  for (;;) {
    const now = parts[part]
    if (now === undefined && at === value.length) return true
    if (now !== undefined && 'kind' in now && now.kind === 'run') {
      run = part++
      tried = at
      continue
    }
    const end = now === undefined ? undefined : endOf(now, value, at)
    if (end !== undefined) {
      at = end
      part++
      continue
    }
    if (run < 0) return false
    const behind = parts[run + 1]
    if (behind === undefined) return true
    tried = !('kind' in behind) ? value.indexOf(behind, tried + 1) : tried + 1
    if (tried < 0 || tried > value.length) return false
    at = tried
    part = run + 1
  }
}

type OnePart = Buffer | Exclude<Glob['parts'][number], { kind: 'run' | 'text' }>

/** Where the value goes on behind what the part matches at this place. */
function endOf(part: OnePart, value: Buffer, at: number): number | undefined {
  if (!('kind' in part)) {
    const end = at + part.length
    return value.subarray(at, end).equals(part) ? end : undefined
  }
  if (at >= value.length) return undefined
  const end = endOfCharacter(value, at)
  if (part.kind === 'one') return end
  const isMember = end - at === 1 && part.set.has(String.fromCharCode(value[at] as number))
  return isMember === part.negated ? undefined : end
}

/** A byte, and the bytes behind it that go on a character of UTF-8. */
function endOfCharacter(value: Buffer, at: number): number {
  let end = at + 1
  while (((value[end] ?? 0) & 0xc0) === 0x80) end++
  return end
}
