import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { IdCounts } from './id-counts.ts'

export interface ExportedIds {
  readonly counts: IdCounts
  /** How many lines hold no id, and the number of the first one. */
  readonly unread: { count: number; first: number }
}

const ID = 'sls_event_id'

/**
 * Reads a file exported from Splunk by hand: CSV with a column `sls_event_id` and perhaps `count`, or one id a line.
 * Rejects with the file system's error.
 */
export async function readExportedIds(path: string): Promise<ExportedIds> {
  const counts = new IdCounts()
  const unread = { count: 0, first: 0 }
  let columns = { id: 0, count: 1 }
  let line = 0
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    line++
    const cells = cellsOf(line === 1 ? text.replace(/^\uFEFF/, '') : text)
    if (line === 1 && cells.includes(ID)) {
      columns = { id: cells.indexOf(ID), count: cells.indexOf('count') }
      continue
    }
    const id = cells[columns.id] ?? ''
    const count = cells[columns.count] ?? '1'
    if (id.includes(':') && /^[1-9]\d{0,8}$/.test(count)) counts.add(id, Number(count))
    else if (text.trim() !== '' && unread.count++ === 0) unread.first = line
  }
  return { counts, unread }
}

/** Ids and counts have no comma and no quote. A cell of another column that spans lines is not understood. */
function cellsOf(line: string): string[] {
  return [...`,${line}`.matchAll(/,("(?:[^"]|"")*"|[^,]*)/g)].map(([, cell = '']) =>
    cell.trim().replace(/^"(.*)"$/, '$1'),
  )
}
