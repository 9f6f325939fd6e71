import { filesIn, readDeadLetters } from '../../sinks/dead-letter-files.ts'
import type { ComparedLogstore } from './compared-logstore.ts'
import type { Counts } from './comparison.ts'
import { IdCounts } from './id-counts.ts'

/** Dead letters are counted by id, and by id and index. */
function inIndex(id: string, index: string): string {
  return `${id}\n${index}`
}

/** The dead letters of one index, or of all. */
export function lettersOfIndex(letters: Counts, index: string | undefined): Counts {
  return { of: (id) => letters.of(index === undefined ? id : inIndex(id, index)) }
}

function indexIn(envelope: string): string | undefined {
  try {
    const { index } = Object(JSON.parse(envelope)) as { index?: unknown }
    return typeof index === 'string' ? index : undefined
  } catch {
    return undefined
  }
}

/** Reads the folders `dirs`. Damaged lines and files of others are told in `notes`. */
export async function deadLettersOf(
  logstores: readonly ComparedLogstore[],
  dirs: readonly string[],
  notes: Set<string>,
): Promise<Counts> {
  const counts = new IdCounts()
  const projects = new Set(logstores.map(({ ref }) => ref.project))
  const sinks = new Set(logstores.flatMap((logstore) => [...logstore.sinks]))
  const byIndex = logstores.some((logstore) => logstore.byIndex)
  let damaged = 0
  for (const dir of new Set(dirs)) {
    for (const { path, odd } of await filesIn(dir)) {
      if (odd !== undefined) notes.add(`${path} is not read: ${odd}`)
    }
    for await (const { letter } of readDeadLetters(dir)) {
      if (!letter) {
        damaged++
        continue
      }
      const { project, event_id: id, sink } = letter.origin
      if (id === null || !projects.has(project) || (sink !== undefined && !sinks.has(sink))) continue
      counts.add(id)
      const index = byIndex ? indexIn(letter.event) : undefined
      if (index !== undefined) counts.add(inIndex(id, index))
    }
  }
  if (damaged > 0) notes.add(`${damaged} damaged lines among the dead letters were skipped`)
  return counts
}
