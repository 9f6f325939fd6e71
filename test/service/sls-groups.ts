import { SlsClient } from '../../src/sls/client.ts'
import type { Fact } from './fact.ts'
import { cannot, section } from './fact.ts'
import { TestLogstore } from './sls-logstore.ts'
import type { SlsAnswer, SlsService } from './sls-service.ts'
import { said } from './sls-service.ts'

const reliedOnBy = ['src/emulator/sls/logstore.ts', 'src/emulator/sls/group-api.ts', 'src/sls/errors.ts']
const NAMES = ['a', 'ab', 'a_b-c', 'x'.repeat(63), 'x'.repeat(64), 'Upper', '-dash', 'dash-', 'dot.ted']
const MOST_CREATED = 60

interface Listed {
  name: string
  timeout: number
  order: boolean
}

/** Names, settings and number of consumer groups, and the shapes of all answers. */
export function groupFacts(sls: SlsService, groups: () => Promise<TestLogstore>): Fact[] {
  const create = ({ path }: TestLogstore, consumerGroup: string, timeout = 30): Promise<SlsAnswer> =>
    sls.call({ method: 'POST', path: `${path}/consumergroups`, body: { consumerGroup, timeout, order: false } })
  /** Whether it could be created. It is deleted afterwards. */
  const creatable = async (store: TestLogstore, name: string, timeout?: number) => {
    const answer = await create(store, name, timeout)
    if (answer.status === 200) await sls.call({ method: 'DELETE', path: `${store.path}/consumergroups/${name}` })
    return said(answer)
  }
  return section('sls-protocol §5.4', reliedOnBy, [
    {
      id: 'sls/shapes',
      says: 'Every answer the bridge needs has the shape it reads: bare arrays, and the fields of the SDKs',
      source: 'sls-protocol §5.2 to §5.4',
      mark: 'verified',
      believed: 'all read',
      reliedOnBy: ['src/emulator/sls/group-api.ts', 'src/emulator/sls/shard-api.ts', 'src/sls/answers.ts'],
      observe: async () => shapes(sls, await groups()),
    },
    {
      id: 'sls/group-names',
      says: 'Names have 2 to 63 of a-z, 0-9, _ and -, and begin and end with a letter or digit',
      mark: 'unverified',
      believed: 'a, 64 x, Upper, -dash, dash-, dot.ted refused with 400 ParameterInvalid',
      reliedOnBy: [...reliedOnBy, 'src/config/settings.ts'],
      observe: async () => {
        const refused = new Map<string, string[]>()
        for (const name of NAMES) {
          const answer = await creatable(await groups(), name)
          const short = name.length > 60 ? `${name.length} x` : name
          if (answer !== '200') refused.set(answer, [...(refused.get(answer) ?? []), short])
        }
        return [...refused].map(([answer, names]) => `${names.join(', ')} refused with ${answer}`).join('; ')
      },
    },
    {
      id: 'sls/logstore-names',
      says: 'A logstore with upper case, a - at its end, a dot or 64 characters in its name is refused',
      mark: 'unverified',
      believed: '400 LogStoreInfoInvalid',
      reliedOnBy: ['src/emulator/sls/store.ts', 'src/config/settings.ts'],
      observe: async () => {
        const answers = new Set<string>()
        for (const end of ['Upper', 'dash-', 'dot.ted', 'x'.repeat(63 - sls.prefix.length)]) {
          const body = { logstoreName: `${sls.prefix}-${end}`, ttl: 1, shardCount: 1 }
          answers.add(said(await sls.call({ method: 'POST', path: '/logstores', body })))
        }
        return [...answers].join(', ')
      },
    },
    {
      id: 'sls/group-exists',
      says: 'An existing group is not created again',
      mark: 'verified',
      believed: '400 ConsumerGroupAlreadyExist',
      observe: async () => {
        const store = await groups()
        return store.withGroup(async ({ name }) => said(await create(store, name)))
      },
    },
    {
      id: 'sls/group-quota',
      says: 'A logstore has at most 30 groups (5, 10, 20 in older pages), then creation is refused with 400 or 403',
      mark: 'unverified',
      believed: ['30, then 400 ConsumerGroupQuotaExceed', '30, then 403 ConsumerGroupQuotaExceed'],
      reliedOnBy: [...reliedOnBy, 'src/cli/check.ts'],
      observe: async () => {
        if (!sls.allows('quota')) cannot('creates groups until it is refused: set SERVICE_TEST_QUOTA=yes')
        const store = await TestLogstore.create(sls, 'quota', 1)
        for (let made = 0; made < MOST_CREATED; made++) {
          const answer = await create(store, `group-${made}`)
          if (answer.status !== 200) return `${made}, then ${said(answer)}`
        }
        return `more than ${MOST_CREATED}`
      },
    },
    {
      id: 'sls/group-timeout',
      says: 'A timeout of 3 s is accepted: SLS_HEARTBEAT_SECONDS=1 needs it',
      mark: 'unverified',
      believed: '200',
      reliedOnBy: [...reliedOnBy, 'src/config/settings.ts'],
      observe: async () => creatable(await groups(), 'short', 3),
    },
    {
      id: 'sls/group-update',
      says: 'PUT changes only the timeout, or only the order',
      mark: 'verified',
      believed: 'timeout 77, order true',
      observe: async () => {
        const { path } = await groups()
        return (await groups()).withGroup(async (group) => {
          await group.call({ method: 'PUT', body: { timeout: 77 } })
          await group.call({ method: 'PUT', body: { order: true } })
          const look = async () =>
            (await sls.call({ path: `${path}/consumergroups` }))
              .json<Listed[]>()
              .find(({ name }) => name === group.name)
          const seen = await sls.until(look, (each) => each?.order === true)
          return `timeout ${seen?.timeout}, order ${seen?.order}`
        })
      },
    },
    {
      id: 'sls/group-deleted',
      says: 'A heartbeat to a deleted group is refused',
      mark: 'verified',
      believed: '404 ConsumerGroupNotExist',
      reliedOnBy: [...reliedOnBy, 'src/consumer/consumer-group.ts'],
      observe: async () => {
        const group = await (await groups()).withGroup(async (each) => each)
        const gone = await sls.until(
          () => group.beat('a', []),
          ({ status }) => status !== 200,
        )
        return said(gone)
      },
    },
  ])
}

/** Every call of the bridge's own client, which refuses unknown shapes. */
async function shapes(sls: SlsService, store: TestLogstore): Promise<string> {
  const { endpoint, project, credentials, region } = sls.access
  const client = new SlsClient({
    ...{ endpoint, project, logstore: store.name, userAgent: 'sls-siem-bridge-conformance' },
    ...{ credentials: async () => credentials, ...(region !== undefined && { region }) },
  })
  const failures: string[] = []
  const attempt = async (call: () => Promise<unknown>) => {
    await call().catch((error: Error) => failures.push(error.message))
  }
  try {
    await store.withGroup(async ({ name: group }) => {
      const begin = await client.getCursor(0, 'begin')
      await attempt(() => client.listShards())
      await attempt(() => client.listConsumerGroups())
      await attempt(() => client.heartbeat(group, 'a', []))
      await attempt(() => client.getCheckpoints(group))
      await attempt(() => client.initialiseCheckpoint(group, 'a', 0, begin))
      await attempt(() => client.getCursorTime(0, begin))
      await attempt(async () => (await client.pull(0, begin, { count: 1 })).read())
    })
  } finally {
    await client.close()
  }
  return failures.length === 0 ? 'all read' : failures.join('; ')
}
