import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { RAM_ACTIONS } from '../../../src/sls/errors.ts'

interface Statement {
  Effect: string
  Action: string[]
  Resource: string
}

const statements: Statement[] = JSON.parse(
  readFileSync(new URL('../../../deploy/ram/policy.json', import.meta.url), 'utf8'),
).Statement

test('the RAM policy allows what the client calls and `check` asks for the logstore, and nothing else', () => {
  const allowed = statements.flatMap(({ Action }) => Action)
  expect(allowed.toSorted()).toEqual(
    [...new Set<string>([...Object.values(RAM_ACTIONS), 'log:GetLogStore'])].toSorted(),
  )
  expect(statements.every(({ Effect }) => Effect === 'Allow')).toBe(true)
})

test('each on the resource that the service checks it against', () => {
  const logstore = 'acs:log:*:*:project/<project>/logstore/<logstore>'
  const group = `${logstore}/consumergroup/<consumer group>`
  const resources = Object.fromEntries(
    statements.flatMap(({ Action, Resource }) => Action.map((name) => [name, Resource])),
  )
  expect(resources).toEqual({
    'log:GetCursorOrData': logstore,
    'log:ListShards': logstore,
    'log:GetLogStore': logstore,
    'log:ListConsumerGroup': `${logstore}/consumergroup/*`,
    'log:CreateConsumerGroup': `${logstore}/consumergroup/*`,
    'log:UpdateConsumerGroup': group,
    'log:ConsumerGroupHeartBeat': group,
    'log:ConsumerGroupUpdateCheckPoint': group,
    'log:GetConsumerGroupCheckPoint': group,
  })
})
