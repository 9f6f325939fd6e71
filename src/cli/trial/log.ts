import type { Config, SourceConfig } from '../../config/model.ts'
import type { PullPosition } from '../../core/batch.ts'
import { systemClock } from '../../core/clock.ts'
import { programOf } from '../../parts.ts'
import type { Trial } from '../../pipeline/reference/trial.ts'
import { tryLog } from '../../pipeline/reference/trial.ts'
import { encodeLogGroup, encodeLogGroupList } from '../../sls/log-group.ts'

const TAG = '__tag__:'
const RESERVED = /^__(?:topic|source|time)__$|^__tag__:/

/** A pull that brings one log. */
export interface OneLogPulled {
  readonly at: PullPosition
  readonly body: Buffer
}

/**
 * The pull of a log of one logstore. `log`: contents by name; `__topic__`, `__source__`, `__tag__:K` and `__time__` (unix
 * seconds, now if absent) are what Log Service keeps beside them.
 */
export function pulledOf(source: SourceConfig, logstore: string, log: ReadonlyMap<string, string>): OneLogPulled {
  const tags = [...log].filter(([key]) => key.startsWith(TAG)).map(([key, value]) => [key.slice(TAG.length), value])
  const contents = [...log].filter(([key]) => !RESERVED.test(key))
  const [topic, from] = [log.get('__topic__'), log.get('__source__')]
  const body = encodeLogGroupList([
    encodeLogGroup({
      ...(topic !== undefined && { topic }),
      ...(from !== undefined && { source: from }),
      tags: tags as [string, string][],
      logs: [{ ...timeOf(log.get('__time__')), contents }],
    }),
  ])
  const { name, project, query } = source
  const firstGroup = query === undefined ? 0n : undefined
  return { at: { source: name, project, logstore, shard: 0, cursor: 'MA==', firstGroup }, body }
}

/** The way of a log of one logstore. */
export function tryText(
  config: Config,
  source: SourceConfig,
  logstore: string,
  log: ReadonlyMap<string, string>,
): Trial {
  const { at, body } = pulledOf(source, logstore, log)
  return tryLog(programOf(config, source, logstore), at, body)
}

function timeOf(text: string | undefined): { time: number; timeNs?: number } {
  if (text === undefined) return { time: Math.floor(systemClock.wall() / 1000) }
  const [seconds, fraction = ''] = text.split('.')
  return { time: Number(seconds), ...(fraction !== '' && { timeNs: Number(fraction.padEnd(9, '0')) }) }
}
