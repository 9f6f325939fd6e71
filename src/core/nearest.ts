const FARTHEST = 2

/** The known name that was probably meant: it differs in case, or in at most two letters. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const small = name.toLowerCase()
  let best: string | undefined
  let distance = Math.min(FARTHEST, name.length - 1) + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= distance) continue
    const own = editDistance(small, candidate.toLowerCase())
    if (own < distance) [best, distance] = [candidate, own]
  }
  return best
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
