import type { Config } from '../../config/model.ts'
import { Fault, messageOf } from '../../core/errors.ts'
import { USER_AGENT } from '../../version.ts'
import type { ComparedLogstore } from './compared-logstore.ts'
import type { Counts, FoundEvents } from './comparison.ts'
import { readExportedIds } from './exported-ids.ts'
import { SplunkCounts } from './splunk-counts.ts'
import { SplunkSearch } from './splunk-search.ts'
import type { WantedWindow } from './wanted.ts'

interface WindowQuestion {
  readonly logstore: ComparedLogstore
  readonly deadLetters: () => Promise<Counts>
}

/** Where the events are looked for. */
export interface Siem {
  ofWindow(window: WantedWindow, asked: WindowQuestion, signal: AbortSignal): Promise<FoundEvents>
  close(): Promise<void>
}

/** Splunk, or a file that was exported from it. */
export async function openSiem(ids: string | undefined, config: Config, notes: Set<string>): Promise<Siem> {
  if (ids !== undefined) return exported(ids, notes)
  const { url = '', token, tls } = config.search
  if (!token) throw new Error('no token')
  const search = new SplunkSearch({
    url,
    token,
    tls,
    userAgent: USER_AGENT,
    notes,
  })
  const counts = new SplunkCounts(search, notes)
  return {
    ofWindow: (window, { logstore: { program, scope }, deadLetters }, signal) =>
      counts.ofWindow(window, { idScope: program.idScope, scope, deadLetters }, signal),
    close: () => search.close(),
  }
}

async function exported(path: string, notes: Set<string>): Promise<Siem> {
  const { counts, unread } = await readExportedIds(path).catch((error) => {
    throw new Fault('configuration', `cannot read ${path}: ${messageOf(error)}`, { code: 'ids' })
  })
  if (unread.count > 0) {
    notes.add(`${unread.count} lines of ${path} hold no id, the first is line ${unread.first}`)
  }
  return { ofWindow: async () => counts, close: async () => {} }
}
