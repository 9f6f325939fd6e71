import { cursorNumber } from '../../src/sls/cursor.ts'
import { decodeLogGroup } from '../../src/sls/log-group.ts'
import type { Fact } from './fact.ts'
import { noClientCan, section } from './fact.ts'
import type { TestLogstore } from './sls-logstore.ts'
import { groupsOf, logGroup } from './sls-logstore.ts'
import type { SlsAnswer } from './sls-service.ts'
import { once, said } from './sls-service.ts'

const reliedOnBy = ['src/emulator/sls/query.ts', 'src/emulator/sls/pull-logs.ts', 'src/consumer/shard-fetcher.ts']
const ERRORS = "* | where level = 'error'"

/** Pulls with SPL: their effect on groups and cursors. */
export function queryFacts(logs: () => Promise<TestLogstore>): Fact[] {
  /** Three groups of one topic, source and set of tags; two logs of four are errors. */
  const written = once(async () => {
    const store = await logs()
    const body = (...levels: string[]) => {
      const time = Math.floor(Date.now() / 1000)
      return logGroup('', { logs: levels.map((level) => ({ time, contents: [['level', level]] })) })
    }
    return { store, from: await store.written(body('error', 'info'), body('error'), body('info')) }
  })
  const pulled =
    (
      query: string,
      look: (answer: SlsAnswer, from: string) => string,
      pullMode: object = { pullMode: 'scan_on_stream' },
    ) =>
    async () => {
      const { store, from } = await written()
      const answer = await store.pull(from, { query, ...pullMode })
      return answer.status === 200 ? look(answer, from) : said(answer)
    }
  return section('sls-protocol §4.1, §9', reliedOnBy, [
    {
      id: 'sls/query-rows',
      says: 'A row filter keeps the matching rows',
      mark: 'verified',
      believed: '2 logs, all errors',
      observe: pulled(ERRORS, rows),
    },
    {
      id: 'sls/query-no-pull-mode',
      says: 'A query works without pullMode too, as Java sends it',
      mark: 'unverified',
      believed: '2 logs, all errors',
      observe: pulled(ERRORS, rows, {}),
    },
    {
      id: 'sls/query-regroups',
      says: 'The service rebuilds groups: logs with the same topic, source and tags become one group',
      mark: 'unverified',
      believed: '1 group of 3',
      observe: pulled('*', (answer) => `${answer.header('x-log-count')} group of 3`),
    },
    {
      id: 'sls/query-no-group-cursor',
      says: 'A rebuilt group has no cursor: x-log-read-last-cursor is absent, so ids must come from contents',
      mark: 'unverified',
      believed: 'not sent',
      observe: pulled(ERRORS, (answer) =>
        answer.header('x-log-read-last-cursor') === undefined ? 'not sent' : 'sent',
      ),
    },
    {
      id: 'sls/query-cursor',
      says: 'The cursor moves over everything that was scanned',
      mark: 'verified',
      believed: '+3',
      observe: pulled(ERRORS, step),
    },
    {
      id: 'sls/query-nothing-left',
      says: 'If no row matches, the count is 0 and the cursor still moves',
      mark: 'verified',
      believed: '0 groups, +3',
      observe: pulled(
        "* | where level = 'none'",
        (answer, from) => `${answer.header('x-log-count')} groups, ${step(answer, from)}`,
      ),
    },
    {
      id: 'sls/query-raw-counts',
      says: 'x-log-rawdatacount is the number of scanned groups',
      mark: 'verified',
      believed: '3',
      observe: pulled(ERRORS, (answer) => answer.header('x-log-rawdatacount') ?? 'not sent'),
    },
    {
      id: 'sls/query-nonsense',
      says: 'An invalid query is refused',
      mark: 'unverified',
      believed: '400 ParameterInvalid',
      reliedOnBy: [...reliedOnBy, 'src/sls/errors.ts'],
      observe: pulled('* | no such command', () => 'taken'),
    },
    {
      id: 'sls/processor',
      says: 'A consume processor excludes a query',
      mark: 'unverified',
      believed: '400 ParameterInvalid',
      ...noClientCan('a consume processor must be made in the console, and the bridge never names one'),
    },
  ])
}

function rows(answer: SlsAnswer): string {
  const levels = groupsOf(answer)
    .flatMap((group) => decodeLogGroup(group).logs)
    .map(({ contents }) => contents.find(([key]) => key.toString() === 'level')?.[1].toString())
  return `${levels.length} logs, ${levels.every((level) => level === 'error') ? 'all' : 'not all'} errors`
}

function step(answer: SlsAnswer, from: string): string {
  return `+${(cursorNumber(answer.header('x-log-cursor') ?? '') ?? 0n) - (cursorNumber(from) ?? 0n)}`
}
