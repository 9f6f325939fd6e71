import type { Config, SourceConfig } from '../../config/model.ts'
import { Fault } from '../../core/errors.ts'
import type { LogstoreRef } from '../../core/shard.ts'
import { logstoresOf, programOf } from '../../parts.ts'
import type { Copy, Program } from '../../pipeline/program.ts'
import { UsageError } from '../command.ts'
import type { EventScope } from './spl.ts'

/** A logstore of which some events go to Splunk. */
export interface ComparedLogstore {
  readonly source: SourceConfig
  readonly ref: LogstoreRef
  readonly program: Program
  /** Names of the Splunk sinks that its routes reach. */
  readonly sinks: ReadonlySet<string>
  /** Copies of one log in different indexes are told apart. This needs the name of each index. */
  readonly byIndex: boolean
  /** Where its events are. `index` only if they are told apart by it. */
  scope(index: string | undefined): EventScope
}

export interface Compared {
  /** One at least. */
  readonly logstores: readonly ComparedLogstore[]
  readonly notes: readonly string[]
}

/** `only`: names of the sinks that count; none: all. `idsAlone`: what Splunk has is known by id, without the index. */
export function comparedLogstores(config: Config, only: readonly string[], idsAlone: boolean): Compared {
  const splunks = config.sinks.flatMap(({ type, name }) => (type === 'splunk_hec' ? name : []))
  const unknown = only.find((name) => !splunks.includes(name))
  if (unknown !== undefined)
    throw new UsageError(
      `--sink ${unknown} is no Splunk of the configuration; ${splunks.length === 0 ? 'it has none' : `it has ${splunks.join(', ')}`}`,
    )
  const wanted = new Set(only.length > 0 ? only : splunks)
  const notes: string[] = []
  const logstores = logstoresOf(config).flatMap(({ source, ref }) => {
    const program = programOf(config, source, ref.logstore)
    const copies = program.routes
      .flatMap((route) => route.copies)
      .filter(({ destination: { sink } }) => wanted.has(sink))
    if (copies.length > 0) return comparedLogstore(config, { source, ref, program }, copies, idsAlone)
    notes.push(`no route of ${ref.project}/${ref.logstore} (source ${source.name}) leads to ${only[0] ?? 'a Splunk'}`)
    return []
  })
  if (logstores.length > 0) return { logstores, notes }
  throw new Fault('configuration', 'no event goes to Splunk, so there is nothing to compare', { code: 'no_splunk' })
}

function comparedLogstore(
  { eventIdScope }: Config,
  logstore: Pick<ComparedLogstore, 'source' | 'ref' | 'program'>,
  copies: readonly Copy[],
  idsAlone: boolean,
): ComparedLogstore {
  const sinks = new Set(copies.map(({ destination }) => destination.sink))
  const indexes = new Set(copies.map(({ layout: { index } }) => (typeof index === 'object' ? index.otherwise : index)))
  const [index] = indexes
  if (eventIdScope === 'logstore') {
    // Ids of two projects may be the same, so the source tells them apart. It is fixed.
    const source = copies.map(({ layout }) => layout.source).find((text) => typeof text === 'string')
    const scope = { index, ...(source === undefined ? {} : { source }) }
    return { ...logstore, sinks, byIndex: false, scope: () => scope }
  }
  const byIndex = !idsAlone && !indexes.has(undefined)
  return { ...logstore, sinks, byIndex, scope: (of) => ({ index: byIndex ? of : undefined }) }
}
